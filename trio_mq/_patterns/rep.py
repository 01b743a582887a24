"""Rep's side of request and reply: whom to answer, and where the next request will come from.

By ``receive`` and ``send``, a request is answered before the next one is taken. As a service, which
is `trio_mq._patterns.service`, it has any number in hand. A reply that a connection did not carry
to its end is dropped with it, also where we dialled and dial again: without an id, nothing but the
connection says which request it answers, and on the next one it would be taken for the reply to
another.

While there is only one client, the task that waits for a request does so at that client's
connection (`trio_mq._connections.watch`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from typing import TYPE_CHECKING, Final

from trio_mq._errors import StateError
from trio_mq._message import Frames, Message, to_message
from trio_mq._options import Options
from trio_mq._patterns.service import InHand, ServicePattern
from trio_mq._patterns.stand_in import StandIn
from trio_mq._pipes.pipe import Pipe
from trio_mq._pipes.watched import Watched
from trio_mq._strategies.last_requester import LastRequester, Requester, split_envelope
from trio_mq._tally import DropReason
from trio_mq._waiting import Closed
from trio_mq.zmtp import SocketType

if TYPE_CHECKING:
    from trio_mq._peer import Peer


_new: Final = tuple.__new__

#: The envelope of a request that comes straight from a Req, without an id.
_PLAIN: Final[Frames] = (b"",)


class RepPattern(ServicePattern):
    """Fair-queue in; out to the last requester, in its envelope."""

    socket_type = SocketType.REP
    correlates = True
    per_connection = True
    #: A request to a Rep always has an envelope (RFC 28).
    split = staticmethod(split_envelope)
    plain_queue = False

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.requester = LastRequester()
        #: A task is in ``receive``. It stands here, and not in the socket, whose attributes are
        #: checked as they are set, which costs a call.
        self.is_received_from: bool = False
        #: Where a task waits for a request by watching the only connection.
        self._stand_in = StandIn()
        self._closing = False
        #: What the task that stands in has read and not taken yet: a peer, and its request's body.
        self._read: tuple[Peer, bytes] | None = None

    def only_connection(self) -> Watched[Pipe] | None:
        """Return the connection that will bring the next request, if only one can.

        The caller has seen that none is here, and that the socket is open.
        """
        links = self.ledger.links
        if len(links) != 1 or self.requester.pending:
            return None
        (link,) = links.values()
        return link.pipe.watched if link.pipe is not None else None

    def stand_in(self, watched: Watched[Pipe]) -> Awaitable[bool]:
        """Wait for a request there; see `Watched.stand_in`.

        It is no coroutine of its own: each that a task waits in is made, and gone through again,
        for every request.
        """
        return watched.stand_in(self._stand_in, self._has_news, self.take_body)

    def _has_news(self) -> bool:
        return self._read is not None or self._closing or bool(self.queue)

    def take_body(self, pipe: Pipe, body: bytes) -> bool:
        """Take a request that came alone for the task that has read it, if nobody is before it."""
        peer = pipe.peer
        if self._has_news() or self.receivers.waiters or peer is None:
            return False
        pipe.inbound.pass_through(len(body))
        self._read = peer, body
        return True

    def messages_arrived(self, pipe: Pipe) -> None:
        """An unreadable pipe has messages; it may be another than the one that is watched."""
        super().messages_arrived(pipe)
        self._stand_in.recall()

    @property
    def is_waited_at(self) -> bool:
        """Some task waits for a request, in whatever way."""
        return bool(self.receivers.waiters) or self._stand_in.watched is not None

    @property
    def tasks_receiving(self) -> int:
        """Tasks that wait in ``receive``, which is one at most."""
        return super().tasks_receiving + (self._stand_in.watched is not None)

    def close(self, closed: Closed) -> None:
        """Let every waiting task raise."""
        super().close(closed)
        self._closing = True
        self._stand_in.recall()

    def faults(self) -> Iterator[str]:
        """Say what must not be between two steps of tasks; the debug mode asks."""
        yield from super().faults()
        if self._read is not None:
            yield f"a request of {self._read[0]!r} was read, and is neither taken nor queued"

    # -- one request at a time --

    def take(self) -> Message:
        """Return the body of the next request, and keep its envelope for the reply."""
        if self.requester.pending:
            raise _answer_first()
        peer, envelope, body = self.take_opened()
        self.requester.asked(Requester(peer, envelope))
        return body

    def put_back(self, message: Message) -> None:
        """Make the request that was taken last the next one again, with its envelope."""
        envelope = self.requester.answer().envelope
        super().put_back(to_message((*envelope, *message)))

    def send(self, frames: Frames) -> None:
        """Answer the last requester; one that is gone or full loses the reply, counted."""
        requester = self.requester.answer()
        self.give(requester.peer, (*requester.envelope, *frames))

    def discard(self) -> None:
        """Let the last requester get no reply."""
        self.decline(self.requester.answer().peer)

    def take_opened(self) -> tuple[Peer, Frames, Message]:
        """Take the next request, which the caller may have read by itself."""
        if self._read is None:
            return super().take_opened()
        (peer, body), self._read = self._read, None
        self.queue.source = peer
        return peer, _PLAIN, _new(Message, (body,))

    def take_read(self) -> Message | None:
        """Do as `take` if the caller has read the request by itself."""
        read = self._read
        if read is None:
            return None
        self._read = None
        peer, body = read
        self.queue.source = peer
        self.requester.asked(_new(Requester, (peer, _PLAIN)))
        return _new(Message, (body,))

    # -- any number --

    def take_request(self) -> InHand:
        """Return the next request, unless one has to be answered by `send` first."""
        if self.requester.pending:
            raise _answer_first()
        return super().take_request()

    def give(self, peer: Peer, frames: Frames) -> None:
        """Queue a reply; it never waits, since a client that reads nothing must not stop others."""
        link = self.ledger.links.get(peer)
        pipe = link.pipe if link is not None else None
        if pipe is None:
            self.ledger.drop_unqueued(DropReason.UNROUTABLE, peer=peer)
        elif not pipe.outbound.queue or pipe.outbound.has_room():
            if pipe.inbound.batch:
                pipe.outbound.gather()
            pipe.outbound.put(frames)
        else:
            pipe.outbound.refuse(DropReason.HIGH_WATER_MARK)


def _answer_first() -> StateError:
    return StateError(
        "a Rep answers a request before it receives the next: send a reply, or discard()"
    )
