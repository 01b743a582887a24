"""Pipeline: Push hands each message to one worker, Pull takes from whoever has one (RFC 30)."""

from __future__ import annotations

from typing import Unpack

from trio_mq._context import Context
from trio_mq._patterns.pipeline import PullPattern, PushPattern
from trio_mq._sockets.keywords import Endpoints, PullOptions, PushOptions, make_options
from trio_mq._sockets.receiver import Receiver
from trio_mq._sockets.sender import Sender
from trio_mq.zmtp import SocketType


class Push(Sender):
    """Hands each message to one of the connected workers, in turn, skipping the busy ones.

    For distributing work: it waits while there is no worker, or none with room. What a lost worker
    had not been sent goes to another one. Known as DOWNSTREAM in 0MQ 2.0.

    Args:
        bind: An endpoint, or several, to listen on.
        connect: An endpoint, or several, to connect to.
        context: Shares inproc names and limits; by default that of this trio run.
        **options: See `trio_mq.Options`.

    Raises:
        ValueError: An endpoint or the value of an option is not allowed.
        TypeError: An option that this socket does not have.
    """

    socket_type = SocketType.PUSH

    def __init__(
        self,
        *,
        bind: Endpoints = (),
        connect: Endpoints = (),
        context: Context | None = None,
        **options: Unpack[PushOptions],
    ) -> None:
        checked = make_options("Push", PushOptions, options)
        super().__init__(PushPattern(checked), checked, bind=bind, connect=connect, context=context)


class Pull(Receiver):
    """Takes messages from all connected senders, one each in turn.

    For collecting work or results. Known as UPSTREAM in 0MQ 2.0. Arguments and errors as for
    `Push`.
    """

    socket_type = SocketType.PULL

    def __init__(
        self,
        *,
        bind: Endpoints = (),
        connect: Endpoints = (),
        context: Context | None = None,
        **options: Unpack[PullOptions],
    ) -> None:
        checked = make_options("Pull", PullOptions, options)
        super().__init__(PullPattern(checked), checked, bind=bind, connect=connect, context=context)


#: The names of 0MQ 2.0.
Downstream = Push
Upstream = Pull
