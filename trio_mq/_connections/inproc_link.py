"""``inproc``: two pipes of one process joined without bytes, tasks or copies.

What one side puts into its pipe moves to the other side's inbound queue, as far as there is room
there, and waits in the sender's queue otherwise; so the capacity of an inproc connection is the
sender's ``send_hwm`` plus the receiver's ``receive_hwm``, as in libzmq. The first message moves at
once, so that whoever waits for it wakes up. The next ones move together, when the receiver has
come to the end of what it has, or when the sender has no more room: moving one costs as much as
sending two.

Types and routing ids are judged as in a handshake, and sizes by the receiver's limits as in a
decoder. (libzmq does not limit sizes over inproc.)

Messages move in the stack of whoever sends, receives, or only asks for room or figures. None of
these finds that a connection has ended under its hands: if the other side won't have a message,
nothing more moves, and the connection ends in the next turn of the scheduler, as a stream's would.

An `InprocLink` is to its socket what a `Link` is, and has the same surface; and it borrows its pipe
as a `Writer` does (`Borrower`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from functools import partial
from itertools import takewhile
from typing import ClassVar, NoReturn, Protocol

import trio

from trio_mq._connections.inproc_sizes import fit, too_large
from trio_mq._contract import Ending, SocketSide
from trio_mq._errors import IncompatiblePeer, InternalError, MQError, Refusal
from trio_mq._message import Message, size_of, to_message
from trio_mq._options import Options
from trio_mq._peer import Peer
from trio_mq._pipes.item import Item, frames_of
from trio_mq._pipes.pipe import Pipe
from trio_mq.zmtp import Cancel, PeerProperties, Subscribe
from trio_mq.zmtp.socket_types import incompatible


class InprocOrigin(Protocol):
    """The endpoint that made a side of an inproc link."""

    @property
    def endpoint(self) -> str:
        """As the user knows it."""

    @property
    def options(self) -> Options:
        """Those of this endpoint."""

    def lost(self, link: InprocLink) -> None:
        """A side has ended."""


class _Stage(enum.Enum):
    """How far one side has come: it only ever goes on."""

    #: The other socket may not know its peer yet: subscriptions are kept, and messages wait.
    JOINING = enum.auto()
    OPEN = enum.auto()
    #: What waits moves over, and then it ends.
    FINISHING = enum.auto()
    #: Both sides move what they can, and end in this very step.
    ENDING = enum.auto()
    ENDED = enum.auto()


class InprocLink:
    """One side of a join, as its socket sees it."""

    writes_later: ClassVar[bool] = False

    def __init__(
        self,
        owner: SocketSide,
        *,
        origin: InprocOrigin,
        own_pipe: Pipe | None,
    ) -> None:
        self._origin = origin
        self.endpoint = self.address = origin.endpoint
        self.options = origin.options
        self.routing_id = owner.routing_id
        self.own_pipe = own_pipe
        self.owner = owner
        self.pipe: Pipe | None = None
        self.peer: Peer | None = None
        #: How it ended, once it has.
        self.ending: Ending | None = None
        #: Its end needs no pause: our side wants to connect again, or the other one has freed its
        #: name.
        self.at_once = False
        #: Takes what arrives from the other side.
        self.deliver: Callable[[list[Message], int], None] = _too_early
        self._other: InprocLink | None = None
        #: Subscriptions from before the other side knew its peer.
        self._early: list[bytes] = []
        self._stage = _Stage.JOINING
        #: Something of ours is on its way over: see `_move_guarded`.
        self._moving = False
        #: The end is due, and nothing of ours moves any more: see `_end_soon`.
        self._end_is_due = False
        #: What our side has against a message of the other's: the reason of the end, whoever ends.
        self._verdict: MQError | None = None

    def __repr__(self) -> str:
        return f"<InprocLink {self.endpoint}>"

    # -- joining --

    @property
    def properties(self) -> PeerProperties:
        """What the other side is to know about us."""
        return PeerProperties(
            socket_type=self.owner.socket_type,
            routing_id=self.routing_id,
            correlates=self.owner.correlates,
            metadata=self.options.metadata,
        )

    def judge(self, other: InprocLink) -> None:
        """Take our pipe for the other side, whose type goes with ours.

        Raises:
            Refusal: Our socket does not want it.
        """
        self.pipe = self.owner.admit_now(other.properties, self)

    def misfit(self, other: InprocLink) -> IncompatiblePeer | None:
        """Return what our side is told if the types don't go together."""
        ours, theirs = self.owner.socket_type, other.owner.socket_type
        return None if ours.may_talk_to(theirs) else incompatible(ours, theirs.value)

    def begin(self, other: InprocLink) -> None:
        """Both sides agree, and have their pipes."""
        assert self.pipe is not None  # noqa: S101  # judge() took it
        self._other = other
        self.peer = Peer(other.properties, endpoint=self.endpoint, address=self.endpoint, link=self)
        self.deliver = partial(self.owner.deliver, self, self.pipe)
        self.pipe.lend(self.peer, self)

    def introduce(self) -> None:
        """Both sides have their pipes: tell our socket of its peer."""
        if self._stage is not _Stage.ENDED:
            assert self.peer is not None  # noqa: S101  # begin() made it
            self.owner.connected(self, self.peer)

    def open(self) -> None:
        """Both sockets know their peers: let subscriptions and messages flow from ours."""
        if self._stage is not _Stage.JOINING or self.pipe is None:
            return
        self._stage = _Stage.OPEN
        for topic in self._early:
            self.send_subscribe(topic)
        self._transfer()

    def refuse(self, error: BaseException) -> None:
        """The join has failed: give up the pipe, if we have one already."""
        self._stage = _Stage.ENDED
        self.owner.disconnected(self, Ending.by(error, None))
        self._origin.lost(self)

    # -- as a link --

    def faults(self) -> Iterator[str]:
        """Say nothing: what moves within a process is not written."""
        yield from ()

    def send_subscribe(self, topic: bytes) -> None:
        """Ask the other side for a topic."""
        other = self._other
        if self._stage is _Stage.JOINING:
            self._early.append(topic)
        elif other is not None:
            try:
                other.owner.peer_said(other, Subscribe(topic))
            except MQError as error:
                self._turned_away(error)

    def send_cancel(self, topic: bytes) -> None:
        """Tell the other side that we no longer want a topic."""
        if topic in self._early:
            self._early.remove(topic)
        if self._stage is not _Stage.JOINING and self._other is not None:
            self._other.owner.peer_said(self._other, Cancel(topic))

    def hang_up(self, reason: str) -> None:
        """End the connection now."""
        self.end(reason, None)

    def redial(self, reason: str) -> None:
        """End the connection now; the name is met again as soon as it is bound."""
        self.look_again_at_once()
        self.end(reason, None)

    def let_go(self) -> None:
        """Our socket has freed the name: who the other side finds there next is another one."""
        if self._other is not None:
            self._other.look_again_at_once()

    def look_again_at_once(self) -> None:
        """The name is free, or will be in a moment: when we end, look for it without a pause."""
        self.at_once = True

    def write_once(self) -> None:
        """Move what waits, as far as there is room."""
        self._transfer_all()

    def finish(self) -> None:
        """Let what waits move over, then end."""
        if self._stage is _Stage.OPEN:
            self._stage = _Stage.FINISHING
        self._transfer_all()

    async def shows_life(self, seconds: float) -> bool:  # noqa: ARG002  # as a link's
        """Tell that the other side lives: it would have ended with its socket."""
        await trio.lowlevel.checkpoint()
        return True

    # -- for the pipe, once both sockets know their peers --

    def write_at_once(self, item: Item, size: int) -> bool:  # noqa: ARG002
        """Never: there are no bytes here, and what is queued moves at once."""
        return False

    def queued(self) -> None:
        """A message was put into our pipe."""
        if self._stage is not _Stage.JOINING:
            self._transfer()

    def gather(self) -> None:
        """Nothing is gathered: to move a message costs no system call."""

    def turn_ended(self) -> bool:
        """Nothing was gathered."""
        return False

    def press(self) -> None:
        """What has room on the other side has moved already."""

    def write_for_many(self, wire: bytes, count: int, payload: int) -> bool:  # noqa: ARG002
        """Never: there are no bytes here."""
        return False

    def wake(self) -> None:
        """Nothing but messages is written in memory."""

    def make_room(self) -> None:
        """Our pipe is full: move what has room on the other side."""
        if self._stage is not _Stage.JOINING:
            self._transfer_all()

    def catch_up(self) -> None:
        """Move what was put off on both sides."""
        other = self._other
        self.make_room()
        if other is not None:
            other.make_room()

    def _turned_away(self, error: MQError) -> None:
        """The other side's pattern refuses what we sent: end it as a link would end, and say why.

        Both sides share this stack, so the error of the other side is raised here.
        """
        if self._other is not None:
            self._other.end(Ending.by(error, None).reason, error)

    def end(self, reason: str, error: BaseException | None) -> None:
        """End both sides; what moved together with others, or was about to, still arrives."""
        other = self._other
        if other is not None and self._stage is not _Stage.ENDING:
            # SLF001: it is the other half of us.
            self._stage = other._stage = _Stage.ENDING  # noqa: SLF001
            self._transfer_all()
            other._transfer_all()  # noqa: SLF001
        ended = [self] if self._leave(reason, error) else []
        if other is not None and other._leave("closed by the peer", None):  # noqa: SLF001
            ended.append(other)
        # Only now, since one of them looks for its name at once and must not find its old self
        # there.
        for side in ended:
            side._origin.lost(side)  # noqa: SLF001

    def _leave(self, reason: str, error: BaseException | None) -> bool:
        """End this side; False if there is nothing to end."""
        if self._stage is _Stage.ENDED:
            return False
        self._stage = _Stage.ENDED
        pipe, peer = self.pipe, self.peer
        self._other = None
        if pipe is None or peer is None:
            return False
        if self._verdict is not None:
            reason, error = Ending.by(self._verdict, None).reason, self._verdict
        pipe.give_back(partly_written=False)
        self.ending = Ending(reason, error, peer.since)
        self.owner.disconnected(self, self.ending)
        return True

    def _transfer(self) -> None:
        """Move what waits to the other side, once it has nothing left to receive."""
        self._move_guarded(all_of_it=self._stage is _Stage.FINISHING)

    def _transfer_all(self) -> None:
        """Move what waits to the other side, as far as there is room."""
        self._move_guarded(all_of_it=True)

    def _move_guarded(self, *, all_of_it: bool) -> None:
        # Each batch makes room for a sender that waits, and so calls us again while the batch is
        # on its way; what that sender put must not overtake it.
        if self._moving or self._end_is_due or self.pipe is None:
            return
        self._moving = True
        try:
            moved_all = self._move(self.pipe, all_of_it=all_of_it)
        except MQError as error:
            if (other := self._other) is not None:
                other._verdict = error  # noqa: SLF001  # the other half of us
                self._end_soon(self.pipe, other)
        else:
            if moved_all and self._stage is _Stage.FINISHING:
                self._end_soon(self.pipe, self)
        finally:
            self._moving = False

    def _end_soon(self, pipe: Pipe, side: InprocLink) -> None:
        """Let a side end in a turn of its own: its cause is in the midst of something else.

        That may be a question for room, and the answer would be about a pipe that is gone.
        """
        if self._stage is not _Stage.ENDING:
            self._end_is_due = True
            pipe.outbound.writer_is_busy()
            trio.lowlevel.current_trio_token().run_sync_soon(side.end, "closed", None)

    def _move(self, pipe: Pipe, *, all_of_it: bool) -> bool:
        """Move batches until nothing waits (True), or no more may move now (False).

        Raises:
            RemoteProtocolError: We sent what the other side's pattern forbids.
        """
        while pipe.outbound.queue:
            other = self._other
            if other is None or other.pipe is None:
                return False
            inbound = other.pipe.inbound
            room, room_bytes = inbound.room()
            if room <= 0 or room_bytes <= 0 or (inbound.holds and not all_of_it):
                inbound.pause(self._transfer)
                pipe.outbound.writer_is_busy()
                return False
            items = pipe.outbound.next_batch(room, room_bytes)
            messages: list[Message] = [to_message(frames_of(item)) for item in items]
            payload = sum(map(size_of, messages))
            if not fit(messages, payload, other.options):
                self._move_what_fits(messages, pipe, other)
            pipe.outbound.written(len(items), payload)
            other.deliver(messages, payload)
        pipe.outbound.writer_is_idle()
        return True

    @staticmethod
    def _move_what_fits(messages: list[Message], pipe: Pipe, other: InprocLink) -> NoReturn:
        """Move the messages before one that the other side refuses, and drop that one.

        Raises:
            RemoteProtocolError: The verdict on it, as a decoder would give it.
        """
        good = list(takewhile(lambda message: too_large(message, other.options) is None, messages))
        payload = sum(map(size_of, good))
        bad = messages[len(good)]
        pipe.outbound.written(len(good) + 1, payload + size_of(bad))
        if good:
            other.deliver(good, payload)
        error = too_large(bad, other.options)
        assert error is not None  # noqa: S101  # it does not fit
        raise error


def _too_early(messages: list[Message], payload: int) -> None:
    """Stand for what takes messages, before there is a pipe for them."""
    raise InternalError(f"{len(messages)} messages, {payload} bytes, before the sides have joined")


def join(connector: InprocLink, binder: InprocLink) -> None:
    """Join two sides.

    Raises:
        IncompatiblePeer: Their types don't go together.
        Refusal: One of them does not want the other.
    """
    if (misfit := connector.misfit(binder)) is not None:
        raise misfit
    try:
        binder.judge(connector)
    except Refusal as refusal:
        raise Refusal(refusal.reason, f"the other end refuses us: {refusal}") from None
    connector.judge(binder)
    binder.begin(connector)
    connector.begin(binder)
    binder.introduce()
    connector.introduce()
    binder.open()
    connector.open()
