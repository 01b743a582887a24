"""Sub and XSub: the messages of all publishers, as far as they were asked for (RFC 29)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar, Unpack

from trio.lowlevel import enable_ki_protection

from trio_mq._patterns.sub import SubPattern
from trio_mq._patterns.xsub import XSubPattern
from trio_mq._sockets.keywords import (
    SocketKeywords,
    SocketOptions,
    SubKeywords,
    SubOptions,
    Topic,
    topic_of,
    topics_of,
)
from trio_mq._sockets.life import Life
from trio_mq._sockets.receiver import Receiver
from trio_mq._sockets.sender import Sender
from trio_mq._sockets.socket import Socket
from trio_mq.zmtp import SocketType

P_co = TypeVar("P_co", bound=XSubPattern, covariant=True)


class _Subscriber(Socket[P_co]):
    """What Sub and XSub share."""

    _lingers = False

    @enable_ki_protection
    def subscribe(self, topic: Topic) -> None:
        """Ask for messages whose first frame begins with the topic; the empty one is all.

        It takes effect at every publisher, now and after each reconnection. Topics are counted:
        one that was subscribed twice must be unsubscribed twice. Can be called before the socket
        is opened.

        Args:
            topic: Text is encoded as UTF-8.

        Raises:
            trio.ClosedResourceError: The socket was closed.
        """
        if self._life is not Life.NEW:
            self._guard()
        self._pattern.subscribe_to(topic_of(topic))

    @enable_ki_protection
    def unsubscribe(self, topic: Topic) -> None:
        """Ask for the topic once less. Afterwards nothing is received that only this topic let in.

        Args:
            topic: As it was given to `subscribe`.

        Raises:
            ValueError: It was not subscribed to.
            trio.ClosedResourceError: The socket was closed.
        """
        if self._life is not Life.NEW:
            self._guard()
        encoded = topic_of(topic)
        if encoded not in self._pattern.topics:
            raise ValueError(
                f"{topic!r} is not subscribed to: unsubscribe once for each subscribe, no more"
            )
        self._pattern.unsubscribe_from(encoded)


class Sub(_Subscriber[SubPattern], Receiver[SubPattern]):
    """Receives the messages of all connected publishers that begin with one of its topics.

    Args:
        topics: What to subscribe to from the beginning: one topic, or several; ``""`` is
            everything. Without any, nothing is received.
        bind: An endpoint, or several, to listen on.
        connect: An endpoint, or several, to connect to.
        context: Shares inproc names and limits; by default that of this trio run.
        **options: See `trio_mq.Options`.

    Raises:
        ValueError: An endpoint or the value of an option is not allowed.
        TypeError: An option that this socket does not have.
    """

    socket_type = SocketType.SUB
    _pattern_type = SubPattern
    _known_options = SubOptions

    def __init__(
        self, *, topics: Topic | Iterable[Topic] = (), **keywords: Unpack[SubKeywords]
    ) -> None:
        super().__init__(**keywords)
        for topic in topics_of(topics):
            self.subscribe(topic)


class XSub(_Subscriber[XSubPattern], Sender[XSubPattern], Receiver[XSubPattern]):
    """A Sub that can speak to its publishers and filters nothing itself: for proxies.

    Subscribe with `subscribe`, or by sending one frame of ``01`` and the topic (``00`` cancels);
    other messages go to every publisher that has room. Arguments and errors as for `Push`.
    """

    socket_type = SocketType.XSUB
    _pattern_type = XSubPattern
    _known_options = SocketOptions

    if TYPE_CHECKING:

        def __init__(self, **keywords: Unpack[SocketKeywords]) -> None: ...
