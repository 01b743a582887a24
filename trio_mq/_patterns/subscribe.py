"""Sub and XSub: what was asked for, from every publisher (RFC 29)."""

from __future__ import annotations

from collections.abc import Collection

from trio_mq._contract import AnyLink
from trio_mq._message import Frames, Message, size_of
from trio_mq._options import Options
from trio_mq._patterns.pattern import Pattern
from trio_mq._pipes.pipe import Pipe
from trio_mq._strategies.fanout import Fanout
from trio_mq._strategies.subscriptions import Topics
from trio_mq._tally import DropReason
from trio_mq.zmtp import SocketType


class XSubPattern(Pattern):
    """Subscriptions go to every publisher; whatever they send comes in."""

    socket_type = SocketType.XSUB
    may_drop = True

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.topics = Topics()
        self._targets: dict[Pipe, None] = {}
        self._fanout = Fanout("drop_newest")

    def attach(self, pipe: Pipe) -> None:
        """Send it what goes upstream."""
        self._targets[pipe] = None

    def detach(self, pipe: Pipe) -> None:
        """Send it nothing more."""
        self._targets.pop(pipe, None)

    def connected(self, link: AnyLink, pipe: Pipe) -> None:  # noqa: ARG002  # every link
        """Tell a new publisher what we want: subscriptions are state, not messages."""
        for topic in self.topics:
            link.send_subscribe(topic)

    def subscribe_to(self, topic: bytes) -> None:
        """Ask for a topic once more."""
        if self.topics.add(topic):
            for link in self.ledger.links.values():
                link.send_subscribe(topic)

    def unsubscribe_from(self, topic: bytes) -> None:
        """Ask for it once less."""
        if self.topics.remove(topic):
            for link in self.ledger.links.values():
                link.send_cancel(topic)

    def lacking_room(self, frames: Frames) -> Collection[Pipe]:
        """Return the publishers that have no room."""
        return self._fanout.lacking_room(frames, self._targets)

    def send(self, frames: Frames) -> None:
        """Send it to every publisher; one frame ``01`` or ``00`` and a topic subscribes."""
        kind = frames[0][:1]
        if len(frames) == 1 and kind == b"\x01":
            self.subscribe_to(frames[0][1:])
        elif len(frames) == 1 and kind == b"\x00":
            self.unsubscribe_from(frames[0][1:])
        elif self._targets:
            self._fanout.send(frames, tuple(self._targets))
        else:
            self.ledger.drop_unqueued(DropReason.NO_PEER)


class SubPattern(XSubPattern):
    """As XSub, but only what we asked for is received, and nothing is sent but subscriptions."""

    socket_type = SocketType.SUB

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._invert = options.invert_matching
        #: The set of topics has shrunk while messages were unread: look at each once more.
        self._recheck = False

    def unsubscribe_from(self, topic: bytes) -> None:
        """Ask for it once less, and let nothing unread slip through that only it let in."""
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
