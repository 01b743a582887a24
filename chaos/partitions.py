"""Hosts of a network of their own that the kernel cuts off: ``python -m chaos.partitions WHAT …``.

Unlike a relay, which swallows bytes, this loses packets: the system sends them again, later and
later, and both ends may give the connection up at different times. Each worker has an address of
the loopback in a network namespace, which needs root, ``unshare`` and ``ip``. Where the kernel has
``netem``, packets are late and lost there as well.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import attrs
import trio

import trio_mq
from chaos.pipeline import OPTIONS, count, send_under
from chaos.processes import Crowd
from chaos.requests import SOON, Asker, ask_under
from trio_mq import ConnectionOptions

_OWN_NETWORK: Final = ("unshare", "--net")
#: What is local is looked up behind what is cut off.
_SET_UP: Final = ("ip link set lo up", "ip rule add pref 9 lookup local", "ip rule del pref 0")
_CUT_OFF: Final = "ip rule {verb} pref 1 to {address} blackhole"
_NETEM: Final = "tc qdisc add dev lo root netem delay 5ms 5ms loss 1%"
#: A peer that does not answer for a second counts as gone.
_SIGNS: Final = ConnectionOptions(heartbeat_interval=0.3, heartbeat_timeout=1.0)
_OF_PUSH: Final[ConnectionOptions] = {**SOON, **OPTIONS, **_SIGNS}
_OF_REQ: Final[ConnectionOptions] = {**SOON, **_SIGNS}
_SKIPPED: Final = "SKIPPED: only root, with unshare and ip, can have a network of its own"


def may_have_a_network() -> bool:
    """Tell whether this process may make a network namespace, and cut off an address there."""
    cut_off = [_CUT_OFF.format(verb=verb, address="127.0.0.10") for verb in ("add", "del")]
    return _works(*_OWN_NETWORK, "sh", "-c", " && ".join((*_SET_UP, *cut_off)))


def _works(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@attrs.define
class Hosts:
    """Six addresses of this network, each of which can be cut off."""

    addresses: list[str] = attrs.field(
        factory=lambda: [f"127.0.0.{number}" for number in range(10, 16)]
    )
    done: Counter[str] = attrs.field(factory=Counter)
    _cut_off: set[str] = attrs.field(factory=set)

    def set_up(self) -> str:
        """Begin, and say whether packets are late and lost as well."""
        for command in _SET_UP:
            _run(command)
        netem = _works(*_NETEM.split())
        return "with netem" if netem else "without netem, which this system has not"

    def endpoint(self, index: int) -> str:
        """Return where the worker of a host listens."""
        return f"tcp://{self.addresses[index]}:5555"

    async def suffer(self, chance: random.Random, pause: float) -> None:
        """Cut off one after the other, until cancelled; then all can be reached again."""
        try:
            while True:
                await trio.sleep(chance.random() * pause)
                address = chance.choice(self.addresses)
                if address in self._cut_off:
                    self._mend(address)
                else:
                    self.done["partition"] += 1
                    self._cut_off.add(address)
                    _run(_CUT_OFF.format(verb="add", address=address))
        finally:
            for address in tuple(self._cut_off):
                self._mend(address)

    def _mend(self, address: str) -> None:
        self._cut_off.remove(address)
        _run(_CUT_OFF.format(verb="del", address=address))


async def _pipeline(hosts: Hosts, chance: random.Random, seconds: float) -> str:
    """Push to six Pulls, and balance the books."""
    async with Crowd.gathered(chance) as crowd:
        async with trio_mq.Push(**_OF_PUSH) as push:
            await _meet(crowd, "pull", hosts, push)
            sent = await send_under(
                push, seconds, partial(crowd.suffer, 0.6), partial(hosts.suffer, chance, 1.0)
            )
        losses = crowd.done["kill and restart"] + hosts.done["partition"]
        return f"{await count(crowd, sent, push, losses)}; {dict(crowd.done + hosts.done)}"


async def _requests(hosts: Hosts, chance: random.Random, seconds: float) -> str:
    """Ask six Reps."""
    async with Crowd.gathered(chance) as crowd, trio_mq.Req(**_OF_REQ) as req:
        await _meet(crowd, "rep", hosts, req)
        asker = Asker(req, chance)
        await ask_under(
            asker, seconds, partial(crowd.suffer, 0.6), partial(hosts.suffer, chance, 1.0)
        )
        return f"{asker.asked} asked: {dict(asker.outcomes)}; {dict(crowd.done + hosts.done)}"


async def _meet(crowd: Crowd, role: str, hosts: Hosts, socket: trio_mq.Socket) -> None:
    for index in range(6):
        endpoint = hosts.endpoint(index)
        crowd.add("libzmq" if index % 2 else "trio_mq", role, f"bind:{endpoint}")
        await socket.connect(endpoint)


SCENARIOS: Final[dict[str, Callable[[Hosts, random.Random, float], Awaitable[str]]]] = {
    "pipeline": _pipeline,
    "requests": _requests,
}


async def partitioned(chance: random.Random, seconds: float, *, what: str) -> str:
    """Run one of them in a network of its own, and return what was counted."""
    if not may_have_a_network():
        return _SKIPPED
    arguments = (what, str(chance.getrandbits(32)), str(seconds))
    command = [*_OWN_NETWORK, sys.executable, "-m", "chaos.partitions", *arguments]
    done = await trio.run_process(command, capture_stdout=True)
    return done.stdout.decode().strip()


async def _main(*arguments: str) -> None:
    what, seed, seconds = arguments
    hosts = Hosts()
    netem = hosts.set_up()
    told = await SCENARIOS[what](hosts, random.Random(int(seed)), float(seconds))
    sys.stdout.write(f"{told}; {netem}\n")


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True)


if __name__ == "__main__":
    trio_mq.lowlevel.set_debug(True)
    trio.run(_main, *sys.argv[1:])
