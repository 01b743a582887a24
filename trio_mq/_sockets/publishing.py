"""Pub and XPub: every message to everybody who subscribed to it (RFC 29)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, Unpack

from trio.lowlevel import checkpoint_if_cancelled, enable_ki_protection

from trio_mq._patterns.pub import PubPattern
from trio_mq._patterns.xpub import XPubPattern
from trio_mq._peer import Peer
from trio_mq._sockets.addressing import Addressing
from trio_mq._sockets.keywords import (
    PubKeywords,
    PubOptions,
    XPubKeywords,
    XPubOptions,
    number_of,
    topic_of,
)
from trio_mq._sockets.receiver import Receiver
from trio_mq._sockets.sender import Sender
from trio_mq.zmtp import SocketType

P_co = TypeVar("P_co", bound=PubPattern, covariant=True)


class _Publisher(Sender[P_co]):
    """What Pub and XPub share."""

    @enable_ki_protection
    async def wait_for_subscribers(self, n: int = 1, topic: bytes | str | None = None) -> None:
        """Wait until ``n`` peers have subscribed, so that the first message is not lost.

        Args:
            n: The number of peers.
            topic: Count those who would get a message whose first frame is this; by default those
                with any subscription. Text is encoded as UTF-8.

        Raises:
            TypeError: ``n`` is no number, or the topic is neither text nor bytes.
            trio.ClosedResourceError: The socket was closed, possibly meanwhile.

        Cancelled, it only stops waiting.
        """
        await checkpoint_if_cancelled()
        self._guard()
        number_of("n", n)
        pattern, pipes = self._pattern, self._pattern.ledger.pipes
        frame = None if topic is None else topic_of(topic)

        def enough() -> bool:
            if frame is None:
                return len(pattern.subscriptions.subscribers()) >= n
            # Matching takes time for each subscriber, and happens whenever one comes.
            return len(pipes) >= n and len(pattern.matching(frame)) >= n

        await self._members.conditions.wait_until(enough)


class Pub(_Publisher[PubPattern]):
    """Sends every message to all subscribers whose topics it begins with.

    For distributing news. It never waits by default: a subscriber that can't keep up loses
    messages, counted per peer; ``on_full`` chooses otherwise. A message that nobody subscribed to
    is dropped. Arguments and errors as for `Push`.
    """

    socket_type = SocketType.PUB
    _pattern_type = PubPattern
    _known_options = PubOptions

    if TYPE_CHECKING:

        def __init__(self, **keywords: Unpack[PubKeywords]) -> None: ...


class XPub(_Publisher[XPubPattern], Addressing[XPubPattern], Receiver[XPubPattern]):
    """A Pub that sees its subscriptions: for proxies, caches and publishers that care.

    Receives one frame per change, ``01`` or ``00`` and then the topic (`Message.subscription`
    takes it apart), and whatever else an XSub sends. The option ``verbose`` says which changes;
    with ``manual=True`` a subscription takes effect only through `accept`, and all that a peer asks
    for is reported, with the end of each when it leaves. `send_to` sends to one subscriber, such as
    the last value of what it has just asked for. Arguments and errors as for `Push`.
    """

    socket_type = SocketType.XPUB
    _pattern_type = XPubPattern
    _known_options = XPubOptions

    if TYPE_CHECKING:

        def __init__(self, **keywords: Unpack[XPubKeywords]) -> None: ...

    @enable_ki_protection
    def accept(self, peer: Peer, topic: bytes | str) -> None:
        """Subscribe a peer to a topic, whether it asked for that one or another (``manual``).

        Args:
            peer: As `receive_from` names it; one that has left is ignored.
            topic: Text is encoded as UTF-8.
        """
        self._guard()
        self._pattern.decide(_checked(peer), topic_of(topic), subscribed=True)

    @enable_ki_protection
    def withdraw(self, peer: Peer, topic: bytes | str) -> None:
        """Cancel a peer's subscription (``manual``); one that it does not have is ignored.

        Args:
            peer: As `receive_from` names it; one that has left is ignored.
            topic: Text is encoded as UTF-8.
        """
        self._guard()
        self._pattern.decide(_checked(peer), topic_of(topic), subscribed=False)


def _checked(peer: Peer) -> Peer:
    """Refuse what is not a `Peer`: it would be ignored in silence, as a peer that has left."""
    if not isinstance(peer, Peer):
        raise TypeError(f"peer is a trio_mq.Peer, as receive_from() returns it, not {peer!r}")
    return peer
