"""XPub: a Pub that sees its subscriptions (RFC 29)."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TypeAlias

from trio_mq._contract import AnyLink
from trio_mq._errors import ProtocolFault, RemoteProtocolError
from trio_mq._message import Message
from trio_mq._options import Options
from trio_mq._patterns.pattern import Pattern
from trio_mq._patterns.pub import PubPattern, peer_of
from trio_mq._peer import Peer
from trio_mq._pipes.pipe import Pipe
from trio_mq.zmtp import SocketType

#: Whether somebody subscribed or cancelled, to what, who it was, and `Pattern.stands_for`.
_News: TypeAlias = tuple[bool, bytes, Peer, int]


class XPubPattern(PubPattern):
    """As Pub, and subscriptions are received as messages, and so are other words of subscribers."""

    socket_type = SocketType.XPUB
    plain_queue = False

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._verbose = options.verbose
        self._manual = options.manual
        self._welcome = options.welcome_message
        #: News of topics that nobody has read, oldest first. Where opposite news cancel each other
        #: out, there is at most one of each topic, and the topic is its key.
        self._news: OrderedDict[bytes | int, _News] = OrderedDict()
        self._coalescing = options.verbose == "none" and not options.manual
        self._max_news = options.limits.max_subscriptions_total
        self._reports = 0
        #: How many subscriptions to a topic were reported, where only the last cancellation is.
        self._reported = Counter[bytes]() if options.verbose == "subscribe" else None
        self._source: Peer | None = None
        #: What was taken last, if that was news.
        self._taken: tuple[bytes | int, _News] | None = None

    @property
    def source(self) -> Peer | None:
        """The peer of the message that was taken last."""
        return self._source

    def connected(self, link: AnyLink, pipe: Pipe) -> None:
        """Send the welcome message, if there is one."""
        super().connected(link, pipe)
        if self._welcome is not None:
            pipe.put((self._welcome,))

    def deliver(self, link: AnyLink, pipe: Pipe, messages: list[Message], payload: int) -> None:
        """Queue what subscribers say."""
        Pattern.deliver(self, link, pipe, messages, payload)

    def peer_subscribed(self, link: AnyLink, pipe: Pipe, topic: bytes) -> None:
        """Add a subscription, or only report it; report it if it is news."""
        self._check_news()
        if self._manual:
            self._report(topic, peer_of(link), subscribed=True)
            return
        if self._add(pipe, topic, peer_of(link)) or self._verbose != "none":
            self._report(topic, peer_of(link), subscribed=True)

    def peer_cancelled(self, link: AnyLink, pipe: Pipe, topic: bytes) -> None:
        """Remove a subscription, or only report it; report it if it is news."""
        self._check_news()
        if self._manual:
            self._report(topic, peer_of(link), subscribed=False)
        else:
            self._remove(pipe, topic, peer_of(link))

    def _removed(self, topic: bytes, peer: Peer, *, last: bool) -> None:
        super()._removed(topic, peer, last=last)
        if last or self._verbose == "all":
            self._report(topic, peer, subscribed=False)

    def _check_news(self) -> None:
        """Refuse to collect news without end for a program that does not read them."""
        if len(self._news) > self._max_news:
            raise RemoteProtocolError(
                ProtocolFault.SUBSCRIPTION_LIMIT,
                f"more unread subscriptions than max_subscriptions_total={self._max_news}",
            )

    def _report(self, topic: bytes, peer: Peer, *, subscribed: bool) -> None:
        """Queue news of a topic; unread news of the opposite cancels it out."""
        self._reports += 1
        key = topic if self._coalescing else self._reports
        if self._news.pop(key, None) is None:
            self._news[key] = (subscribed, topic, peer, self._count_report(topic, subscribed))
            self.receivers.serve()

    def _count_report(self, topic: bytes, subscribed: bool) -> int:  # noqa: FBT001  # as in `_News`
        if self._reported is None:
            return 1
        if not subscribed:
            return max(1, self._reported.pop(topic, 1))
        self._reported[topic] += 1
        return 1

    def take(self) -> Message:
        """Return the next news of a topic, as one frame, or else the next message."""
        if not self._news:
            message = self.queue.take()
            self._taken, self._source, self.stands_for = None, super().source, 1
            return message
        self._taken = self._news.popitem(last=False)
        subscribed, topic, self._source, self.stands_for = self._taken[1]
        return Message((b"\x01" if subscribed else b"\x00") + topic)

    def put_back(self, message: Message) -> None:
        """Make the message that was taken last the next one again."""
        if self._taken is None:
            super().put_back(message)
            return
        key, news = self._taken
        if self._news.pop(key, None) is None:
            self._news[key] = news
            self._news.move_to_end(key, last=False)

    def accept(self, peer: Peer, topic: bytes, *, subscribed: bool) -> None:
        """Add or remove a subscription of a peer, by the program's decision."""
        link = self.ledger.links.get(peer)
        if link is None or link.pipe is None or not link.pipe.attached:
            return
        if subscribed:
            self._add(link.pipe, topic, peer)
        else:
            self._withdraw(link.pipe, topic, peer)

    def _withdraw(self, pipe: Pipe, topic: bytes, peer: Peer) -> None:
        """Remove a subscription without news of it: the program knows."""
        had, _ = self.subscriptions.remove(pipe, topic)
        if had:
            super()._removed(topic, peer, last=False)
