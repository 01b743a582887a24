"""``send`` and its kin, the same for every socket that sends.

The order of the steps is the promise: notice cancellation, guard, the synchronous act, and only
then, at the end of a time slice, let others run, which can't be cancelled. So a cancelled ``send``
queued nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Final

import trio
from trio.lowlevel import checkpoint_if_cancelled, enable_ki_protection

from trio_mq._errors import MessageTooLarge, MQError
from trio_mq._message import Frames, Message, Sendable, is_buffer, size_of, to_frames
from trio_mq._patterns.pattern import P_co
from trio_mq._pipes.item import frames_of
from trio_mq._pipes.outbound import SMALL
from trio_mq._sockets.life import Life
from trio_mq._sockets.socket import Socket

if TYPE_CHECKING:
    from trio_mq._context import Context
    from trio_mq._pipes.pipe import Pipe
    from trio_mq._sockets.keywords import Endpoints


#: Seconds that a peer with a full queue has to make room before `Sender.send_many` counts it slow.
#: It is counted in processor time: a machine that has none for us may have none for the peer
#: either.
PATIENCE: Final = 0.05


class Sender(Socket[P_co], trio.abc.SendChannel[Sendable]):
    """A socket that sends: every type but Pull and Sub.

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
        self._sole_pipes: Final = self._pattern.sole_pipes
        #: Not empty while others wait to send: newcomers queue up behind them.
        self._waiting: Final = self._pattern.senders.waiters
        #: Peers for whose full queue `send_many` has waited, without success.
        self._slow: set[Pipe] = set()
        #: A single frame up to this size needs no further look at the limits.
        self._small = min(
            limit
            for limit in (self._options.max_frame_size, self._options.max_message_size, SMALL)
            if limit is not None
        )

    @enable_ki_protection
    async def send(self, message: Sendable) -> None:
        """Hand over one message, waiting for room if the pattern waits.

        It is accepted whole or not at all. Accepted means that the library has taken it, not that
        a peer has it: see `drain`, and ``linger`` for what happens at the end.

        Args:
            message: One bytes-like is one frame, a sequence of bytes-like is a message. Mutable
                buffers are copied now.

        Raises:
            TypeError: It is text, or not bytes-like.
            ValueError: It has no frames.
            MessageTooLarge: It exceeds a limit of our own.
            trio.ClosedResourceError: The socket was closed, possibly meanwhile.

        Cancelled, it has queued nothing. It yields to other tasks when it waits, and otherwise
        once per time slice (`trio_mq.lowlevel.set_checkpoint_mode`). (zmq_send(3))
        """
        # The plain case, the only queue and the slice are looked at right here: the calls that this
        # saves would be half of what a small message costs.
        await checkpoint_if_cancelled()
        if message.__class__ is not bytes or (size := len(message)) > self._small:
            await self._send_checked(self._checked(message))
            return
        if get_ident() != self._open_in:
            self._guard()
        sole = self._sole_pipes.sole_outbound
        if sole is not None and len(queue := sole.queue) < sole.append_below:
            queue.append(message)
            sole.size += size
        elif self._waiting:
            await self._wait_to_send((message,))
            return
        else:
            try:
                self._pattern.send((message,))
            except trio.WouldBlock:
                await self._wait_to_send((message,))
                return
        time_slice = self._slice
        time_slice.left = left = time_slice.left - 1
        clock = time_slice.clock
        if left <= 0 or clock() > time_slice.deadline:
            await time_slice.end()

    async def _send_checked(self, frames: Frames) -> None:
        """Send what is large, has several frames, or was received."""
        if get_ident() != self._open_in:
            self._guard()
        if self._waiting or not self._try(frames):
            await self._wait_to_send(frames)
        elif self._slice.spent():
            await self._slice.end()

    @enable_ki_protection
    def send_nowait(self, message: Sendable) -> None:
        """Hand over one message, or raise `trio.WouldBlock` if that would have to wait.

        Otherwise as `send`.
        """
        frames = self._checked(message)
        self._guard()
        if self._waiting:
            raise trio.WouldBlock
        self._pattern.send(frames)

    @enable_ki_protection
    async def send_many(self, messages: Iterable[Sendable]) -> int:
        """Wait for room for the first message, hand over as many as fit, and return how many.

        The cheapest way to send much: the call is paid once. Send the rest again. Where `send`
        would drop a message for a peer with a full queue (Pub, XPub, XSub, Router), that does not
        fit either, so that peers that keep up lose nothing. A peer whose queue stays full while
        others had their turn holds up nobody: messages for it are dropped, as by `send`.

        Arguments and errors as for `send`; none is raised once a message was accepted. What is
        wrong with a message itself is raised before any is accepted. One that its peer can't get
        ends the batch, and raises if it is the first.

        Cancelled, it has queued nothing.
        """
        await checkpoint_if_cancelled()
        _check_several(messages)
        small = self._small
        batch: list[bytes | Frames] = [
            message
            if message.__class__ is bytes and len(message) <= small
            else self._checked(message)
            for message in messages
        ]
        self._guard()
        if not batch:
            await trio.lowlevel.cancel_shielded_checkpoint()
            return 0
        first = frames_of(batch[0])
        slow: Collection[Pipe] = ()
        if self._pattern.may_drop:
            slow = await self._peers_that_lag(batch)
            self._guard()  # it may have been closed meanwhile
        if self._waiting or not self._try(first):
            await self._wait_to_send(first)
        count = 1 if self._life is not Life.OPEN else 1 + self._send_what_fits(batch, slow)
        if self._slice.spent(count):
            await self._slice.end()
        return count

    def _try(self, frames: Frames) -> bool:
        try:
            self._pattern.send(frames)
        except trio.WouldBlock:
            return False
        return True

    async def _peers_that_lag(self, batch: Sequence[bytes | Frames]) -> Collection[Pipe]:
        """Return the peers that still have no room for the first message after some patience.

        Each is waited for once: then not again until it has had room, since others wait with it.
        """
        lacking_room, first = self._pattern.lacking_room, frames_of(batch[0])
        deadline = self._slice.processor() + PATIENCE
        while not self._slow.issuperset(slow := lacking_room(first)):
            if self._slice.processor() > deadline:
                break
            await trio.lowlevel.checkpoint()
        self._slow = set(slow)
        return slow

    def _send_what_fits(self, batch: list[bytes | Frames], slow: Collection[Pipe]) -> int:
        """Send what comes after the first of a batch, and return how many that was."""
        sole = self._sole_pipes.sole_outbound
        if sole is not None:
            count = sole.append_what_fits(batch, 1)
        else:
            count = 0 if self._waiting else self._pattern.send_easy(batch, 1)
        send = self._pattern.send
        try:
            for index in range(count + 1, len(batch)):
                frames = frames_of(batch[index])
                if self._waiting or (self._pattern.may_drop and self._would_drop(frames, slow)):
                    break
                send(frames)
                count = index
        except (trio.WouldBlock, MQError, ValueError):
            pass  # what is wrong with it is raised when the caller sends it again as the first
        return count

    def _would_drop(self, frames: Frames, slow: Collection[Pipe]) -> bool:
        """Tell whether a peer that keeps up has no room; the slow ones hold up nobody."""
        lacking = self._pattern.lacking_room(frames)
        return bool(lacking) and not set(lacking).issubset(slow)

    async def _wait_to_send(self, frames: Frames) -> None:
        line = self._pattern.waiters_for(frames)
        await line.wait(partial(self._pattern.send_in_turn, frames))
        self._slice.restart()

    @enable_ki_protection
    async def drain(self) -> None:
        """Wait until everything accepted so far was handed to the kernel, or dropped and counted.

        What is accepted during the call does not prolong it.

        Raises:
            trio.ClosedResourceError: The socket was closed meanwhile.

        Cancelled, it only stops waiting.
        """
        await checkpoint_if_cancelled()
        self._guard()
        await self._members.drain()

    def _checked(self, message: Sendable) -> Frames:
        if message.__class__ is bytes and len(message) <= self._small:
            return (message,)
        frames = message if message.__class__ is Message else to_frames(message)
        if len(frames) > 1 or len(frames[0]) > self._small:
            self._check_size(frames)
        return frames

    def _check_size(self, frames: Frames) -> None:
        options = self._options
        largest, total = max(map(len, frames)), size_of(frames)
        if options.max_frame_size is not None and largest > options.max_frame_size:
            self._too_large("frame", largest, "max_frame_size", options.max_frame_size)
        if options.max_message_size is not None and total > options.max_message_size:
            self._too_large("message", total, "max_message_size", options.max_message_size)
        if options.max_frames is not None and len(frames) > options.max_frames:
            raise MessageTooLarge(
                f"a message of {len(frames)} frames exceeds max_frames={options.max_frames}: "
                "raise the option on both ends, or send several messages"
            )

    @staticmethod
    def _too_large(what: str, size: int, option: str, limit: int) -> None:
        raise MessageTooLarge(
            f"a {what} of {size} bytes exceeds {option}={limit}: "
            "raise the option on both ends, or send it in parts"
        )


async def send_first(socket: Sender, messages: Iterable[Sendable]) -> int:
    """Do what ``send_many`` does where messages take turns with those of the other direction."""
    await checkpoint_if_cancelled()
    _check_several(messages)
    for message in messages:
        await socket.send(message)
        return 1
    await trio.lowlevel.checkpoint()
    return 0


def _check_several(messages: object) -> None:
    """Refuse what is one message: its frames would be sent as messages, or its bytes as numbers.

    Raises:
        TypeError: It is one, or nothing that holds messages.
    """
    if isinstance(messages, (list, tuple)) and not isinstance(messages, Message):
        return
    one = isinstance(messages, (Message, Mapping, str)) or is_buffer(messages)
    if one or not isinstance(messages, Iterable):
        raise TypeError(
            f"send_many takes several messages, as in a list, not {type(messages).__name__}: "
            "for one message there is send"
        )
