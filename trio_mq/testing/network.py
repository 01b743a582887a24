"""The network: hosts, the roads between them, and what goes wrong there."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

import trio

from trio_mq.testing.host import Host
from trio_mq.testing.machine import DELAY, Machine, World
from trio_mq.testing.road import Road
from trio_mq.testing.schedule import seeded
from trio_mq.testing.stack import Stack
from trio_mq.testing.wire import Wire


class Network:
    """Hosts in memory, and a network between them that goes wrong when you say so.

    It lives on trio's clock: under `trio.testing.MockClock` with ``autojump_threshold=0``, an hour
    takes as long as the work that is done in it. There are no kernel sockets and no threads, and
    everything that is left to chance comes from the seed, the order of trio's tasks included: the
    same program under the same seed does the same in the same order.

    Every two hosts can reach each other, with a delay of a millisecond, until `link` or one of the
    faults says otherwise.

    Args:
        seed: Decides everything that is left to chance.

    Use it as an async context manager, around the sockets that use it.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed: Final = seed
        self._hosts: dict[str, Host] = {}
        self._scope = trio.CancelScope()
        self._ended = trio.Event()
        self._seeding = contextlib.ExitStack()
        self._open = False
        self._world: Final = World(random.Random(seed))  # noqa: S311  # it must be repeatable
        self._stacks: Final[dict[str, Stack]] = {}
        self._wires: Final[dict[Wire, None]] = {}

    def __repr__(self) -> str:
        return f"<Network of {', '.join(self._hosts) or 'no hosts'}, seed {self.seed}>"

    async def __aenter__(self) -> Self:
        """Begin.

        Raises:
            RuntimeError: It was used before.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._open:
            raise RuntimeError(f"{self!r} was used before: make a new network for each block")
        self._open = True
        self._world.history.begin()
        self._seeding.enter_context(seeded(self._world.chance))
        trio.lowlevel.spawn_system_task(self._keep_time, name=f"trio_mq {self!r}")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End: connections that are left fail."""
        for host in self._hosts.values():
            host.crash()
        self._scope.cancel()
        with trio.CancelScope(shield=True):
            await self._ended.wait()
        self._seeding.close()

    @trio.lowlevel.enable_ki_protection
    async def _keep_time(self) -> None:
        try:
            with self._scope:
                await self._world.timetable.keep()
        finally:
            self._ended.set()

    # -- hosts and links --

    def host(self, name: str) -> Host:
        """Return the host of that name, which is there from the first call on.

        Args:
            name: As in ``tcp://name:port``.

        Raises:
            RuntimeError: The network was not entered.
            ValueError: It is no name.
        """
        if not self._open:
            raise RuntimeError(f"{self!r} is not open: use it inside 'async with'")
        if name not in self._hosts:
            if not name or not name.replace("-", "").replace(".", "").isalnum():
                raise ValueError(f"{name!r} is not a name for a host: use letters, digits, - and .")
            number = len(self._hosts) + 1
            address = f"10.0.{number // 250}.{number % 250 + 1}"
            stack = Stack(Machine(name, address, self._world), self._stacks, self._wires)
            self._stacks[name] = stack
            self._hosts[name] = Host(stack)
        return self._hosts[name]

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The hosts, in the order in which they came."""
        return tuple(self._hosts.values())

    def link(
        self,
        a: Host | str,
        b: Host | str,
        *,
        delay: float = DELAY,
        jitter: float = 0.0,
        rate: float | None = None,
        buffer: int = 128 * 1024,
        one_way: bool = False,
    ) -> None:
        """Say what the network between two hosts is like, from now on.

        Args:
            a: A host.
            b: Another.
            delay: Seconds that everything takes from one to the other.
            jitter: Seconds that chance adds to it at most. Order is kept, as by TCP.
            rate: Bytes per second in each direction, shared by all connections; ``None``: no limit.
            buffer: Bytes that each kernel keeps of a new connection, in each direction: as many
                wait to be sent, and as many to be read. ``send_buffer`` and ``receive_buffer`` of
                the endpoint come first.
            one_way: From ``a`` to ``b`` only.

        Raises:
            ValueError: A number makes no sense.
        """
        if not (delay >= 0 and jitter >= 0 and buffer >= 1 and (rate is None or rate > 0)):
            raise ValueError(
                f"delay={delay!r}, jitter={jitter!r}, rate={rate!r}, buffer={buffer!r}: give "
                "seconds from 0 on, bytes per second above 0, and a buffer of at least 1 byte"
            )
        self.note(f"link {_name(a)} {_name(b)}: {delay=:g} {jitter=:g} {rate=} {buffer=}")
        for road in self._between(a, b, one_way=one_way):
            road.delay, road.jitter, road.rate, road.buffer = delay, jitter, rate, buffer

    # -- what goes wrong --

    def cut(self, a: Host | str, b: Host | str, *, one_way: bool = False) -> None:
        """Let nothing through between two hosts until `heal`.

        Nobody is told: connections stand, and what they send is sent again, as TCP does, until it
        gets through or somebody's patience ends. To dial takes until a time-out.

        Args:
            a: A host.
            b: Another.
            one_way: Only from ``a`` to ``b``.
        """
        self._block("cut", a, b, one_way=one_way)

    def silence(self, a: Host | str, b: Host | str, *, one_way: bool = False) -> None:
        """Swallow what programs say to each other between two hosts until `heal`.

        Connections are half open: each end takes them for good, and hears nothing. Unlike after
        `cut` a dial succeeds, as with a host whose programs hang; nothing is heard after it either.

        Args:
            a: A host.
            b: Another.
            one_way: Only what ``a`` says to ``b``, acknowledgements included.
        """
        self._block("silence", a, b, one_way=one_way)

    def _block(self, fault: str, a: Host | str, b: Host | str, *, one_way: bool) -> None:
        self.note(f"{fault} {_name(a)} {_name(b)}{' one way' * one_way}")
        roads = self._between(a, b, one_way=one_way)
        for road in roads:
            road.cut = road.cut or fault == "cut"
            road.silent = road.silent or fault == "silence"
        for wire in self._wires_on(roads):
            for end in wire.ends:
                end.probe_later()

    def heal(
        self, a: Host | str | None = None, b: Host | str | None = None, *, one_way: bool = False
    ) -> None:
        """Undo `cut` and `silence` between two hosts, or without arguments everywhere.

        What is still to be sent gets through with the next attempt of TCP's, which is the later the
        longer nothing got through, up to two minutes.

        Args:
            a: A host.
            b: Another.
            one_way: Only from ``a`` to ``b``.

        Raises:
            TypeError: One host was given.
        """
        if (a is None) != (b is None):
            raise TypeError("heal() takes two hosts, or none for all of the network")
        if a is None or b is None:
            self.note("heal everything")
            roads = list(self._world.roads.values())
        else:
            self.note(f"heal {_name(a)} {_name(b)}{' one way' * one_way}")
            roads = self._between(a, b, one_way=one_way)
        for road in roads:
            road.cut = road.silent = False
        for wire in self._wires_on(roads):
            wire.openings += 1

    def reset(self, a: Host | str, b: Host | str) -> None:
        """Break every connection between two hosts: both ends find it reset.

        What was on the way, or had not been sent, is lost.

        Args:
            a: A host.
            b: Another.
        """
        self.note(f"reset {_name(a)} {_name(b)}")
        for wire in self._wires_on(self._between(a, b, one_way=False)):
            wire.reset()

    def _between(self, a: Host | str, b: Host | str, *, one_way: bool) -> list[Road]:
        one, other = self._known(a), self._known(b)
        there, back = self._world.road(one, other), self._world.road(other, one)
        return [there] if one_way or there is back else [there, back]

    def _known(self, host: Host | str) -> str:
        name = _name(host)
        if name not in self._hosts:
            raise ValueError(
                f"{name!r} is not a host of this network; "
                f"there are {', '.join(self._hosts) or 'none'}"
            )
        return name

    def _wires_on(self, roads: list[Road]) -> Iterator[Wire]:
        for wire in tuple(self._wires):
            if any(road in roads for road in wire.roads):
                yield wire

    # -- what there is to see --

    @property
    def connections(self) -> int:
        """Connections that a host knows of, those that are being closed included."""
        return len(self._wires)

    @property
    def history(self) -> list[str]:
        """What has happened, in order: a line each, with its time in seconds."""
        return self._world.history.lines()

    def note(self, what: str) -> None:
        """Add a line of your own to the history.

        Args:
            what: What happens now.
        """
        self._world.history.note(what)


def _name(host: Host | str) -> str:
    return host.name if isinstance(host, Host) else host
