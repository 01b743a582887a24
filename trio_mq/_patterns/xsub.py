"""XSub: subscriptions to every publisher, and whatever they send (RFC 29)."""

from __future__ import annotations

from collections.abc import Collection

from trio_mq._contract import AnyLink
from trio_mq._message import Frames
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
        self._fanout = Fanout("drop_newest", self.ledger.printer)

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
            for link in tuple(self.ledger.links.values()):  # one may be turned away
                link.send_subscribe(topic)

    def unsubscribe_from(self, topic: bytes) -> None:
        """Ask for it once less."""
        if self.topics.remove(topic):
            for link in tuple(self.ledger.links.values()):  # one may be turned away
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
