"""Exclusive pair: two sockets, and nobody else (RFC 31)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from trio_mq._patterns.pair import PairPattern
from trio_mq._sockets.keywords import SocketKeywords, SocketOptions
from trio_mq._sockets.receiver import Receiver
from trio_mq._sockets.sender import Sender
from trio_mq.zmtp import SocketType


class Pair(Sender[PairPattern], Receiver[PairPattern]):
    """Talks to exactly one peer, in both directions.

    For two tasks or programs that know each other. A second peer is turned away while the first
    gives signs of life. It waits while there is no peer. Arguments and errors as for `Push`.
    """

    socket_type = SocketType.PAIR
    _pattern_type = PairPattern
    _known_options = SocketOptions

    if TYPE_CHECKING:

        def __init__(self, **keywords: Unpack[SocketKeywords]) -> None: ...
