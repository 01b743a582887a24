"""A host: the context of the programs that run there, and what can happen to it."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import trio

from trio_mq._context import Context, as_default
from trio_mq._transports.schemes import Network as AnyNetwork
from trio_mq.testing.stack import Stack


class Host(Context):
    """A host of a `Network`: give it to sockets as their ``context``, and they are there.

    Its name is its name on the network: other hosts connect to ``tcp://name:port``. Ports and ipc
    paths are its own, ``*`` and ``localhost`` mean this host, and names of inproc are shared by its
    sockets alone. `Network.host` makes one.
    """

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self._stack: Final = stack
        self.network: AnyNetwork = stack
        self._up = trio.Event()
        self._up.set()
        #: Around each program that runs here.
        self._running: dict[trio.CancelScope, None] = {}

    def __repr__(self) -> str:
        state = "down" if self._stack.machine.down else "up"
        return f"<Host {self.name} at {self.address}, {state}, {self.sockets} sockets>"

    @property
    def name(self) -> str:
        """Its name on the network."""
        return self._stack.machine.name

    @property
    def address(self) -> str:
        """Its IPv4 address on the network."""
        return self._stack.machine.address

    def crash(self) -> None:
        """Lose power: every connection is forgotten, and nobody is told.

        Programs on other hosts find out by their own means (heartbeats, time-outs), or from a reset
        after `restart`. What `keep_running` runs here is cancelled. Sockets that were opened here
        otherwise lose their connections, and can neither listen nor dial until then.
        """
        if not self._stack.machine.down:
            self._stack.machine.note(f"{self.name} crashes")
            self._stack.crash()
            self._up = trio.Event()
            for until_crash in self._running:
                until_crash.cancel()

    def restart(self) -> None:
        """Be up again after a crash.

        What `keep_running` ran begins again. A socket that is still open listens again where it is
        bound. Whoever sends something over a connection from before the crash gets a reset.
        """
        if self._stack.machine.down:
            self._stack.machine.note(f"{self.name} restarts")
            self._stack.restart()
            self._up.set()

    def as_default(self) -> contextlib.AbstractContextManager[None]:
        """Return a context manager: what is opened in its block without a context is on this host.

        So a program that knows nothing of contexts can be tested as it is. Tasks that are started
        in the block take it with them.
        """
        return as_default(self)

    async def keep_running(self, program: Callable[..., Awaitable[object]], *args: object) -> None:
        """Run a program on this host: a crash ends it, a restart starts it again.

        Its sockets, where they are given no context, are on this host, as under `as_default`.

        Args:
            program: An async function.
            *args: Its arguments.

        Returns when the program does. What it raises, this raises; cancelled, so is the program.
        """
        while True:
            await self._up.wait()
            with trio.CancelScope() as until_crash:
                self._running[until_crash] = None
                try:
                    with self.as_default():
                        await program(*args)
                    return
                finally:
                    del self._running[until_crash]

    def refuse(self, endpoint: str) -> None:
        """Refuse new connections to an endpoint that is bound here, until `admit`.

        Args:
            endpoint: As it is bound: ``tcp://*:5555``, say. Nobody needs to have bound it yet.
        """
        self._stack.machine.note(f"{self.name} refuses connections to {endpoint}")
        self._stack.refuse(endpoint)

    def admit(self, endpoint: str) -> None:
        """Let connections to an endpoint in again after `refuse`."""
        self._stack.machine.note(f"{self.name} admits connections to {endpoint}")
        self._stack.admit(endpoint)

    def slow_reader(self, rate: float | None = 0.0) -> None:
        """Let the programs here read slowly, so that what is sent to them piles up.

        Args:
            rate: Bytes per second from each connection; 0: none at all; ``None``: all there are.

        Raises:
            ValueError: It is below 0.
        """
        if rate is not None and not rate >= 0:
            raise ValueError(f"rate={rate!r} is not allowed: give bytes per second, 0 or more")
        self._stack.machine.note(
            f"{self.name} reads {'all' if rate is None else f'{rate:g} bytes/s'}"
        )
        self._stack.read_at(rate)
