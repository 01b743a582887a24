"""The hostile cases played to libzmq and to us: where the two differ, a row says so and why.

A stranger says the bytes of a case to a PULL, and after them a message and a PING. What can be seen
from outside is whether the connection went on, so that the PING is answered; whether an ERROR came;
and which messages the program got. Every difference between libzmq and us that is not in
`DIFFERENCES` fails, and so does a row of it that is none any more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final, Protocol, TypeAlias

import attrs
import pytest
import trio

from tests.hostile import test_framing, test_greeting, test_handshake, test_traffic
from tests.hostile.arena import PLACES, Place
from tests.hostile.wire import GREETING, command, frame, hello, message, ping, ready
from tests.interop.libzmq import Frames, Libzmq, LibzmqSocket
from tests.interop.same_bytes import DIFFERENCES, Difference, Seen
from trio_mq import Pull, auth
from trio_mq.zmtp import Connection, PeerReady, Pong, Role, SocketType
from trio_mq.zmtp.sealed import SealedTraffic

PATIENCE: Final = 20
LAST: Final = (b"the last message",)
PROBE: Final = message(b"after it") + ping(0, b"probe")
ANSWER: Final = command(b"PONG", b"probe")
PUSH: Final = hello(b"PUSH")


class Subject(Protocol):
    """A PULL: libzmq's or ours."""

    #: Where it listens.
    endpoint: str

    async def connect(self, endpoint: str) -> None:
        """Dial."""

    async def received(self) -> list[Frames]:
        """Return what has come, up to the last message, and what waits behind it."""


@attrs.define
class Theirs:
    """A PULL of libzmq."""

    socket: LibzmqSocket
    endpoint: str

    async def connect(self, endpoint: str) -> None:
        """Dial."""
        await self.socket.connect(endpoint)

    async def received(self) -> list[Frames]:
        """Return what has come."""
        messages = [await self.socket.receive()]
        while messages[-1] != LAST:
            messages.append(await self.socket.receive())
        return [*messages, *await self.socket.drain()]


@attrs.define
class Ours:
    """A Pull of ours."""

    socket: Pull
    endpoint: str

    async def connect(self, endpoint: str) -> None:
        """Dial."""
        await self.socket.connect(endpoint)

    async def received(self) -> list[Frames]:
        """Return what has come."""
        messages: list[Frames] = [await self.socket.receive()]
        while messages[-1] != LAST:
            messages.append(await self.socket.receive())
        with suppress(trio.WouldBlock):
            while True:
                messages.append(self.socket.receive_nowait())
        return messages


