"""``inproc``: two pipes of one process joined without bytes, tasks or copies.

What one side puts into its pipe moves to the other side's inbound queue in the same step, as far
as there is room there, and waits in the sender's queue otherwise; so the capacity of an inproc
connection is the sender's ``send_hwm`` plus the receiver's ``receive_hwm``, as in libzmq. Types
and routing ids are judged as in a handshake, which libzmq leaves out here.

A `JoinEnd` is to its socket what a `Link` is, and has the same surface.
"""

from __future__ import annotations

from typing import Protocol

import trio

from trio_mq._connections.link_end import LinkEnd, Refusal
from trio_mq._connections.link_owner import LinkOwner
from trio_mq._connections.status import Endpoint, EndpointState
from trio_mq._errors import HandshakeError, IncompatiblePeer, MQError
from trio_mq._message import Message, size_of, to_message
from trio_mq._options import Options
from trio_mq._outgoing import frames_of
from trio_mq._peer import Peer
from trio_mq._pipe import Pipe
from trio_mq._transports.inproc import Namespace
from trio_mq.zmtp import PeerProperties, SocketType


class JoinOwner(LinkOwner, Protocol):
    """What the two sides of a join ask of their sockets."""

    @property
    def socket_type(self) -> SocketType:
        """Checked against the other side's."""

    def admit_now(self, properties: PeerProperties, link: JoinEnd) -> Pipe:
        """Judge a peer at once and return the pipe for it.

        Raises:
            Refusal: It is not wanted.
        """


