"""A service's side of request and reply: what was asked by whom, and what becomes of the answer.

A request that a service has taken is *in hand*. Any number may be in hand at once. Each is answered
in the envelope in which it came, over the connection that brought it, or it is declined, and that
is the end of it. What was received meanwhile, and from whom, does not matter.

In the books a request counts as delivered when it is taken. Then one reply is counted on the way
out: accepted, or dropped because its requester has left, or because the request was declined. So
the figures show whoever waits for a reply that will not come.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, ClassVar

import attrs

from trio_mq._contract import Ending
from trio_mq._errors import StateError
from trio_mq._message import Frames, Message
from trio_mq._options import Options
from trio_mq._patterns.pattern import Pattern
from trio_mq._pipes.pipe import Pipe
from trio_mq._tally import DropReason
from trio_mq._waiting import WaitList

if TYPE_CHECKING:
    from trio_mq._peer import Peer


class ServicePattern(Pattern):
    """What Rep and Router have in common: they take requests, and answer each in its envelope."""

    #: Why what is no request is dropped (RFC 28): nobody could be answered.
    no_request: ClassVar[DropReason] = DropReason.MALFORMED

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        #: Requests in hand, where somebody wants to know when the peer that waits for the reply has
        #: left, and what to call then.
        self._watched: dict[InHand, Callable[[], object]] = {}

    # -- what each of them decides --

    @abstractmethod
    def split(self, message: Message) -> tuple[Frames, Message] | None:
        """Return the envelope and the body of a request; ``None`` if it is none."""

    @abstractmethod
    def give(self, peer: Peer, frames: Frames) -> None:
        """Queue a reply for whoever asked, or drop and count it if it is gone or too full.

        Raises:
            trio.WouldBlock: It has to wait for room; nothing has changed.
        """

    def give_in_turn(self, peer: Peer, frames: Frames) -> None:
        """Do as `give` for a task whose turn has come in its line."""
        self.give(peer, frames)

    def line_to(self, peer: Peer) -> WaitList[None]:  # noqa: ARG002  # a Router has one for each
        """Return the line in which replies to a peer wait for room."""
        return self.senders

    # -- what is the same for both --

    def take_request(self) -> InHand:
        """Return the next request, or raise `trio.WouldBlock`."""
        return InHand(self, *self.take_opened())

    def take_another(self) -> InHand | None:
        """Return one more request of the peer whose request was taken last, if there is one."""
        message = self.queue.take_another()
        if message is None:
            return None
        opened = self.split(message)
        pipe, peer = self.queue.current, self.queue.source
        assert pipe is not None and peer is not None  # noqa: S101, PT018  # it came from somebody
        if opened is None:
            pipe.inbound.drop_taken(self.no_request)
            return None
        return InHand(self, peer, *opened)

    def take_opened(self) -> tuple[Peer, Frames, Message]:
        """Take the next request, and return whose it is, its envelope and its body."""
        queue = self.queue
        while True:
            message = queue.take()
            opened = self.split(message)
            if opened is not None:
                peer = queue.source
                assert peer is not None  # noqa: S101  # every message has come from somebody
                return peer, *opened
            pipe = queue.current
            assert pipe is not None  # noqa: S101  # it is where the message came from
            pipe.inbound.drop_taken(self.no_request)

    def pipe_to(self, peer: Peer) -> Pipe | None:
        """Return where a message for that connection goes; ``None`` if it has ended."""
        link = self.ledger.links.get(peer)
        return None if link is None else link.pipe

    def decline(self, peer: Peer) -> None:
        """Count the reply that somebody will not get."""
        pipe = self.pipe_to(peer)
        if pipe is None:
            self.ledger.drop_unqueued(DropReason.UNROUTABLE, peer=peer)
        else:
            pipe.outbound.refuse(DropReason.DECLINED)

    def watch_over(self, request: InHand, gone: Callable[[], object]) -> bool:
        """Call a function if the requester leaves before the request is over.

        Returns False, and does nothing, if it has left already.
        """
        if request.peer not in self.ledger.links:
            return False
        self._watched[request] = gone
        return True

    def finished(self, request: InHand) -> None:
        """A request was answered or declined."""
        self._watched.pop(request, None)

    def disconnected(self, pipe: Pipe, end: Ending) -> None:
        """Tell those who work for the peer of this connection that it has left."""
        super().disconnected(pipe, end)
        for request in [each for each in self._watched if each.peer is pipe.peer]:
            self._watched.pop(request)()

    def faults(self) -> Iterator[str]:
        """Say for which peers nobody would be told that they left; the debug mode asks."""
        yield from super().faults()
        for request in self._watched:
            if request.peer not in self.ledger.links:
                yield f"{request.peer!r} has left, and whoever works for it was not told"
            if request.over:
                yield f"nobody works for {request.peer!r} any more, and its leaving would be told"


@attrs.define(eq=False)
class InHand:
    """A request that was taken: it is answered once, or declined.

    What a task of the program holds is a `Request` around it.
    """

    _pattern: ServicePattern = attrs.field(repr=False)
    peer: Peer
    #: What comes before the body of its reply.
    envelope: Frames = attrs.field(repr=False)
    message: Message
    #: It was answered or declined.
    over: bool = attrs.field(init=False, default=False)

    def answer(self, frames: Frames) -> None:
        """Hand over the reply, or raise `trio.WouldBlock` if that has to wait for room."""
        self._require_open()
        self._pattern.give(self.peer, (*self.envelope, *frames))
        self._finish()

    def answer_in_turn(self, frames: Frames) -> None:
        """Do as `answer` for a task whose turn has come in the `line`."""
        self._require_open()
        self._pattern.give_in_turn(self.peer, (*self.envelope, *frames))
        self._finish()

    @property
    def line(self) -> WaitList[None]:
        """The line in which a task waits for room."""
        return self._pattern.line_to(self.peer)

    def decline(self) -> None:
        """Let there be no reply."""
        self._require_open()
        self._pattern.decline(self.peer)
        self._finish()

    def forget(self) -> None:
        """Let it be over, uncounted: its socket is closed, and so are the books."""
        self._finish()

    def watch_over(self, gone: Callable[[], object]) -> bool:
        """Call a function if the requester leaves before this is over; False if it has left."""
        return self._pattern.watch_over(self, gone)

    def _require_open(self) -> None:
        if self.over:
            raise StateError(
                "this request was answered or declined already: each gets one reply, or none"
            )

    def _finish(self) -> None:
        self.over = True
        self._pattern.finished(self)
