"""Whether a call that does not wait would succeed now: for bridges to another event loop.

With `trio.lowlevel.start_guest_run` trio runs beside another event loop, and tasks of trio hand
over what they receive. A bridge that has to work by callbacks asks here, and then calls
``receive_nowait`` or ``send_nowait``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import trio

from trio_mq._sockets.receiver import Receiver
from trio_mq._sockets.requesting import Req
from trio_mq._sockets.sender import Sender
from trio_mq._sockets.socket import guarded_pattern

if TYPE_CHECKING:
    from trio_mq._waiting import WaitList

_Found = TypeVar("_Found")


@trio.lowlevel.enable_ki_protection
async def wait_readable(socket: Receiver) -> None:
    """Wait until ``receive_nowait`` would return a message, and take none.

    The answer is for this moment: another task may take the message before this one goes on.

    Args:
        socket: An open socket that receives. For a Req wait in `Req.request` instead: its reply is
            for the task that asked.

    Raises:
        TypeError: The socket does not receive, or is a Req.
        StateError: It is a Rep that has not answered the last request.
        trio.ClosedResourceError: The socket was closed, possibly meanwhile.

    Cancelled, it only stops waiting. (``ZMQ_POLLIN`` of zmq_poll(3))
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    if not isinstance(socket, Receiver) or isinstance(socket, Req):
        raise TypeError(
            f"wait_readable() takes a socket that receives, other than a Req, not {socket}"
        )
    pattern = guarded_pattern(socket)
    await _wait(pattern.receivers, pattern.look)


@trio.lowlevel.enable_ki_protection
async def wait_writable(socket: Sender) -> None:
    """Wait until ``send_nowait`` would accept a message, as far as that depends on the peers.

    The answer is for this moment, as that of `wait_readable`. It comes at once for a socket that
    drops where there is no room: Pub and XPub, Router and Rep, unless ``on_full`` is ``"block"``;
    with that a Router has room for each peer apart, and ``send`` has to be awaited.

    Args:
        socket: An open socket that sends.

    Raises:
        TypeError: The socket does not send.
        trio.ClosedResourceError: The socket was closed, possibly meanwhile.

    Cancelled, it only stops waiting. (``ZMQ_POLLOUT`` of zmq_poll(3))
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    if not isinstance(socket, Sender):
        raise TypeError(f"wait_writable() takes a socket that sends, not {socket}")
    pattern = guarded_pattern(socket)
    await _wait(pattern.senders, pattern.look_for_room)


async def _wait(line: WaitList[_Found], look: Callable[[], _Found]) -> None:
    """Try, in turn, until the look succeeds."""
    if not line.waiters:
        try:
            look()
        except trio.WouldBlock:
            pass
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
    await line.wait(look)
