"""XPub: a Pub that sees its subscriptions (RFC 29)."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TypeAlias

from trio_mq._contract import AnyLink
from trio_mq._errors import ProtocolFault, RemoteProtocolError
from trio_mq._message import Frames, Message
from trio_mq._options import Options
from trio_mq._patterns.addressing import AddressingPattern
from trio_mq._patterns.pattern import Pattern
from trio_mq._patterns.pub import PubPattern, peer_of
from trio_mq._peer import Peer
from trio_mq._pipes.budget import NEWS, NEWS_OF_A_PEER
from trio_mq._pipes.pipe import Pipe
from trio_mq._strategies.subscriptions import Subscriptions
from trio_mq.zmtp import SocketType

#: Whether somebody subscribed (or cancelled), to which topic, who it was, and `Pattern.stands_for`.
_News: TypeAlias = tuple[bool, bytes, Peer, int]
#: A topic, and whose subscription to it was reported, where that matters.
_Reported: TypeAlias = tuple[Peer | None, bytes]


class XPubPattern(PubPattern, AddressingPattern):
    """As Pub; and subscriptions are received as messages, as is what subscribers send."""

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
        self._news_bytes = 0
        self._max_news_bytes = options.limits.max_subscription_bytes_total
        #: How many of them come from each peer, which stays in memory as long as there are any.
        self._news_of = Counter[Peer]()
        #: What each peer has asked for, where the program decides what it gets.
        self._asked = Subscriptions(options.limits)
        #: How many subscriptions beyond the first were reported without their end so far: by topic
        #: where only the last cancellation is told, else by peer and topic.
        self._more_reported = Counter[_Reported]()
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
            pipe.outbound.put_first((self._welcome,))

    def deliver(self, link: AnyLink, pipe: Pipe, messages: list[Message], payload: int) -> None:
        """Queue what subscribers say."""
        Pattern.deliver(self, link, pipe, messages, payload)

    def clear(self, pipe: Pipe) -> None:
        """Remove every subscription of a pipe, and report the end of what it had asked for."""
        subscriber = self._subscribers.get(pipe)
        super().clear(pipe)
        for topic, _ in self._asked.remove_all(pipe):
            assert subscriber is not None  # noqa: S101  # it has asked
            self._report(topic, subscriber, subscribed=False)

    def peer_subscribed(self, link: AnyLink, pipe: Pipe, topic: bytes) -> None:
        """Add a subscription, or only report it; report it if it is news."""
        self._check_news()
        peer = peer_of(link)
        books = self._asked if self._manual else self.subscriptions
        again = books.has(pipe, topic)
        if self._manual:
            first = self._asked.add(pipe, topic)
            self._subscribers[pipe] = peer
        else:
            first = self._add(pipe, topic, peer)
        if first or self._manual or self._verbose != "none":
            if again or not (first or self._tells_each_end):
                self._more_reported[self._key(topic, peer)] += 1
            self._report(topic, peer, subscribed=True)

    def peer_cancelled(self, link: AnyLink, pipe: Pipe, topic: bytes) -> None:
        """Remove a subscription, or only report it; report it if it is news."""
        self._check_news()
        if self._manual:
            self._asked.remove(pipe, topic)
            self._report(topic, peer_of(link), subscribed=False)
        else:
            self._remove(pipe, topic, peer_of(link))

    def _removed(self, topic: bytes, peer: Peer, *, last: bool) -> None:
        super()._removed(topic, peer, last=last)
        # With ``manual``, news are of what was asked for, and what was granted is another matter.
        if not self._manual and (last or self._tells_each_end):
            self._report(topic, peer, subscribed=False)

    @property
    def _tells_each_end(self) -> bool:
        """Whether the end of each subscription is news, and not only that of a topic's last."""
        return self._manual or self._verbose == "all"

    def _key(self, topic: bytes, peer: Peer) -> _Reported:
        return (peer if self._tells_each_end else None, topic)

    def _check_news(self) -> None:
        """Refuse to collect news without end for a program that does not read them."""
        for what, unread, option, limit in (
            ("subscriptions", len(self._news), "max_subscriptions_total", self._max_news),
            ("topic bytes", self._news_bytes, "max_subscription_bytes_total", self._max_news_bytes),
        ):
            if unread > limit:
                text = f"more unread {what} than {option}={limit}"
                raise RemoteProtocolError(ProtocolFault.SUBSCRIPTION_LIMIT, text)

    def _report(self, topic: bytes, peer: Peer, *, subscribed: bool) -> None:
        """Queue news of a topic; unread news of the opposite cancels it out."""
        self._reports += 1
        stands_for = 1 if subscribed else 1 + self._more_reported.pop(self._key(topic, peer), 0)
        key = topic if self._coalescing else self._reports
        if self._pop_news(key) is None:
            self._put_news(key, (subscribed, topic, peer, stands_for))
            self.receivers.serve()

    def _put_news(self, key: bytes | int, news: _News) -> None:
        self._news[key] = news
        _, topic, peer, _ = news
        self._news_bytes += len(topic)
        cost = NEWS + len(topic) if peer in self._news_of else NEWS + len(topic) + NEWS_OF_A_PEER
        self._news_of[peer] += 1
        self.ledger.budget.take(cost)

    def _pop_news(self, key: bytes | int) -> _News | None:
        news = self._news.pop(key, None)
        if news is not None:
            self._let_go(news)
        return news

    def _let_go(self, news: _News) -> None:
        """It was received, or is not news any more."""
        _, topic, peer, _ = news
        self._news_bytes -= len(topic)
        self._news_of[peer] -= 1
        cost = NEWS + len(topic)
        if not self._news_of[peer]:
            del self._news_of[peer]
            cost += NEWS_OF_A_PEER
        self.ledger.budget.give_back(cost)

    def forget_kept(self) -> None:
        """Drop the news: the socket is closed."""
        while self._news:
            self._pop_news(next(iter(self._news)))

    def take(self) -> Message:
        """Return the next news of a topic, as one frame, or else the next message."""
        if not self._news:
            message = self.queue.take()
            self._taken, self._source, self.stands_for = None, super().source, 1
            return message
        self._taken = self._news.popitem(last=False)
        subscribed, topic, self._source, self.stands_for = self._taken[1]
        self._let_go(self._taken[1])
        return Message((b"\x01" if subscribed else b"\x00") + topic)

    def put_back(self, message: Message) -> None:
        """Make the message that was taken last the next one again."""
        if self._taken is None:
            super().put_back(message)
            return
        key, news = self._taken
        if self._pop_news(key) is None:
            self._put_news(key, news)
            self._news.move_to_end(key, last=False)

    def put_for(self, pipe: Pipe, frames: Frames, *, tied: bool) -> None:
        """Queue it for one subscriber, whatever it has subscribed to."""
        self._fanout.send_to(frames, pipe, tied=tied)

    def decide(self, peer: Peer, topic: bytes, *, subscribed: bool) -> None:
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
