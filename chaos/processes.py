"""Workers as processes that can be killed, stopped, continued and started again."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Final, Literal, Self, TypeAlias

import attrs
import trio

Library: TypeAlias = Literal["trio_mq", "libzmq"]
_MODULES: Final[dict[Library, str]] = {"trio_mq": "chaos.worker", "libzmq": "chaos.zmq_worker"}
_ROOT: Final = Path(__file__).parent.parent


@attrs.define(eq=False)
class Worker:
    """One place at work; its process may have several lives, one log each."""

    library: Library
    arguments: tuple[str, ...]
    folder: Path
    _logs: list[Path] = attrs.field(factory=list)
    _process: subprocess.Popen[bytes] | None = None
    stopped: bool = False

    def start(self) -> None:
        """Begin a life."""
        path = self.folder / f"{id(self)}-{len(self._logs)}"
        self._logs.append(path)
        with path.open("ab") as file:
            self._process = _start(_MODULES[self.library], self.arguments, file)

    def kill(self) -> None:
        """End it without warning."""
        self._running.kill()
        self._running.wait()
        self.stopped = False

    def stop(self) -> None:
        """Freeze it."""
        self._running.send_signal(signal.SIGSTOP)
        self.stopped = True

    def go_on(self) -> None:
        """Let it go on."""
        self._running.send_signal(signal.SIGCONT)
        self.stopped = False

    async def end(self) -> None:
        """Let it receive what is on its way, and end."""
        self._running.terminate()
        code = await trio.to_thread.run_sync(self._running.wait)
        if code not in (0, -signal.SIGTERM):
            raise AssertionError(f"a {self.library} worker {self.arguments} failed with {code}")

    @property
    def records(self) -> list[bytes]:
        """What each life wrote down."""
        return [path.read_bytes() for path in self._logs]

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    @property
    def dead(self) -> bool:
        """It was killed, and not started again."""
        return self._running.poll() is not None

    def clear_away(self) -> None:
        """Kill it if it still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _start(module: str, arguments: Sequence[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=output, cwd=_ROOT)


@attrs.define
class Crowd:
    """The workers of one scenario, and what is done to them."""

    chance: random.Random
    folder: Path
    workers: list[Worker] = attrs.field(factory=list)
    done: Counter[str] = attrs.field(factory=Counter)

    @classmethod
    @asynccontextmanager
    async def gathered(cls, chance: random.Random) -> AsyncIterator[Self]:
        """Nobody is left after the block, whatever happens in it."""
        with tempfile.TemporaryDirectory() as folder:
            crowd = cls(chance, Path(folder))
            try:
                yield crowd
            finally:
                for worker in crowd.workers:
                    worker.clear_away()

    def add(self, library: Library, *arguments: str) -> Worker:
        """Start one more."""
        worker = Worker(library, arguments, self.folder)
        self.workers.append(worker)
        worker.start()
        return worker

    def add_six(self, *arguments: str) -> None:
        """Start six of a kind, half of them libzmq's."""
        for number in range(6):
            self.add("libzmq" if number % 2 else "trio_mq", *arguments)

    async def suffer(self, pause: float) -> None:
        """Do something to one after the other, until cancelled; then all run again."""
        try:
            while True:
                await trio.sleep(self.chance.random() * pause)
                self._strike(self.chance.choice(self.workers))
        finally:
            for worker in self.workers:
                if worker.stopped:
                    worker.go_on()

    def _strike(self, worker: Worker) -> None:
        if worker.stopped:
            self.done["continue"] += 1
            worker.go_on()
        elif self.chance.random() < 0.5:
            self.done["stop"] += 1
            worker.stop()
        else:
            self.done["kill and restart"] += 1
            worker.kill()
            worker.start()

    async def end(self) -> None:
        """Let everybody receive what is on its way, and end."""
        async with trio.open_nursery() as nursery:
            for worker in self.workers:
                nursery.start_soon(worker.end)
