"""stdin and stdout without holding up the sockets: a thread does each read and write."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Iterable
from typing import Final

import trio

from trio_mq._cli.formats import Format, Frames, Splitter

_READ: Final = 64 * 1024


class Input:
    """The messages on stdin, one after the other.

    Args:
        format_: How they are written there.
    """

    def __init__(self, format_: Format) -> None:
        self._splitter = Splitter(format_)
        self._ready: deque[list[bytes]] = deque()
        self._ended = False

    async def next(self) -> list[bytes] | None:
        """Return the next message; ``None`` at the end of the input.

        Raises:
            ValueError: The input does not have that format.
        """
        while not self._ready and not self._ended:
            # The thread may wait for ever; nothing but the end of the process ends that.
            data = await trio.to_thread.run_sync(os.read, 0, _READ, abandon_on_cancel=True)
            if data:
                self._ready.extend(self._splitter.feed(data))
            else:
                self._ended = True
                self._ready.extend(self._splitter.finish())
        if self._ready:
            return self._ready.popleft()
        return None


class Output:
    """stdout as a place for messages.

    Args:
        format_: How they are written there.
    """

    def __init__(self, format_: Format) -> None:
        self._terminal = format_ is Format.LINES and os.isatty(1)
        # What peers send must not control the terminal of whoever looks at it.
        self._format = Format.QUOTED if self._terminal else format_
        self._turn = trio.Lock()

    async def put(self, messages: Iterable[Frames]) -> None:
        """Write messages, all at once.

        Raises:
            BrokenPipeError: Nobody reads them any more.
        """
        data = b"".join(map(self._format.encode, messages))
        async with self._turn:
            await trio.to_thread.run_sync(_write, data, abandon_on_cancel=True)


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