class JoinEnd:
    """One side of a join, as its socket sees it."""

    def __init__(
        self,
        owner: JoinOwner,
        *,
        origin: BoundName | ConnectedName,
        own_pipe: Pipe | None,
    ) -> None:
        self._origin = origin
        self.endpoint = self.address = origin.endpoint
        self.options = origin.options
        self.own_pipe = own_pipe
        self.owner = owner
        self.pipe: Pipe | None = None
        self.peer: Peer | None = None
        self._other: JoinEnd | None = None
        #: Subscriptions from before the other side knew its peer.
        self._early: list[bytes] = []
        self._open = False
        self._moving = False
        self._finishing = False
        self._ended = False

    def __repr__(self) -> str:
        return f"<JoinEnd {self.endpoint}>"

    # -- joining --

    @property
    def properties(self) -> PeerProperties:
        """What the other side is to know about us."""
        return PeerProperties(
            socket_type=self.owner.socket_type,
            routing_id=self.options.routing_id,
            metadata=self.options.metadata,
        )

    def judge(self, other: JoinEnd) -> Pipe:
        """Return our pipe for the other side.

        Raises:
            IncompatiblePeer: The types don't go together.
            Refusal: Our socket does not want it.
        """
        ours, theirs = self.owner.socket_type, other.owner.socket_type
        if not ours.may_talk_to(theirs):
            raise IncompatiblePeer(f"{ours.value} cannot talk to {theirs.value} ({self.endpoint})")
        return self.owner.admit_now(other.properties, self)

    def begin(self, other: JoinEnd, pipe: Pipe) -> None:
        """Both sides agree: take the pipe."""
        self._other = other
        self.pipe = pipe
        self.peer = Peer(
            other.properties, endpoint=self.endpoint, address=self.endpoint, hang_up=self.hang_up
        )
        pipe.peer = self.peer
        self.peer.attach(pipe)

    def introduce(self) -> None:
        """Both sides have their pipes: tell our socket of its peer."""
        if not self._ended:
            assert self.peer is not None  # noqa: S101  # begin() made it
            self.owner.connected(self, self.peer)

    def open(self) -> None:
        """Both sockets know their peers: let subscriptions and messages flow from ours."""
        if self._ended or self.pipe is None:
            return
        self._open = True
        for topic in self._early:
            self.subscribe(topic)
        self.pipe.on_outgoing = self._transfer
        self._transfer()

    def refuse(self, error: BaseException) -> None:
        """It came to nothing: give back the pipe, if we have one already."""
        self._ended = True
        self.owner.disconnected(self, LinkEnd.by(error, None))
        self._origin.lost(self)

    # -- as a link --

    def subscribe(self, topic: bytes) -> None:
        """Ask the other side for a topic."""
        other = self._other
        if not self._open:
            self._early.append(topic)
        elif other is not None:
            try:
                other.owner.subscribe(other, topic)
            except MQError as error:
                self.end("subscription-limit", error)

    def cancel(self, topic: bytes) -> None:
        """Tell the other side that we no longer want a topic."""
        if topic in self._early:
            self._early.remove(topic)
        if self._open and self._other is not None:
            self._other.owner.cancel(self._other, topic)

    def hang_up(self, reason: str) -> None:
        """End the connection now."""
        self.end(reason, None)

    def write_once(self) -> None:
        """Everything that could be written has been, as always here."""

    def finish(self) -> None:
        """Let what waits move over, then end."""
        self._finishing = True
        self._transfer()

    async def ping_for_life(self, seconds: float) -> bool:  # noqa: ARG002  # as a link's
        """Tell that the other side lives: it would have ended with its socket."""
        await trio.lowlevel.checkpoint()
        return True

    def end(self, reason: str, error: BaseException | None) -> None:
        """End both sides."""
        other = self._other
        self._leave(reason, error)
        if other is not None:
            other._leave("closed by the peer", None)  # noqa: SLF001  # the other half of us

    def _leave(self, reason: str, error: BaseException | None) -> None:
        if self._ended:
            return
        self._ended = True
        pipe, peer = self.pipe, self.peer
        self._other = None
        if pipe is None or peer is None:
            return
        pipe.link_ended(torn=False)
        peer.mark_closed()
        if pipe.peer is peer:
            pipe.peer = None
        self.owner.disconnected(self, LinkEnd(reason, error, peer.since))
        self._origin.lost(self)

    def _transfer(self) -> None:
        """Move what waits in our pipe to the other side, as far as there is room."""
        # Each batch makes room for a sender that waits, and so calls us again while the batch is
        # on its way; what that sender put must not overtake it.
        if self._moving:
            return
        self._moving = True
        try:
            moved_all = self._move()
        except MQError as error:
            self.end(LinkEnd.by(error, None).reason, error)
        else:
            if moved_all and self._finishing:
                self.end("closed", None)
        finally:
            self._moving = False

    def _move(self) -> bool:
        """Move batches until nothing waits (True), or there is no room for more (False).

        Raises:
            RemoteProtocolError: We sent what the other side's pattern forbids.
        """
        pipe = self.pipe
        assert pipe is not None  # noqa: S101  # only an open side moves messages
        while pipe.outgoing:
            other = self._other
            if other is None or other.pipe is None:
                return False
            room, room_bytes = other.pipe.inbound.room()
            if room <= 0 or room_bytes <= 0:
                other.pipe.inbound.pause(self._transfer)
                return False
            items = pipe.next_batch(room, room_bytes)
            messages: list[Message] = [to_message(frames_of(item)) for item in items]
            payload = sum(map(size_of, messages))
            pipe.written(len(items), payload)
            other.owner.deliver(other, messages, payload)
        pipe.writer_is_idle()
        return True


def join(connector: JoinEnd, binder: JoinEnd) -> None:
    """Join two sides.

    Raises:
        HandshakeError: Their types don't go together.
        Refusal: One of them does not want the other.
    """
    binder.pipe = binder.judge(connector)
    connector.pipe = connector.judge(binder)
    binder.begin(connector, binder.pipe)
    connector.begin(binder, connector.pipe)
    binder.introduce()
    connector.introduce()
    binder.open()
    connector.open()