@asynccontextmanager
async def stranger(subject: Subject, place: Place) -> AsyncIterator[trio.SocketStream]:
    """Connect to the subject, or be connected to by it."""
    if place == "connecting":
        host, port = subject.endpoint.removeprefix("tcp://").split(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            yield stream
        return
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        await subject.connect(f"tcp://127.0.0.1:{port}")
        stream = await listener.accept()
    async with stream:
        yield stream


async def hear(stream: trio.SocketStream, heard: bytearray, until: bytes | None) -> None:
    """Read until the end, or until something was heard."""
    with suppress(trio.BrokenResourceError):
        while until is None or until not in heard:
            data = await stream.receive_some()
            if not data:
                return
            heard += data


async def say(stream: trio.SocketStream, said: bytes) -> None:
    """Say it; the other end may have hung up already, as it may."""
    with suppress(trio.BrokenResourceError):
        await stream.send_all(said)


async def say_last(stream: trio.SocketStream, case: Case) -> None:
    """Say the rest of a case."""
    await say(stream, (case.then or b"") + PROBE * (not case.ends))
    if case.ends:
        with suppress(trio.BrokenResourceError):
            await stream.send_eof()


async def play(subject: Subject, place: Place, case: Case) -> Seen:
    """Say the bytes of a case, and return what could be seen of its consequences."""
    heard = bytearray()
    with trio.fail_after(PATIENCE):
        async with stranger(subject, place) as stream:
            await say(stream, case.opening)
            if case.then is None:
                # Nobody can tell from outside whether it goes on, so it ends.
                with suppress(trio.BrokenResourceError):
                    await stream.send_eof()
                await hear(stream, heard, None)
            else:
                # libzmq takes a message that comes with our READY for one that came before it.
                await hear(stream, heard, b"\5READY")
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(say_last, stream, case)
                    await hear(stream, heard, ANSWER)
                    nursery.cancel_scope.cancel()
        host, port = subject.endpoint.removeprefix("tcp://").split(":")
        async with await trio.open_tcp_stream(host, int(port)) as good:
            await good.send_all(PUSH)
            await hear(good, bytearray(), b"\5READY")
            await good.send_all(message(*LAST))
            received = await subject.received()
    received.remove(LAST)
    return Seen(
        goes_on=ANSWER in heard,
        error=b"\5ERROR" in heard,
        received=tuple(received),
    )


@attrs.frozen
class Case:
    """What a stranger says."""

    name: str
    opening: bytes
    #: What it says when it has heard a READY; a message and a PING follow. ``None``: it ends.
    then: bytes | None = b""
    #: Ends it instead of the message and the PING: they would be in the middle of something.
    ends: bool = False


def cases() -> Mapping[str, Case]:
    """Return the hostile cases, by name."""
    found = [
        *(Case(bad.name, bad.said, None) for bad in test_greeting.BAD),
        *(Case(n, said + ready(b"PUSH")) for n, said in test_greeting.ODD_BUT_GOOD.items()),
        *(
            # libzmq waits for the bytes that the header of one promises.
            Case(
                f"handshake: {bad.name}",
                GREETING + bad.said,
                None if bad.name == "B40 one byte too long" else b"",
            )
            for bad in test_handshake.BAD
        ),
        *(
            Case(f"handshake: {name}", GREETING + command(b"READY", data))
            for name, data in test_handshake.GOOD.items()
        ),
        *(Case(f"afterwards: {bad.name}", PUSH, bad.said) for bad in test_handshake.AFTERWARDS),
        *(
            Case(
                f"frames: {bad.name}",
                PUSH,
                message(b"good") + bad.said,
                # libzmq waits for all of it.
                ends=bad.name == "command of 1 GiB",
            )
            for bad in test_framing.BAD
        ),
        Case("frames: B21 long form", PUSH, frame(2, b"abc") + frame(2, b"")),
        *(Case(f"traffic: {bad.name}", PUSH, bad.said) for bad in test_traffic.BAD),
        *(Case(f"traffic: {name}", PUSH, said) for name, said in test_traffic.HARMLESS.items()),
    ]
    return {case.name: case for case in found}


CASES: Final = cases()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", CASES)
async def test_the_same_bytes_have_the_same_consequences(
    libzmq: Libzmq, name: str, place: Place
) -> None:
    """But for the rows of the table, which say what libzmq does."""
    case = CASES[name]
    socket = await libzmq.open("PULL", LINGER=0)
    theirs = await play(Theirs(socket, await socket.bind("tcp://127.0.0.1:*")), place, case)
    async with Pull(linger=0) as pull:
        ours = await play(Ours(pull, await pull.bind("tcp://127.0.0.1:*")), place, case)
    judge(name, theirs, ours)


def judge(
    name: str, theirs: Seen, ours: Seen, differences: Mapping[str, Difference] = DIFFERENCES
) -> None:
    """Find the two alike, or different in the way that the table says."""
    difference = differences.get(name)
    if difference is None:
        assert ours == theirs
    else:
        assert (theirs, ours) == (difference.libzmq, difference.ours)


# -- under CURVE ---------------------------------------------------------------------------------

SERVER: Final = auth.CurveKeys.generate()
#: Returns what a client says once it has shaken hands.
Say: TypeAlias = Callable[[Connection], bytes]


def sealed(client: Connection, *frames: bytes) -> bytes:
    """Return a message of the client."""
    return b"".join(client.encode([frames]))


def flipped(client: Connection, place: int) -> bytes:
    """Return a message of which one bit was changed."""
    data = bytearray(sealed(client, b"hello"))
    data[place] ^= 1
    return bytes(data)


def with_outer(client: Connection, flags: int) -> bytes:
    """Return a message whose outer flags somebody has changed."""
    return bytes((flags,)) + sealed(client, b"hello")[1:]


def with_inner(client: Connection, flags: int, body: bytes) -> bytes:
    """Return a frame with other flags in its box than there are."""
    mechanism = client._mechanism
    assert isinstance(mechanism, SealedTraffic)
    count = mechanism.sent.next()
    box = mechanism.boxes.seal(bytes((flags,)) + body, mechanism.our_nonce + count, mechanism.key)
    return frame(0, b"\7MESSAGE" + count + box)


BOXES: Final[dict[str, Say]] = {
    "curve: nothing odd": lambda client: sealed(client, b"a", b"b"),
    "curve: B55 a number is missing": lambda client: (
        sealed(client, b"a")[:0] + sealed(client, b"b")
    ),
    "curve: B56 a bit of the box": lambda client: flipped(client, -1),
    "curve: B56 a bit of the name": lambda client: flipped(client, 9),
    "curve: B56 in the clear": lambda _: message(b"hello"),
    "curve: B56 32 bytes": lambda _: frame(0, b"\7MESSAGE" + bytes(24)),
    "curve: B57 outer MORE": lambda client: with_outer(client, 1),
    "curve: B57 outer COMMAND": lambda client: with_outer(client, 4),
    "curve: B58 inner flags fc": lambda client: with_inner(client, 0xFC, b"hello"),
    "curve: B58 inner command and more": lambda client: with_inner(client, 3, b"\3FOO"),
    "curve: B58 malformed command": lambda client: with_inner(client, 2, b"\5FOO"),
    "curve: an unknown command": lambda client: with_inner(client, 2, b"\3FOO"),
    "curve: SUBSCRIBE": lambda client: with_inner(client, 2, b"\x09SUBSCRIBEA"),
}


#: Each ends the connection. But a libzmq that is watched by a monitor may forget to, and then it
#: neither reads nor ends: its monitor has overwritten the error that it would have ended for.
ENDING: Final = (
    "curve: B56 a bit of the box",
    "curve: B56 a bit of the name",
    "curve: B56 in the clear",
    "curve: B56 32 bytes",
)


@pytest.mark.parametrize("name", BOXES)
async def test_the_same_boxes_have_the_same_consequences(libzmq: Libzmq, name: str) -> None:
    """But for the rows of the table."""
    secret, tcp = SERVER.secret.encode(), "tcp://127.0.0.1:*"
    socket = await libzmq.open("PULL", CURVE_SERVER=1, CURVE_SECRETKEY=secret, LINGER=0)
    subject = Theirs(socket, await socket.bind(tcp))
    theirs = await play_sealed(subject, BOXES[name], may_hang=name in ENDING)
    mechanism = auth.CurveServer(SERVER)
    async with Pull(linger=0, mechanism=mechanism, authenticator=auth.ALLOW_ANY) as pull:
        ours = await play_sealed(Ours(pull, await pull.bind(tcp)), BOXES[name])
    judge(name, theirs, ours)


async def play_sealed(subject: Subject, said: Say, *, may_hang: bool = False) -> Seen:
    """Be a client that says something odd, and return what could be seen of its consequences."""
    goes_on = False
    with trio.fail_after(PATIENCE):
        async with stranger(subject, "connecting") as stream:
            client = await client_of(stream)
            await say(stream, said(client) + sealed(client, b"after it"))
            await say(stream, client.ping(0, b"probe"))
            if not may_hang:
                goes_on = await answered(client, stream)
            async with stranger(subject, "connecting") as good:
                await say(good, sealed(await client_of(good), *LAST))
                received = await subject.received()
    received.remove(LAST)
    return Seen(goes_on=goes_on, error=False, received=tuple(received))


async def client_of(stream: trio.SocketStream) -> Connection:
    """Shake hands."""
    mechanism = auth.CurveClient(server=SERVER.public)
    client = Connection(SocketType.PUSH, Role.CONNECTING, mechanism=mechanism)
    while not client.established:
        await stream.send_all(client.data_to_send())
        client.receive_data(await stream.receive_some())
        if isinstance(client.next_event(), PeerReady):
            client.accept()
    return client


async def answered(client: Connection, stream: trio.SocketStream) -> bool:
    """Wait for the answer to the PING; False if the connection ends instead."""
    with suppress(trio.BrokenResourceError):
        while data := await stream.receive_some():
            client.receive_data(data)
            if client.next_event() == Pong(b"probe"):
                return True
    return False


def test_every_row_of_the_table_is_about_a_case() -> None:
    """A row whose case has another name now would say nothing."""
    assert set(DIFFERENCES) <= {*CASES, *BOXES}
