"""A proxy: messages from one socket to another, and back."""

from __future__ import annotations

from typing import Final, TypeAlias

import attrs
import trio

from trio_mq._errors import Unroutable
from trio_mq._message import Message
from trio_mq._patterns.pattern import Pattern
from trio_mq._patterns.xsub import XSubPattern
from trio_mq._sockets.one_error import the_one
from trio_mq._sockets.receiver import Receiver
from trio_mq._sockets.sender import Sender
from trio_mq._sockets.socket import guarded_pattern
from trio_mq._tally import DropReason
from trio_mq._waiting import current_slice

CAPTURE_SECONDS: Final = 1.0
"""Seconds for which a capture without a peer may delay the beginning."""

ProxySocket: TypeAlias = Sender | Receiver
"""What a proxy can stand between: Router and Dealer, XSub and XPub, Pull and Push."""


@trio.lowlevel.enable_ki_protection
async def proxy(frontend: ProxySocket, backend: ProxySocket, capture: Sender | None = None) -> None:
    """Forward every message between two sockets until cancelled.

    For brokers (Router and Dealer), forwarders (XSub and XPub) and streamers (Pull and Push). Each
    direction is a task of its own. A message is taken only in the step in which the other side
    takes it, so a full peer holds up its own direction and cancellation loses nothing. One that the
    other side can't route is dropped there and counted.

    Args:
        frontend: An open socket that receives.
        backend: An open socket; messages from the frontend go there, and what it receives, if it
            receives, goes back to the frontend. The same socket twice echoes.
        capture: An open socket that gets a copy of every message, as far as it has room; what it
            misses is counted. One that has no peer yet is waited for, for a second at most, and
            then it never holds anything up.

    Raises:
        ValueError: Nothing can flow between these sockets.
        TypeError: The capture does not send.
        trio.ClosedResourceError: One of the sockets was closed.

    Cancelled, no message is lost: what was not forwarded is still in the socket it came to.
    (zmq_proxy(3))
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    directions = [
        _Direction(source, sink, capture)
        for source, sink in dict.fromkeys([(frontend, backend), (backend, frontend)])
        if isinstance(source, Receiver) and isinstance(sink, Sender)
    ]
    if not directions:
        raise ValueError(
            f"nothing can flow between {frontend!r} and {backend!r}: give one that receives and "
            "one that sends, as Pull and Push, Router and Dealer, XSub and XPub"
        )
    if capture is not None:
        if not isinstance(capture, Sender):
            raise TypeError(f"capture is a socket that sends, such as a Pub, not {capture!r}")
        await _wait_for_room(capture)
    try:
        async with trio.open_nursery() as nursery:
            for direction in directions:
                nursery.start_soon(direction.run)
            for socket in {frontend, backend, capture}:
                if socket is not None:
                    nursery.start_soon(_until_closed, socket)
    except BaseExceptionGroup as group:
        # That there is a nursery in this call must not show in its errors.
        raise the_one(group) from None


@trio.lowlevel.enable_ki_protection
async def _until_closed(socket: ProxySocket) -> None:
    """Raise when the socket is closed, for the direction that waits for something else."""
    await trio.lowlevel.checkpoint_if_cancelled()
    await guarded_pattern(socket).ledger.conditions.wait_until(_never)


async def _wait_for_room(capture: Sender) -> None:
    """Give a capture that was just opened time to find its peer, if ``send`` would wait for one."""
    pattern = guarded_pattern(capture)
    if not pattern.may_drop and not any(pipe.attached for pipe in pattern.ledger.pipes):
        with trio.move_on_after(CAPTURE_SECONDS):
            await capture.wait_for_peers()


def _never() -> bool:
    return False


@attrs.define(eq=False, repr=False)
class _Direction:
    source: Receiver
    sink: Sender
    capture: Sender | None

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        time_slice = current_slice()
        while True:
            await trio.lowlevel.checkpoint_if_cancelled()
            source, sink = guarded_pattern(self.source), guarded_pattern(self.sink)
            try:
                self._move(source, sink)
            except trio.WouldBlock:
                await self._wait(source, sink)
                time_slice.restart()
            else:
                if time_slice.spent():
                    await time_slice.end()

    def _move(self, source: Pattern, sink: Pattern) -> None:
        """Move one message, or raise `trio.WouldBlock` and leave it where it was."""
        source.queue.reserve()
        try:
            message = source.take()
            self._pass_on(message, source, sink)
        finally:
            source.queue.release()
        self._copy(message)

    @staticmethod
    def _pass_on(message: Message, source: Pattern, sink: Pattern) -> None:
        try:
            sink.send(message)
            if isinstance(sink, XSubPattern):
                # It counts subscriptions. An XPub may report each of them, but only the last
                # cancellation.
                for _ in range(1, source.stands_for):
                    sink.send(message)
        except trio.WouldBlock:
            source.put_back(message)
            raise
        except (Unroutable, ValueError):
            sink.ledger.drop_unqueued(DropReason.UNROUTABLE)

    async def _wait(self, source: Pattern, sink: Pattern) -> None:
        """Wait for a message, then for room for it; neither is taken."""
        try:
            message = source.look()
        except trio.WouldBlock:
            message = await source.receivers.wait(source.look)
        try:
            self._move_if_there(source, sink)
        except trio.WouldBlock:
            await sink.waiters_for(message).wait(lambda: self._move_if_there(source, sink))

    def _move_if_there(self, source: Pattern, sink: Pattern) -> None:
        try:
            source.look()
        except trio.WouldBlock:
            # Somebody else received it: begin again, and don't hold up the line.
            return
        self._move(source, sink)

    def _copy(self, message: Message) -> None:
        if self.capture is None:
            return
        pattern = guarded_pattern(self.capture)
        try:
            if not pattern.waiters_for(message).waiters:
                pattern.send(message)
                return
        except trio.WouldBlock:
            pass
        pattern.ledger.drop_unqueued(DropReason.HIGH_WATER_MARK)