class BoundName:
    """A bound ``inproc`` endpoint."""

    def __init__(
        self,
        owner: JoinOwner,
        *,
        endpoint: str,
        name: str,
        options: Options,
        names: Namespace[BoundName],
    ) -> None:
        self.endpoint = endpoint
        self.options = options
        self.owner = owner
        self.done = trio.Event()
        self.links: dict[JoinEnd, None] = {}
        self._name = name
        self._names = names
        self._closed = False
        names.bind(name, self)

    def __repr__(self) -> str:
        return f"<BoundName {self.endpoint} with {len(self.links)} connections>"

    def status(self) -> Endpoint:
        """Return how it is doing."""
        return Endpoint(
            endpoint=self.endpoint,
            bound=True,
            state=EndpointState.LISTENING,
            queued=sum(len(link.pipe.outgoing) for link in self.links if link.pipe is not None),
            peers=len(self.links),
        )

    def close(self) -> None:
        """Free the name."""
        if not self._closed:
            self._closed = True
            self._names.unbind(self._name)

    def stop(self) -> None:
        """Free the name and end every connection."""
        self.close()
        for link in tuple(self.links):
            link.end("closed", None)
        self.done.set()

    def finish(self) -> None:
        """Free the name and let every connection end in order."""
        self.close()
        for link in tuple(self.links):
            link.finish()
        if not self.links:
            self.done.set()

    def lost(self, link: JoinEnd) -> None:
        """A connection has ended."""
        self.links.pop(link, None)
        if self._closed and not self.links:
            self.done.set()


class ConnectedName:
    """A connected ``inproc`` endpoint: it waits for its name to be bound, again and again."""

    def __init__(
        self,
        owner: JoinOwner,
        *,
        endpoint: str,
        name: str,
        options: Options,
        pipe: Pipe,
        names: Namespace[BoundName],
    ) -> None:
        self.endpoint = endpoint
        self.options = options
        self.pipe = pipe
        self.state = EndpointState.CONNECTING
        self.last_error: BaseException | None = None
        self.link: JoinEnd | None = None
        self.settled = trio.Event()
        self.done = trio.Event()
        self._owner = owner
        self._name = name
        self._names = names
        self._stopped = False

    def __repr__(self) -> str:
        return f"<ConnectedName {self.endpoint} {self.state.value}>"

    def status(self) -> Endpoint:
        """Return how it is doing."""
        return Endpoint(
            endpoint=self.endpoint,
            bound=False,
            state=self.state,
            last_error=self.last_error,
            queued=len(self.pipe.outgoing),
            peers=int(self.pipe.peer is not None),
        )

    def look(self) -> None:
        """Meet whoever is bound to the name, or wait for somebody.

        Raises:
            RuntimeError: The name is bound in another trio run.
        """
        if not self._stopped:
            self._names.connect(self._name, self)

    def found(self, binder: BoundName) -> None:
        """The name is bound: join, if the two sides want each other."""
        ours = JoinEnd(self._owner, origin=self, own_pipe=self.pipe)
        theirs = JoinEnd(binder.owner, origin=binder, own_pipe=None)
        self.link = ours
        binder.links[theirs] = None
        try:
            join(ours, theirs)
        except (HandshakeError, Refusal) as error:
            self.link = None
            self.state, self.last_error = EndpointState.FAILED, error.with_traceback(None)
            theirs.refuse(error)
            ours.refuse(error)
        else:
            self.state, self.last_error = EndpointState.CONNECTED, None
        self.settled.set()

    def lost(self, link: JoinEnd) -> None:
        """The connection has ended: wait for the name to be bound again."""
        if link is not self.link:
            return
        self.link = None
        self.state = EndpointState.RETRYING
        if self._stopped:
            self.done.set()
        else:
            self.look()

    def stop(self) -> None:
        """Drop the connection, if any, and wait for the name no more."""
        self._stopped = True
        self._names.forget(self._name, self)
        if self.link is not None:
            self.link.end("closed", None)
        self.settled.set()
        self.done.set()

    def finish(self) -> None:
        """Let what waits move over, then stop."""
        if self.link is not None:
            self._stopped = True
            self.link.finish()
        elif not self.pipe.outgoing:
            self.stop()

    def redial(self) -> None:
        """Nothing to do: the name is met again as soon as it is bound."""
