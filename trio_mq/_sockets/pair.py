"""Exclusive pair: two sockets, and nobody else (RFC 31)."""

from __future__ import annotations

from typing import Unpack

from trio_mq._context import Context
from trio_mq._patterns.pair import PairPattern
from trio_mq._sockets.keywords import Endpoints, SocketOptions, make_options
from trio_mq._sockets.receiver import Receiver
from trio_mq._sockets.sender import Sender
from trio_mq.zmtp import SocketType


class Pair(Sender, Receiver):
    """Talks to exactly one peer, in both directions.

    For two tasks or programs that know each other. A second peer is turned away while the first
    gives signs of life. It waits while there is no peer. Arguments and errors as for `Push`.
    """

    socket_type = SocketType.PAIR

    def __init__(
        self,
        *,
        bind: Endpoints = (),
        connect: Endpoints = (),
        context: Context | None = None,
        **options: Unpack[SocketOptions],
    ) -> None:
        checked = make_options("Pair", SocketOptions, options)
        super().__init__(PairPattern(checked), checked, bind=bind, connect=connect, context=context)
