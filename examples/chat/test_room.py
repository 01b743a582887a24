"""The tests of the chat room: who joins, leaves, falls silent, is cut off, or is a stranger."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator

import attrs
import pytest
import trio
from room import attend, serve

from trio_mq.testing import Network, RawPeer, explore

ROOM = "tcp://server:5555"


@attrs.define
class Guest:
    """Somebody in the room, on a host of that name."""

    mouth: trio.MemorySendChannel[str]
    ears: trio.MemoryReceiveChannel[str]

    async def hears(self, text: str) -> None:
        """Wait until that is heard, whatever is heard before it."""
        async for heard in self.ears:
            if heard == text:
                return


@attrs.define
class Party:
    """A room, and whom it is for."""

    net: Network
    nursery: trio.Nursery

    def begin(self) -> None:
        """Start the server, on a host of its own."""
        server = self.net.host("server")
        self.nursery.start_soon(server.keep_running, serve, "tcp://*:5555")

    async def guest(self, name: str) -> Guest:
        """Let a guest come, and wait until they are in."""
        mouth, say = trio.open_memory_channel[str](math.inf)
        heard, ears = trio.open_memory_channel[str](math.inf)
        host = self.net.host(name)
        self.nursery.start_soon(host.keep_running, attend, ROOM, name, say, heard)
        guest = Guest(mouth, ears)
        await guest.hears(f"{name} joins")
        return guest


@pytest.fixture
async def party(mq_network: Network) -> AsyncIterator[Party]:
    """A party that has begun."""
    async with trio.open_nursery() as nursery:
        party = Party(mq_network, nursery)
        party.begin()
        yield party
        nursery.cancel_scope.cancel()


async def test_who_joins_is_announced_and_heard(party: Party) -> None:
    """Join."""
    ada, grace = await party.guest("ada"), await party.guest("grace")
    await ada.hears("grace joins")
    await grace.mouth.send("hello")
    await ada.hears("grace: hello")


async def test_who_leaves_is_seen_off(party: Party) -> None:
    """Leave."""
    ada, grace = await party.guest("ada"), await party.guest("grace")
    grace.mouth.close()
    await ada.hears("grace leaves")


async def test_who_falls_silent_has_left_after_three_seconds(party: Party) -> None:
    """Silence: the connection stands, and nothing comes over it."""
    ada, _ = await party.guest("ada"), await party.guest("grace")
    party.net.silence("grace", "server")
    with trio.fail_after(3):
        await ada.hears("grace leaves")


async def test_who_was_cut_off_comes_back(party: Party) -> None:
    """Cut and redial: ten minutes later."""
    ada, grace = await party.guest("ada"), await party.guest("grace")
    party.net.cut("grace", "server")
    await ada.hears("grace leaves")
    await trio.sleep(600)
    party.net.heal("grace", "server")
    await ada.hears("grace joins")
    await grace.mouth.send("here I am again")
    await ada.hears("grace: here I am again")


async def test_the_room_opens_again_after_a_crash(party: Party) -> None:
    """Crash and restart: the server knows nobody, and the guests join again."""
    ada = await party.guest("ada")
    party.net.host("server").crash()
    await trio.sleep(60)
    party.net.host("server").restart()
    await ada.hears("ada joins")


async def test_a_stranger_disturbs_nobody(party: Party) -> None:
    """Stranger: one speaks no ZMTP, and one says what nobody understands."""
    ada = await party.guest("ada")
    mallory = party.net.host("mallory")
    async with RawPeer(connect=ROOM, context=mallory) as raw:
        await raw.send(b"GET / HTTP/1.1\r\n\r\n")
        await raw.expect_end()
    async with RawPeer(connect=ROOM, context=mallory) as raw:
        await raw.greet("DEALER")
        await raw.send_message(b"sing")
        await raw.expect_end()
    await ada.mouth.send("is anybody here?")
    await ada.hears("ada: is anybody here?")


async def everybody_is_there_in_the_end(net: Network) -> None:
    """Whatever happens in the first minute, a minute later all hear each other."""
    async with trio.open_nursery() as nursery:
        party = Party(net, nursery)
        party.begin()
        ada, grace = await party.guest("ada"), await party.guest("grace")
        await trio.sleep(120)
        await grace.mouth.send("good night")
        with trio.fail_after(1):
            await ada.hears("grace: good night")
        nursery.cancel_scope.cancel()


def test_whatever_happens_everybody_is_there_in_the_end() -> None:
    """A search through seeds, each with faults and an order of tasks of its own."""
    explore(everybody_is_there_in_the_end, seeds=range(10))
