"""Sub: what was asked for, from every publisher (RFC 29)."""

from __future__ import annotations

from trio_mq._contract import AnyLink
from trio_mq._message import Message, size_of
from trio_mq._options import Options
from trio_mq._patterns.xsub import XSubPattern
from trio_mq._pipes.pipe import Pipe
from trio_mq._tally import DropReason
from trio_mq.zmtp import SocketType


class SubPattern(XSubPattern):
    """As XSub, but only what we asked for is received, and nothing is sent but subscriptions."""

    socket_type = SocketType.SUB

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._invert = options.invert_matching
        #: The set of topics has shrunk while messages were unread: look at each once more.
        self._recheck = False

    def unsubscribe_from(self, topic: bytes) -> None:
        """Ask for it once less; unread messages that only this topic let in are dropped."""
        super().unsubscribe_from(topic)
        self._look_again(bool(self.queue))

    def _look_again(self, recheck: bool) -> None:  # noqa: FBT001  # the state itself
        self._recheck = recheck
        self.queue.use_direct(use=not recheck)

    def wants(self, message: Message) -> bool:
        """Tell whether we asked for a message."""
        return self.topics.match(message[0]) is not self._invert

    def deliver(self, link: AnyLink, pipe: Pipe, messages: list[Message], payload: int) -> None:
        """Queue what is wanted. The publisher filters too, but hears of changes later than we."""
        wanted = self._wanted(messages)
        if wanted is not messages:
            unwanted = [message for message in messages if not self.wants(message)]
            size = sum(map(size_of, unwanted))
            pipe.inbound.discard(unwanted, size, DropReason.FILTERED)
            payload -= size
        if wanted:
            super().deliver(link, pipe, wanted, payload)

    def _wanted(self, messages: list[Message]) -> list[Message]:
        if self.topics.everything and not self._invert:
            return messages
        wanted = [message for message in messages if self.wants(message)]
        return messages if len(wanted) == len(messages) else wanted

    def take(self) -> Message:
        """Return the next message that is still wanted."""
        if not self._recheck:
            return self.queue.take()
        while True:
            try:
                message = self.queue.take()
            finally:
                self._look_again(bool(self.queue))
            if self.wants(message):
                return message
            pipe = self.queue.current
            assert pipe is not None  # noqa: S101  # it is where the message came from
            pipe.inbound.drop_taken(DropReason.FILTERED)
