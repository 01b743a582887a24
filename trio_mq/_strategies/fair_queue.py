"""Fair-queue: one message from each peer that has some, in turn."""

from __future__ import annotations

from collections import deque

import trio

from trio_mq._message import Message
from trio_mq._pipe import Pipe


class FairQueue:
    """Takes messages from the pipes that have some, one each in turn (RFC 28 and 30).

    A pipe is in the rotation only while it has messages, so a noisy peer can't starve a quiet one,
    and ten thousand silent peers cost nothing.
    """

    __slots__ = ("_ready", "current")

    def __init__(self) -> None:
        #: Pipes with unread messages; the next one to serve is the first.
        self._ready: deque[Pipe] = deque()
        #: The pipe of the message that was taken last.
        self.current: Pipe | None = None

    def __bool__(self) -> bool:
        return bool(self._ready)

    def messages_arrived(self, pipe: Pipe) -> None:
        """A pipe that was empty has messages; it goes last."""
        if not pipe.readable:
            pipe.readable = True
            self._ready.append(pipe)

    def remove(self, pipe: Pipe) -> None:
        """Take the pipe out of the rotation, whatever it holds."""
        if pipe.readable:
            pipe.readable = False
            self._ready.remove(pipe)

    def take(self) -> Message:
        """Return the next message, or raise `trio.WouldBlock`; `current` is its pipe."""
        ready = self._ready
        if not ready:
            raise trio.WouldBlock
        pipe = self.current = ready[0]
        message = pipe.take()
        if not pipe.incoming_count:
            # Taking a message may have let new ones in, so the count decides, and comes last.
            pipe.readable = False
            ready.popleft()
            if pipe.retiring:
                pipe.owner.emptied(pipe)
        elif len(ready) > 1:
            ready.rotate(-1)
        return message

    def put_back(self, message: Message) -> None:
        """Make the message that was taken last the next one again."""
        pipe = self.current
        assert pipe is not None  # noqa: S101  # something was taken
        pipe.put_back(message)
        if pipe.readable:
            self._ready.remove(pipe)
        pipe.readable = True
        self._ready.appendleft(pipe)
