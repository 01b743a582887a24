"""Random faults, as many as a network may have in an hour, and the end of them all."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import trio

from trio_mq.testing.host import Host
from trio_mq.testing.network import Network

#: Seconds for which a fault lasts, at most, unless another one ends it.
_LONGEST: Final = 20.0


class Trouble:
    """Makes trouble in a network, decided by one source of chance.

    Args:
        net: Where.
        chance: Decides what, when and where.
        faults: Names of the kinds of faults that there may be.
    """

    def __init__(self, net: Network, chance: random.Random, faults: Sequence[str]) -> None:
        self._net = net
        self._chance = chance
        self._kinds = [KINDS[name] for name in faults]

    @trio.lowlevel.enable_ki_protection
    async def make(self, seconds: float) -> None:
        """Make trouble for that long, and then heal everything."""
        # How much there is differs from seed to seed: from hardly any to one after another.
        pause = 10 ** self._chance.uniform(-3, 1)
        with trio.move_on_after(seconds):
            while True:
                await trio.sleep(self._chance.expovariate(1 / pause))
                hosts = self._net.hosts
                if hosts:
                    kind = self._chance.choice(self._kinds)
                    a, b = self._chance.choice(hosts), self._chance.choice(hosts)
                    await self._suffer(kind(self._net, self._chance, a, b))
        self.end()

    async def _suffer(self, fault: Iterator[None]) -> None:
        """Begin a fault; let it last for a while; end it."""
        next(fault, None)
        await trio.sleep(self._chance.choice((0.0, 0.01, 1.0, _LONGEST)) * self._chance.random())
        next(fault, None)

    def end(self) -> None:
        """Heal everything."""
        self._net.heal()
        for host in self._net.hosts:
            host.restart()
            host.slow_reader(None)


#: A kind of fault: begins it up to its ``yield``, and ends it after that.
_Kind = Callable[[Network, random.Random, Host, Host], Iterator[None]]


def _cut(net: Network, chance: random.Random, a: Host, b: Host) -> Iterator[None]:
    one_way = chance.random() < 0.3
    net.cut(a, b, one_way=one_way)
    yield
    net.heal(a, b)


def _silence(net: Network, chance: random.Random, a: Host, b: Host) -> Iterator[None]:
    one_way = chance.random() < 0.3
    net.silence(a, b, one_way=one_way)
    yield
    net.heal(a, b)


def _reset(net: Network, _chance: random.Random, a: Host, b: Host) -> Iterator[None]:
    net.reset(a, b)
    yield


def _crash(_net: Network, _chance: random.Random, a: Host, _b: Host) -> Iterator[None]:
    a.crash()
    yield
    a.restart()


def _slow(_net: Network, chance: random.Random, a: Host, _b: Host) -> Iterator[None]:
    a.slow_reader(chance.choice((0.0, 100.0, 10_000.0)))
    yield
    a.slow_reader(None)


def _link(net: Network, chance: random.Random, a: Host, b: Host) -> Iterator[None]:
    net.link(
        a,
        b,
        delay=chance.choice((0.0, 0.001, 0.1)),
        jitter=chance.choice((0.0, 0.1)),
        rate=chance.choice((None, 10_000.0, 1_000_000.0)),
        buffer=chance.choice((1_000, 10_000, 131_072)),
    )
    yield


KINDS: Final[Mapping[str, _Kind]] = {
    "cut": _cut,
    "silence": _silence,
    "reset": _reset,
    "crash": _crash,
    "slow_reader": _slow,
    "link": _link,
}
