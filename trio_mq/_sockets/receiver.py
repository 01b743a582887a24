"""``receive`` and its kin, the same for every socket that receives.

The order of the steps is the promise: notice cancellation, guard, the synchronous act, and only
then, at the end of a time slice, let others run, which can't be cancelled. So a cancelled
``receive`` has taken nothing, and a message that was taken is returned.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from itertools import repeat, starmap
from threading import get_ident
from typing import TYPE_CHECKING, Final

import trio
from trio.lowlevel import checkpoint_if_cancelled, enable_ki_protection

from trio_mq._message import Message
from trio_mq._patterns.pattern import P_co
from trio_mq._peer import Peer
from trio_mq._sockets.keywords import number_of
from trio_mq._sockets.socket import Socket

if TYPE_CHECKING:
    from trio_mq._context import Context
    from trio_mq._sockets.keywords import Endpoints


class Receiver(Socket[P_co], trio.abc.ReceiveChannel[Message]):
    """A socket that receives: every type but Push and Pub.

    Name it in the annotation of a function that takes any of them; programs make the types
    themselves.
    """

    def __init__(
        self,
        *,
        bind: Endpoints = (),
        connect: Endpoints = (),
        context: Context | None = None,
        **options: object,
    ) -> None:
        super().__init__(bind=bind, connect=connect, context=context, **options)
        self._queue: Final = self._pattern.queue
        self._receivers: Final = self._pattern.receivers

    @enable_ki_protection
    async def receive(self) -> Message:
        """Wait for the next message and return it.

        Several tasks may wait; they are served in the order in which they came. There is no end of
        the channel, since endpoints can be added at any time: iteration ends by cancellation or
        when the socket is closed.

        Raises:
            trio.ClosedResourceError: The socket was closed, possibly meanwhile.

        Cancelled, it has taken nothing: the message is still first in line. It yields to other
        tasks when it waits, and otherwise once per time slice
        (`trio_mq.lowlevel.set_checkpoint_mode`). (zmq_recv(3))
        """
        await checkpoint_if_cancelled()
        if get_ident() != self._open_in:
            self._guard()
        # Nobody can be waiting while `FairQueue.direct` has messages. It and the slice are looked
        # at right here: that saves three calls, and half of what a small message costs. The last
        # message goes the long way, which notices that nothing is left.
        direct = self._queue.direct
        if len(direct) > 1:
            message = direct.popleft()
        else:
            message = await self._take_in_turn(self._pattern.take)
        time_slice = self._slice
        time_slice.left = left = time_slice.left - 1
        clock = time_slice.clock
        if left <= 0 or clock() > time_slice.deadline:
            await time_slice.end()
        return message

    # A socket never raises EndOfChannel, so iteration needs no translation of it on the way.
    __anext__ = receive

    @enable_ki_protection
    def receive_nowait(self) -> Message:
        """Return the next message, or raise `trio.WouldBlock` if none is there.

        Raises:
            trio.ClosedResourceError: The socket was closed.
        """
        self._guard()
        if self._receivers.waiters:
            raise trio.WouldBlock
        return self._pattern.take()

    @enable_ki_protection
    async def receive_many(self, max: int = 1000) -> list[Message]:  # noqa: A002  # the plain word
        """Wait for a message, and return it with whatever else is there, in order.

        The cheapest way to receive much: the call is paid once.

        Args:
            max: The most messages to return, at least 1.

        Raises:
            ValueError: ``max`` is below 1.
            TypeError: It is no whole number.
            trio.ClosedResourceError: The socket was closed, possibly meanwhile.

        Cancelled, it has taken nothing.
        """
        await checkpoint_if_cancelled()
        number_of("max", max, lowest=1)
        self._guard()
        messages = [await self._take_in_turn(self._pattern.take)]
        self._take_what_is_there(messages, max)
        if self._slice.spent(len(messages)):
            await self._slice.end()
        return messages

    def _take_what_is_there(self, messages: list[Message], most: int) -> None:
        """Take more messages, in whole batches where there are no turns to keep."""
        take, queue = self._pattern.take, self._queue
        try:
            while len(messages) < most:
                direct = queue.direct
                count = min(len(direct) - 1, most - len(messages) - 1)
                if count > 0:
                    messages += _first_of(direct, count)
                messages.append(take())
        except trio.WouldBlock:
            pass

    @enable_ki_protection
    async def receive_from(self) -> tuple[Message, Peer]:
        """Wait for the next message, and return it with the peer that sent it.

        The peer may have left since. Errors and cancellation as for `receive`.
        """
        await checkpoint_if_cancelled()
        self._guard()
        taken: list[Peer] = []

        def take() -> Message:
            message = self._pattern.take()
            peer = self._pattern.source
            assert peer is not None  # noqa: S101  # every message has come from somebody
            taken.append(peer)
            return message

        message = await self._take_in_turn(take)
        if self._slice.spent():
            await self._slice.end()
        return message, taken[0]

    async def _take_in_turn(self, take: Callable[[], Message]) -> Message:
        """Take now if nobody waits and there is something, else wait in turn."""
        waiting = self._receivers
        if not waiting.waiters:
            try:
                return take()
            except trio.WouldBlock:
                pass
        message = await waiting.wait(take)
        self._slice.restart()
        return message


def _first_of(direct: deque[Message], count: int) -> Iterable[Message]:
    """Take so many messages from the left, but not the last one, in a few steps of C."""
    if count < len(direct) - 1:
        return starmap(direct.popleft, repeat((), count))
    last = direct.pop()
    messages = list(direct)
    direct.clear()
    direct.append(last)
    return messages
