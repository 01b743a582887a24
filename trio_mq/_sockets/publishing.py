"""Pub and XPub: every message to everybody who subscribed to it (RFC 29)."""

from __future__ import annotations

from typing import Unpack

from trio.lowlevel import checkpoint_if_cancelled, enable_ki_protection

from trio_mq._context import Context
from trio_mq._patterns.publish import PubPattern, XPubPattern
from trio_mq._peer import Peer
from trio_mq._sockets.keywords import Endpoints, PubOptions, XPubOptions, make_options, topic_of
from trio_mq._sockets.receiver import Receiver
from trio_mq._sockets.sender import Sender
from trio_mq.zmtp import SocketType


class _Publisher(Sender):
    """What Pub and XPub share."""

    _publishing: PubPattern

    @enable_ki_protection
    async def wait_for_subscribers(self, n: int = 1, topic: bytes | str | None = None) -> None:
        """Wait until so many peers have subscribed, so that the first message is not lost.

        Args:
            n: The number of peers.
            topic: Count those who would get a message whose first frame is this; by default those
                with any subscription. Text is encoded as UTF-8.

        Raises:
            trio.ClosedResourceError: The socket was closed, possibly meanwhile.

        Cancelled, it only stops waiting.
        """
        await checkpoint_if_cancelled()
        self._guard()
        publishing = self._publishing
        frame = None if topic is None else topic_of(topic)

        def enough() -> bool:
            if frame is None:
                return len(publishing.subscriptions.subscribers()) >= n
            return len(publishing.matching(frame)) >= n

        await self._members.wait_until(enough)


class Pub(_Publisher):
    """Sends every message to all subscribers whose topics it begins with.

    For distributing news. It never waits by default: a subscriber that can't keep up loses
    messages, counted per peer; ``on_full`` chooses otherwise. A message that nobody subscribed to
    is dropped. Arguments and errors as for `Push`.
    """

    socket_type = SocketType.PUB

    def __init__(
        self,
        *,
        bind: Endpoints = (),
        connect: Endpoints = (),
        context: Context | None = None,
        **options: Unpack[PubOptions],
    ) -> None:
        checked = make_options("Pub", PubOptions, options)
        self._publishing = PubPattern(checked)
        super().__init__(self._publishing, checked, bind=bind, connect=connect, context=context)


class XPub(_Publisher, Receiver):
    """A Pub that sees its subscriptions: for proxies, caches and publishers that care.

    Receives one frame per change, ``01`` or ``00`` and then the topic (`Message.subscription`
    takes it apart), and whatever else an XSub sends. Which changes, is the option ``verbose``;
    with ``manual=True`` a subscription takes effect only through `accept`. Arguments and errors
    as for `Push`.
    """

    socket_type = SocketType.XPUB

    def __init__(
        self,
        *,
        bind: Endpoints = (),
        connect: Endpoints = (),
        context: Context | None = None,
        **options: Unpack[XPubOptions],
    ) -> None:
        checked = make_options("XPub", XPubOptions, options)
        self._x_publishing = self._publishing = XPubPattern(checked)
        super().__init__(self._publishing, checked, bind=bind, connect=connect, context=context)

    @enable_ki_protection
    def accept(self, peer: Peer, topic: bytes | str) -> None:
        """Subscribe a peer to a topic, whether it asked for that one or another (``manual``).

        Args:
            peer: As `receive_from` names it; one that has left is ignored.
            topic: Text is encoded as UTF-8.
        """
        self._guard()
        self._x_publishing.accept(peer, topic_of(topic), subscribed=True)

    @enable_ki_protection
    def withdraw(self, peer: Peer, topic: bytes | str) -> None:
        """Cancel a peer's subscription (``manual``); one that it does not have is ignored.

        Args:
            peer: As `receive_from` names it; one that has left is ignored.
            topic: Text is encoded as UTF-8.
        """
        self._guard()
        self._x_publishing.accept(peer, topic_of(topic), subscribed=False)
