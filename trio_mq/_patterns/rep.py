"""Rep's side of request and reply: whom to answer, and where the next request will come from.

A request is answered before the next one is taken, in the envelope in which it came, or not at all
if its client has gone. A reply that a connection did not carry to its end is dropped with it, also
where we dialled and dial again: without an id, nothing but the connection says which request it
answers, and on the next one it would be taken for the reply to another.

While there is only one client, the task that waits for a request does so at that client's
connection (`trio_mq._connections.watch`).
"""

from __future__ import annotations

from collections.abc import Callable

from trio_mq._errors import StateError
from trio_mq._message import Frames, Message, to_message
from trio_mq._options import Options
from trio_mq._patterns.pattern import Pattern
from trio_mq._pipes.pipe import Pipe
from trio_mq._pipes.watched import Watched
from trio_mq._strategies.last_requester import LastRequester, Requester, split_envelope
from trio_mq._tally import DropReason
from trio_mq.zmtp import SocketType


class RepPattern(Pattern):
    """Fair-queue in; out to the last requester, in its envelope."""

    socket_type = SocketType.REP
    correlates = True
    per_connection = True
    plain_queue = False

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.requester = LastRequester()
        #: Where a task waits for a request by watching the only connection.
        self.watched: Watched | None = None
        self._closing = False

    async def watch(self) -> bool:
        """Wait for a request at the connection that will bring it, if there is only one.

        Returns False if that is not possible now. Cancelled: nothing was taken.
        """
        links = self.ledger.links
        if self.queue or self.requester.pending or len(links) != 1:
            return False
        (link,) = links.values()
        watched = link.pipe.watched if link.pipe is not None else None
        if watched is None or not watched.vacant:
            return False
        self.watched = watched
        try:
            await watched.stand_in(self._has_news)
        finally:
            self.watched = None
        return True

    def _has_news(self) -> bool:
        return self._closing or bool(self.queue)

    def messages_arrived(self, pipe: Pipe) -> None:
        """An unreadable pipe has messages; it may be another than the one that is watched."""
        super().messages_arrived(pipe)
        if self.watched is not None:
            self.watched.recall()

    @property
    def tasks_receiving(self) -> int:
        """Tasks that wait in ``receive``, which is one at most."""
        return super().tasks_receiving + (self.watched is not None)

    def close(self, make_error: Callable[[], BaseException]) -> None:
        """Let every waiting task raise."""
        super().close(make_error)
        self._closing = True
        if self.watched is not None:
            self.watched.recall()

    def take(self) -> Message:
        """Return the body of the next request, and keep its envelope for the reply."""
        if self.requester.pending:
            raise StateError(
                "a Rep answers a request before it receives the next: send a reply, or discard()"
            )
        while True:
            message = self.queue.take()
            pipe = self.queue.current
            assert pipe is not None  # noqa: S101  # it is where the message came from
            opened = split_envelope(message)
            if opened is None:
                # Not a request at all (RFC 28): nobody could be answered.
                pipe.inbound.drop_taken(DropReason.MALFORMED)
                continue
            envelope, body = opened
            self.requester.asked(Requester(pipe, self.queue.source, envelope))
            return body

    def put_back(self, message: Message) -> None:
        """Make the request that was taken last the next one again, with its envelope."""
        envelope = self.requester.answer().envelope
        super().put_back(to_message((*envelope, *message)))

    def send(self, frames: Frames) -> None:
        """Answer the last requester; one that is gone or full loses the reply, counted."""
        requester = self.requester.answer()
        pipe = requester.pipe
        if pipe.peer is None or pipe.peer is not requester.peer or pipe.peer.closed:
            self.ledger.drop_unqueued(DropReason.UNROUTABLE)
        elif pipe.outbound.has_room():
            pipe.outbound.put((*requester.envelope, *frames))
        else:
            pipe.outbound.refuse(DropReason.HIGH_WATER_MARK)
