"""The network stack of one host: its addresses and ports, and what listens and connects there.

It does for a program what the kernel does, so it refuses what the kernel refuses, in its words.
"""

from __future__ import annotations

import errno
import itertools
import socket
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

import trio

from trio_mq._options import Options
from trio_mq._transports.endpoint import Endpoint, IpcEndpoint, TcpEndpoint, TlsEndpoint
from trio_mq._transports.failure import attempting
from trio_mq._transports.listener import Acceptor, Acceptors
from trio_mq.testing.knock import Ear, Knock, Place
from trio_mq.testing.machine import Machine
from trio_mq.testing.wire import End, Wire, os_error

#: The first port that is chosen when a program asks for any (RFC 6335).
_FIRST_PORT: Final = 49152
_LAST_PORT: Final = 65535
_ANY: Final = "0.0.0.0"  # noqa: S104  # nothing leaves this process
_LOOPBACK: Final = "127.0.0.1"
_ANY_IPV6: Final = "::"
_LOOPBACK_IPV6: Final = "::1"
_WILDCARDS: Final = (_ANY, _ANY_IPV6)


class Stack:
    """The network stack of one host (`trio_mq._transports.schemes.Network`).

    Args:
        machine: The host.
        stacks: Every host of the network, by name.
        wires: Every connection of the network.
    """

    reaches_others: bool = False

    def __init__(
        self, machine: Machine, stacks: Mapping[str, Stack], wires: dict[Wire, None]
    ) -> None:
        self.machine = machine
        self._stacks = stacks
        self._wires = wires
        self._knocks: dict[Knock, None] = {}
        self._ears: list[Ear] = []
        self._refused: set[str] = set()
        self._ports = itertools.count(_FIRST_PORT)
        self._paths = itertools.count(1)
        self._processes = itertools.count(1)

    def __repr__(self) -> str:
        return f"<Stack of {self.machine.name}>"

    # -- listening --

    async def listen(self, endpoint: Endpoint, options: Options) -> Acceptors[Acceptor]:
        """Listen on a place of this host; `OSError` where a kernel would raise it."""
        await trio.lowlevel.checkpoint()
        with attempting(f"cannot listen on {endpoint}"):
            self._check_kind(endpoint)
            place = self._place_to_listen(endpoint)
            self._check_free(place, options)
            ear = Ear(place, options, self._forget_ear)
            self._ears.append(ear)
        self.machine.note(f"{self.machine.name} listens on {place}")
        return Acceptors(f"{endpoint.scheme}://{place}", (ear,))

    def _place_to_listen(self, endpoint: Endpoint) -> Place:
        if isinstance(endpoint, IpcEndpoint):
            if endpoint.path is None:
                return Place(f"/tmp/trio_mq-{next(self._paths)}/socket")  # noqa: S108  # a name
            return Place(str(endpoint).removeprefix("ipc://"))
        assert isinstance(endpoint, TcpEndpoint)  # noqa: S101  # names of inproc never come here
        address = self._own_address(endpoint.host)
        return Place(address, endpoint.port or self._free_port(address))

    def _own_address(self, host: str) -> str:
        if host in ("*", _ANY):
            return _ANY
        if host in ("lo", "eth0"):
            return _LOOPBACK if host == "lo" else self.machine.address
        found, address = self._resolve(host)
        if found is not self:
            raise os_error(errno.EADDRNOTAVAIL)
        return address

    def _free_port(self, address: str) -> int:
        for port in self._ports:
            if port > _LAST_PORT:
                self._ports = itertools.count(_FIRST_PORT)
                return self._free_port(address)
            if not any(_collide(ear.place, Place(address, port)) for ear in self._ears):
                return port
        raise AssertionError("counting has no end")

    def _check_free(self, place: Place, options: Options) -> None:
        for ear in self._ears:
            shared = options.reuse_port and ear.options.reuse_port
            if _collide(ear.place, place) and not shared:
                raise os_error(errno.EADDRINUSE)

    def _forget_ear(self, ear: Ear) -> None:
        """Somebody has stopped listening."""
        self._ears.remove(ear)
        self.machine.note(f"{self.machine.name} listens no more on {ear.place}")

    def find_ear(self, place: Place) -> Ear | None:
        """Return who is there to answer; several share a port by chance."""
        found = [ear for ear in self._ears if _hears(ear.place, place) and not self._refuses(ear)]
        return (
            self.machine.world.chance.choice(found)
            if len(found) > 1
            else found[0]
            if found
            else None
        )

    # -- dialling --

    async def dial(self, endpoint: Endpoint, options: Options) -> End:
        """Make one attempt to connect; `OSError` where a kernel would raise it."""
        with attempting(f"cannot connect to {endpoint}", seconds=options.connect_timeout):
            self._check_kind(endpoint)
            if isinstance(endpoint, IpcEndpoint):
                return await self._dial_path(endpoint, options)
            assert isinstance(endpoint, TcpEndpoint)  # noqa: S101  # as above
            called, address = self._resolve(endpoint.host)
            assert endpoint.port is not None  # noqa: S101  # who connects has named one
            there = Place(address, endpoint.port)
            here = self._source(endpoint, loopback=called is self and address == _LOOPBACK)
            find = partial(called.find_ear, there)
            knock = Knock(self.machine, called.machine, here, there, options, find, self._wires)
            return await self._answer(knock)

    async def _dial_path(self, endpoint: IpcEndpoint, options: Options) -> End:
        place = Place(str(endpoint).removeprefix("ipc://"))
        if not any(ear.place == place for ear in self._ears):
            await trio.lowlevel.checkpoint()
            # An abstract name is no file that could be missing.
            raise os_error(errno.ECONNREFUSED if endpoint.abstract else errno.ENOENT)
        process = f"uid=1000 gid=1000 pid={next(self._processes)}"
        host, find = self.machine, partial(self.find_ear, place)
        return await self._answer(
            Knock(host, host, place, place, options, find, self._wires, shown_as=process)
        )

    async def _answer(self, knock: Knock) -> End:
        self._knocks[knock] = None
        try:
            return await knock.connect()
        finally:
            del self._knocks[knock]

    def _source(self, endpoint: TcpEndpoint, *, loopback: bool) -> Place:
        address, port = _LOOPBACK if loopback else self.machine.address, 0
        if endpoint.source is not None:
            host, port = endpoint.source
            address = address if host == "*" else self._own_address(host)
        return Place(address, port or self._free_port(address))

    def _resolve(self, host: str) -> tuple[Stack, str]:
        """Return whose address a name or an address is, and the address."""
        if host == "localhost":
            return self, _LOOPBACK
        if host.startswith("127.") or host in (_LOOPBACK_IPV6, *_WILDCARDS):
            return self, host
        for stack in self._stacks.values():
            if host in (stack.machine.name, stack.machine.address):
                return stack, stack.machine.address
        if host[:1].isdigit() or ":" in host:
            raise os_error(errno.ENETUNREACH)
        raise socket.gaierror(
            socket.EAI_NONAME,
            f"{host!r} is not a host of this network; there are {', '.join(self._stacks)}",
        )

    def _check_kind(self, endpoint: Endpoint) -> None:
        if isinstance(endpoint, TlsEndpoint):
            raise OSError(
                errno.EPROTONOSUPPORT, "a network in memory has no TLS; use tcp, with CURVE perhaps"
            )
        if self.machine.down:
            raise os_error(errno.ENETDOWN)

    # -- trouble --

    def refuse(self, endpoint: str) -> None:
        """Refuse connections to an endpoint, as bound or as any address with that port."""
        self._refused.add(endpoint)

    def admit(self, endpoint: str) -> None:
        """Stop refusing them."""
        self._refused.discard(endpoint)

    def _refuses(self, ear: Ear) -> bool:
        place = ear.place
        names = {f"ipc://{place}"} if place.port is None else set(_names(place))
        return bool(names & self._refused)

    def read_at(self, rate: float | None) -> None:
        """Let the programs here read ``rate`` bytes per second."""
        self.machine.reading_rate = rate
        for end in self._ends():
            end.wake_reader()

    def crash(self) -> None:
        """Forget every connection, without a word to anybody."""
        self.machine.down = True
        for ear in self._ears:
            ear.forget()
        for knock in tuple(self._knocks):
            knock.fail(errno.ENETDOWN)
        for end in tuple(self._ends()):
            end.fail(errno.ENETDOWN)
            end.wire.other(end).probe_later()

    def restart(self) -> None:
        """Be there again: who listened listens, and who asks for an old connection is reset."""
        self.machine.down = False
        for wire in tuple(self._wires):
            if any(end.machine is self.machine for end in wire.ends):
                wire.openings += 1
                for end in wire.ends:
                    if end.machine is not self.machine:
                        end.probe_restarted()

    def _ends(self) -> Iterator[End]:
        for wire in tuple(self._wires):
            yield from (end for end in wire.ends if end.machine is self.machine)


def _collide(one: Place, other: Place) -> bool:
    """Tell whether only one of them can be listened on."""
    return one.port == other.port and (
        one.address == other.address
        or (one.port is not None and not {one.address, other.address}.isdisjoint(_WILDCARDS))
    )


def _hears(ear: Place, place: Place) -> bool:
    """Tell whether who listens on the one is reached by the other."""
    if ear.port != place.port:
        return False
    return ear.address == place.address or (ear.port is not None and ear.address in _WILDCARDS)


def _names(place: Place) -> Iterator[str]:
    """Yield how a program may have written the endpoint that it listens on."""
    yield f"tcp://{place}"
    if place.address in _WILDCARDS:
        yield f"tcp://*:{place.port}"
