"""The other end of `libzmq_worker`: a libzmq program as an object with asynchronous methods."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import IO, Final, Self, TypeAlias, cast

import attrs
import trio

from tests.interop.libzmq_worker import MessageText, message_from_text, message_to_text

#: A message as the tests write it down: a tuple of frames.
Frames: TypeAlias = tuple[bytes, ...]
#: The value of an option of libzmq.
OptionValue: TypeAlias = bytes | int

_PROGRAM: Final = Path(__file__).with_name("libzmq_worker.py")


class LibzmqError(Exception):
    """libzmq refused; the text is the name of its error."""


def start_process() -> subprocess.Popen[bytes]:
    """Start a libzmq program."""
    return subprocess.Popen(
        [sys.executable, str(_PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Kill a libzmq program if it still runs, and forget it."""
    process.kill()
    with process:
        pass


def _duplicate(pipe: IO[bytes] | None) -> trio.lowlevel.FdStream:
    assert pipe is not None
    return trio.lowlevel.FdStream(os.dup(pipe.fileno()))


@attrs.define(eq=False)
class Libzmq:
    """A running libzmq program."""

    process: subprocess.Popen[bytes]
    _requests: trio.lowlevel.FdStream
    _answers: trio.lowlevel.FdStream
    #: One request at a time, in order of the calls.
    _turn: trio.StrictFIFOLock = attrs.field(factory=trio.StrictFIFOLock)
    _unread: bytearray = attrs.field(factory=bytearray)
    _names: count[int] = attrs.field(factory=count)
    #: A request has not been answered: the program can't be used by anybody else.
    stuck: bool = False

    @classmethod
    @asynccontextmanager
    async def of(cls, process: subprocess.Popen[bytes]) -> AsyncIterator[Self]:
        """Talk to a program."""
        async with _duplicate(process.stdin) as requests, _duplicate(process.stdout) as answers:
            yield cls(process, requests, answers)

    async def call(self, do: str, **arguments: object) -> object:
        """Let the program do something, and return what it answers.

        Raises:
            LibzmqError: libzmq refused.
        """
        async with self._turn:
            if self.stuck:
                raise LibzmqError("an earlier request was given up: its answer is still to come")
            self.stuck = True
            await self._requests.send_all(json.dumps({"do": do, **arguments}).encode() + b"\n")
            answer = json.loads(await self._line())
            self.stuck = False
        if "error" in answer:
            raise LibzmqError(answer["error"])
        return cast("object", answer["value"])

    async def _line(self) -> bytes:
        while b"\n" not in self._unread[-1:]:
            data = await self._answers.receive_some()
            if not data:
                raise EOFError("the libzmq program ended")
            self._unread += data
        line = bytes(self._unread)
        self._unread.clear()
        return line

    async def open(self, kind: str, **options: OptionValue) -> LibzmqSocket:
        """Make a socket; options have the names of libzmq, ``SNDHWM=1``."""
        opened = LibzmqSocket(self, str(next(self._names)), kind)
        await self.call("open", socket=opened.name, kind=kind, options=_options_to_text(options))
        return opened

    async def handle(self, status: str, user: str = "") -> None:
        """Let the sockets' handler of ZAP give everybody this answer."""
        await self.call("handle", status=status, user=user)

    async def reset(self) -> None:
        """Close everything at once, dropping what waits."""
        await self.call("reset")

    async def end(self) -> None:
        """Close everything in order, as a program does that ends: all that waits is written."""
        await self.call("end")

    def stop(self) -> None:
        """Freeze the program, as a debugger or a suspended host would."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """Kill the program; the kernel closes its connections."""
        self.process.kill()
        await trio.to_thread.run_sync(self.process.wait)


@attrs.define(eq=False)
class LibzmqSocket:
    """A socket of a libzmq program."""

    program: Libzmq
    name: str
    kind: str

    async def _call(self, do: str, **arguments: object) -> object:
        return await self.program.call(do, socket=self.name, **arguments)

    async def set(self, **options: OptionValue) -> None:
        """Set options, by their libzmq names: ``SUBSCRIBE=b"a"``."""
        await self._call("set", options=_options_to_text(options))

    async def bind(self, endpoint: str) -> str:
        """Bind, and return the resolved endpoint."""
        return cast("str", await self._call("bind", endpoint=endpoint))

    async def unbind(self, endpoint: str) -> None:
        """Undo a bind, and wait until the endpoint is free: libzmq closes it in the background."""
        await self._call("unbind", endpoint=endpoint)
        await self.events("CLOSED")

    async def connect(self, endpoint: str) -> None:
        """Connect, in the background."""
        await self._call("connect", endpoint=endpoint)

    async def disconnect(self, endpoint: str) -> None:
        """Undo a connect."""
        await self._call("disconnect", endpoint=endpoint)

    async def send(self, *frames: bytes) -> None:
        """Send one message."""
        await self.send_many([frames])

    async def send_many(self, messages: Iterable[Sequence[bytes]]) -> None:
        """Send messages, waiting for room."""
        await self._call("send", messages=[message_to_text(message) for message in messages])

    async def offer(self, *frames: bytes, count: int) -> int:
        """Send a message up to so many times while there is room; return how often there was."""
        sent = await self._call("offer", message=message_to_text(frames), count=count)
        return cast("int", sent)

    async def receive(self) -> Frames:
        """Receive one message."""
        return (await self.receive_many(1))[0]

    async def receive_many(self, count: int) -> list[Frames]:
        """Receive exactly so many messages."""
        return _messages(await self._call("receive", count=count))

    async def drain(self) -> list[Frames]:
        """Receive what waits."""
        return _messages(await self._call("drain"))

    async def echo(self, count: int) -> None:
        """Send so many messages back to where they come from."""
        await self._call("echo", count=count)

    async def ask(self, messages: Iterable[Sequence[bytes]]) -> list[Frames]:
        """Send messages in turn, each after the reply to the one before; return the replies."""
        asked = [message_to_text(message) for message in messages]
        return _messages(await self._call("ask", messages=asked))

    async def events(self, until: str) -> list[tuple[str, int]]:
        """Return what its monitor has seen since last asked, up to an event of that name."""
        seen = cast("list[tuple[str, int]]", await self._call("events", until=until))
        return [(name, value) for name, value in seen]

    async def meet_peer(self) -> None:
        """Wait for the next handshake, and let libzmq act on it.

        A bound socket of libzmq sends its subscriptions to a new peer only when its program calls
        it the next time.
        """
        await self.events("HANDSHAKE_SUCCEEDED")
        await self._call("wake")

    async def close(self) -> None:
        """Close it; what waits is written in the background, as ``LINGER`` says."""
        await self._call("close")


def _options_to_text(options: dict[str, OptionValue]) -> dict[str, str | int]:
    return {
        name: value.decode("latin-1") if isinstance(value, bytes) else value
        for name, value in options.items()
    }


def _messages(answer: object) -> list[Frames]:
    return [tuple(message_from_text(text)) for text in cast("list[MessageText]", answer)]
