"""libzmq in our place: the same script, once with us and once with another libzmq, seen alike.

A script is a function that calls two sockets. It runs twice: with a socket of ours and one of
libzmq, and with two of libzmq in two processes. Whatever was received must be the same both times,
so no expectation is written down here: libzmq is the expectation.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import attrs
import pytest
import trio

import trio_mq
from tests.interop.conftest import Programs
from tests.interop.libzmq import Frames, Libzmq, LibzmqSocket
from tests.interop.pairs import OUR_NAME, PAIRS, THEIR_NAME, Pair, sent

TCP: Final = "tcp://127.0.0.1:*"
_NAMED: Final = {"REQ", "DEALER", "ROUTER"}
_READY: Final = b"ready"


@attrs.define(eq=False)
class Ours:
    """A socket of ours with the calls of a `LibzmqSocket`."""

    socket: trio_mq.Socket

    async def connect(self, endpoint: str) -> None:
        """Dial."""
        await self.socket.connect(endpoint)

    async def meet_peer(self) -> None:
        """Wait for the handshake."""
        await self.socket.wait_for_peers()

    async def send(self, *frames: bytes) -> None:
        """Send one message."""
        assert isinstance(self.socket, trio.abc.SendChannel)
        await self.socket.send(frames)

    async def receive(self) -> Frames:
        """Receive one message."""
        assert isinstance(self.socket, trio.abc.ReceiveChannel)
        return tuple(await self.socket.receive())

    async def set(self, **options: bytes | int) -> None:
        """Change subscriptions, as libzmq names them."""
        assert isinstance(self.socket, trio_mq.Sub)
        for name, topic in options.items():
            assert isinstance(topic, bytes)
            change = self.socket.subscribe if name == "SUBSCRIBE" else self.socket.unsubscribe
            change(topic)


Subject: TypeAlias = Ours | LibzmqSocket
Script: TypeAlias = Callable[[Subject, LibzmqSocket], Awaitable[list[Frames]]]


async def with_us(kind: str, script: Script, theirs: LibzmqSocket) -> list[Frames]:
    """Run a script with a socket of ours."""
    name: dict[str, object] = {"routing_id": OUR_NAME} if kind in _NAMED else {}
    seen: list[Frames] = []
    async with trio_mq.open_socket(kind, **name) as socket:
        seen += await _joined(Ours(socket), script, theirs)
    return seen


async def with_libzmq(
    kind: str, script: Script, theirs: LibzmqSocket, program: Libzmq
) -> list[Frames]:
    """Run a script with a socket of another libzmq in our place."""
    name: dict[str, bytes | int] = {"ROUTING_ID": OUR_NAME} if kind in _NAMED else {}
    return await _joined(await program.open(kind, **name), script, theirs)


async def _joined(ours: Subject, script: Script, theirs: LibzmqSocket) -> list[Frames]:
    await ours.connect(await theirs.bind(TCP))
    await theirs.meet_peer()
    await ours.meet_peer()
    return await script(ours, theirs)


async def assert_alike(
    pair: Pair, script: Script, libzmq: Libzmq, programs: Programs
) -> list[Frames]:
    """Run a script both ways, and return what was seen each time."""
    name: dict[str, bytes | int] = {"ROUTING_ID": THEIR_NAME} if pair.theirs in _NAMED else {}
    other = await programs.start()
    seen = await with_us(pair.ours, script, await libzmq.open(pair.theirs, **name))
    expected = await with_libzmq(pair.ours, script, await libzmq.open(pair.theirs, **name), other)
    assert seen == expected
    return seen


def random_body(draw: random.Random) -> Frames:
    """Return a message of a few frames, of lengths around which their form changes."""
    sizes = [draw.choice([0, 1, 200, 255, 256]) for _ in range(draw.randint(1, 4))]
    return tuple(draw.randbytes(size) for size in sizes)


# Publishers and subscribers take turns by their subscriptions, below.
CONVERSING: Final = [pair for pair in PAIRS if not {"PUB", "XPUB"} & {pair.ours, pair.theirs}]


@pytest.mark.parametrize("pair", CONVERSING, ids=str)
async def test_random_messages_look_the_same_as_between_two_libzmqs(
    libzmq: Libzmq, programs: Programs, pair: Pair
) -> None:
    """Envelopes, delimiters and names included."""

    async def script(ours: Subject, theirs: LibzmqSocket) -> list[Frames]:
        draw = random.Random(7)
        seen = []
        for _ in range(20):
            for we_send in _turns(pair):
                body = random_body(draw)
                if we_send:
                    await ours.send(*sent(pair.ours, pair.theirs, THEIR_NAME, body))
                    seen.append(await theirs.receive())
                else:
                    await theirs.send(*sent(pair.theirs, pair.ours, OUR_NAME, body))
                    seen.append(await ours.receive())
        return seen

    assert await assert_alike(pair, script, libzmq, programs)


def _turns(pair: Pair) -> list[bool]:
    """Return who sends, we or they, in an order that suits both."""
    turns = [True] * pair.we_tell + [False] * pair.we_hear
    return turns[::-1] if pair.ours == "REP" or pair.theirs == "REQ" else turns


#: Each is subscribed to or cancelled in turn; what is published then shows the effect.
CHANGES: Final = [
    ("SUBSCRIBE", b"a"),
    ("SUBSCRIBE", b"ab"),
    ("UNSUBSCRIBE", b"a"),
    ("SUBSCRIBE", b"b"),
    ("SUBSCRIBE", b"b"),
    ("UNSUBSCRIBE", b"b"),
    ("SUBSCRIBE", b"\x00\xff"),
    ("UNSUBSCRIBE", b"b"),
    ("SUBSCRIBE", b"x" * 300),
    ("SUBSCRIBE", b""),
    ("UNSUBSCRIBE", b""),
]
PUBLISHED: Final = [b"", b"a", b"ab", b"abc", b"b", b"ba", b"c", b"\x00\xff\x00", b"x" * 301]


async def test_subscriptions_have_the_same_effect_as_those_of_libzmq(
    libzmq: Libzmq, programs: Programs
) -> None:
    """After each change, the same news reaches the XPUB and the same messages the SUB."""

    async def script(ours: Subject, theirs: LibzmqSocket) -> list[Frames]:
        seen: list[Frames] = []
        await ours.set(SUBSCRIBE=_READY)
        for step, (change, topic) in enumerate(CHANGES):
            await ours.set(**{change: topic})
            # News of this topic tells that all before it has arrived, and is the end of a step.
            await ours.set(SUBSCRIBE=_READY + b"%d" % step)
            seen += await _until(theirs, b"\x01" + _READY + b"%d" % step)
            await theirs.send_many([(first, b"body") for first in PUBLISHED])
            await theirs.send(_READY)
            seen += await _until(ours, _READY)
        return seen

    assert await assert_alike(Pair("SUB", "XPUB"), script, libzmq, programs)


async def _until(socket: Subject, last: bytes) -> list[Frames]:
    """Receive up to a message, and return all of them."""
    seen: list[Frames] = []
    while not seen or seen[-1] != (last,):
        seen.append(await socket.receive())
    return seen


async def test_an_xpub_tells_the_same_news_as_one_of_libzmq(
    libzmq: Libzmq, programs: Programs
) -> None:
    """Of the first subscription to a topic and the last cancellation."""

    async def script(ours: Subject, theirs: LibzmqSocket) -> list[Frames]:
        seen: list[Frames] = []
        for step, (change, topic) in enumerate(CHANGES):
            await theirs.set(**{change: topic})
            await theirs.set(SUBSCRIBE=_READY + b"%d" % step)
            seen += await _until(ours, b"\x01" + _READY + b"%d" % step)
            for first in PUBLISHED:
                await ours.send(first, b"body")
            await ours.send(_READY + b"%d" % step)
            seen += await _until(theirs, _READY + b"%d" % step)
        return seen

    assert await assert_alike(Pair("XPUB", "SUB"), script, libzmq, programs)


MALFORMED: Final[list[Frames]] = [(b"",), (b"no delimiter",), (b"", b""), (b"x", b"", b"", b"y")]


@pytest.mark.parametrize("ours", ["REP", "ROUTER"])
async def test_requests_of_every_form_are_read_as_libzmq_reads_them(
    libzmq: Libzmq, programs: Programs, ours: str
) -> None:
    """A DEALER may send anything, and what is no request at all is passed over alike."""

    async def script(server: Subject, dealer: LibzmqSocket) -> list[Frames]:
        await dealer.send_many(MALFORMED)
        await dealer.send(b"", b"last")
        seen: list[Frames] = []
        while not seen or seen[-2][-1] != b"last":
            request = await server.receive()
            await server.send(*request)
            seen += [request, await dealer.receive()]
        return seen

    assert await assert_alike(Pair(ours, "DEALER"), script, libzmq, programs)
