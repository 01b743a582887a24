"""Pipeline: Push hands each message to one worker, Pull takes from whoever has one (RFC 30)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from trio_mq._patterns.pull import PullPattern
from trio_mq._patterns.push import PushPattern
from trio_mq._sockets.keywords import PullKeywords, PullOptions, PushKeywords, PushOptions
from trio_mq._sockets.receiver import Receiver
from trio_mq._sockets.sender import Sender
from trio_mq.zmtp import SocketType


class Push(Sender[PushPattern]):
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
    _pattern_type = PushPattern
    _known_options = PushOptions

    if TYPE_CHECKING:

        def __init__(self, **keywords: Unpack[PushKeywords]) -> None: ...


class Pull(Receiver[PullPattern]):
    """Takes messages from all connected senders, one each in turn.

    For collecting work or results. Known as UPSTREAM in 0MQ 2.0. Arguments and errors as for
    `Push`.
    """

    socket_type = SocketType.PULL
    _pattern_type = PullPattern
    _known_options = PullOptions

    if TYPE_CHECKING:

        def __init__(self, **keywords: Unpack[PullKeywords]) -> None: ...


#: The names of 0MQ 2.0.
Downstream = Push
Upstream = Pull
