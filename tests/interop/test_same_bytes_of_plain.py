"""The handshake of PLAIN played to libzmq and to us, in either role: alike, or as a row says.

A stranger says one piece after the other, and hears the answer to each: libzmq takes nothing that
comes before its WELCOME. A message and a PING follow, as in `test_same_bytes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import attrs
import pytest
import trio

from tests.hostile.arena import PLACES, Place
from tests.hostile.wire import GREETING, command, greeting, message, prop, ready
from tests.interop.libzmq import Libzmq
from tests.interop.same_bytes import PLAIN_DIFFERENCES, Seen
from tests.interop.test_same_bytes import (
    ANSWER,
    LAST,
    PATIENCE,
    PROBE,
    Ours,
    Subject,
    Theirs,
    hear,
    judge,
    say,
    stranger,
)
from trio_mq import Pull, auth

TCP: Final = "tcp://127.0.0.1:*"
PUSH: Final = prop(b"Socket-Type", b"PUSH")
#: What is said, and what is to be heard before anything else is said.
Piece: TypeAlias = tuple[bytes, bytes]


def hello(data: bytes = b"\4good\6secret") -> bytes:
    """Return what a client begins with."""
    return command(b"HELLO", data)


def initiate(*properties: bytes) -> bytes:
    """Return how a client introduces itself."""
    return command(b"INITIATE", b"".join(properties or (PUSH,)))


def after_hello(*more: bytes, hello: bytes = hello()) -> list[Piece]:
    """Return what a client says that says this after its HELLO."""
    first, *rest = more or (initiate(),)
    return [(CLIENT + hello, b"WELCOME"), (first, b"READY"), *((said, b"") for said in rest)]


def after_greeting(*more: bytes, greeting: bytes = b"") -> list[Piece]:
    """Return what a server says that says this after its greeting."""
    return [
        (greeting or SERVER, b"HELLO"),
        (more[0], b"INITIATE"),
        *((said, b"") for said in more[1:]),
    ]


# -- what a client may say -------------------------------------------------------------------------

CLIENT: Final = greeting(mechanism=b"PLAIN")
BEGUN: Final = CLIENT + hello()
CLIENTS: Final[dict[str, list[Piece]]] = {
    "nothing odd": after_hello(),
    "says that it is the server": [
        (greeting(mechanism=b"PLAIN", as_server=b"\1") + hello(), b"WELCOME"),
        (initiate(), b"READY"),
    ],
    "B47 empty": [(CLIENT + hello(b""), b"WELCOME")],
    "B47 short": [(CLIENT + hello(b"\x0aabc"), b"WELCOME")],
    "B47 no password": [(CLIENT + hello(b"\1a"), b"WELCOME")],
    "B47 a short password": [(CLIENT + hello(b"\1a\2b"), b"WELCOME")],
    "B47 a byte more": [(CLIENT + hello(b"\1a\1b!"), b"WELCOME")],
    "B48 INITIATE first": [(CLIENT + initiate(), b"READY")],
    "B48 HELLO twice": after_hello(hello()),
    "B48 READY": [(CLIENT + ready(b"PUSH"), b"READY")],
    "B48 READY after HELLO": after_hello(ready(b"PUSH")),
    "B48 WELCOME": [(CLIENT + command(b"WELCOME"), b"READY")],
    "B48 an unknown command": [(CLIENT + command(b"FOO"), b"WELCOME")],
    "B30 a message first": [(CLIENT + message(b"hello"), b"WELCOME")],
    "B30 a message after HELLO": after_hello(message(b"hello")),
    "B50 empty texts": after_hello(hello=hello(b"\0\0")),
    "B50 any bytes": after_hello(hello=hello(b"\3\0\xff\n\2\0\xfe")),
    "B50 255 bytes": after_hello(hello=hello((b"\xff" + b"x" * 255) * 2)),
    "B15 NULL": [(GREETING, b"WELCOME")],
    "B15 CURVE": [(greeting(mechanism=b"CURVE"), b"WELCOME")],
    "B45 ERROR": [(CLIENT + command(b"ERROR", b"\003400"), b"WELCOME")],
    "B32 no Socket-Type": after_hello(initiate(prop(b"X-a", b"b"))),
    "B33 a type that does not suit": after_hello(initiate(prop(b"Socket-Type", b"SUB"))),
    "B35 Socket-Type twice": after_hello(initiate(PUSH, PUSH)),
    "B36 value one too long": after_hello(initiate(PUSH, b"\1a\0\0\0\2b")),
    "B43 HELLO again": after_hello(initiate(), hello()),
    "B43 INITIATE again": after_hello(initiate(), initiate()),
    "B43 ERROR": after_hello(initiate(), command(b"ERROR", b"\003400")),
}

# -- what a server may say -------------------------------------------------------------------------

SERVER: Final = greeting(mechanism=b"PLAIN", as_server=b"\1")
WELCOME: Final = command(b"WELCOME")
SERVERS: Final[dict[str, list[Piece]]] = {
    "nothing odd": after_greeting(WELCOME, ready(b"PUSH")),
    "does not say that it is the server": after_greeting(WELCOME, ready(b"PUSH"), greeting=CLIENT),
    "B49 WELCOME says something": after_greeting(command(b"WELCOME", b"!"), ready(b"PUSH")),
    "B49 WELCOME twice": after_greeting(WELCOME, WELCOME),
    "B49 READY first": after_greeting(ready(b"PUSH")),
    "B49 HELLO": after_greeting(hello()),
    "B49 a message": after_greeting(message(b"hello")),
    "B49 a message after WELCOME": after_greeting(WELCOME, message(b"hello")),
    "B49 ERROR": after_greeting(command(b"ERROR", b"\003400")),
    "B49 ERROR after WELCOME": after_greeting(WELCOME, command(b"ERROR", b"\003400")),
    "B49 ERROR of another length": after_greeting(command(b"ERROR", b"\x09400")),
    "B49 libzmq's own misspelling": after_greeting(bytes.fromhex("0409 5e52524f52 03343030")),
    "B32 no Socket-Type": after_greeting(WELCOME, command(b"READY", prop(b"X-a", b"b"))),
    "B35 Socket-Type twice": after_greeting(WELCOME, command(b"READY", PUSH + PUSH)),
}


@attrs.frozen
class Role:
    """What the subject is: its options on either side, and what may be said to it."""

    said: Mapping[str, list[Piece]]
    libzmq: Mapping[str, int | bytes]
    ours: Callable[[], Pull]


ROLES: Final = {
    "server": Role(
        said=CLIENTS,
        libzmq={"PLAIN_SERVER": 1},
        ours=lambda: Pull(linger=0, mechanism=auth.PlainServer(), authenticator=auth.ALLOW_ANY),
    ),
    "client": Role(
        said=SERVERS,
        libzmq={"PLAIN_USERNAME": b"good", "PLAIN_PASSWORD": b"secret"},
        ours=lambda: Pull(linger=0, mechanism=auth.PlainClient("good", "secret")),
    ),
}
CASES: Final = [(role, name) for role in ROLES for name in ROLES[role].said]


async def converse(stream: trio.SocketStream, heard: bytearray, pieces: list[Piece]) -> None:
    """Say one piece after the other."""
    for said, until in pieces:
        await say(stream, said)
        await hear(stream, heard, until)


async def play(subject: Subject, place: Place, pieces: list[Piece], good: list[Piece]) -> Seen:
    """Say the pieces, and return what could be seen of their consequences."""
    heard = bytearray()
    with trio.fail_after(PATIENCE):
        async with stranger(subject, place) as stream:
            await converse(stream, heard, pieces)
            await say(stream, PROBE)
            await hear(stream, heard, ANSWER)
        async with stranger(subject, "connecting") as stream:
            await converse(stream, bytearray(), good)
            await say(stream, message(*LAST))
            received = await subject.received()
    received.remove(LAST)
    return Seen(goes_on=ANSWER in heard, error=b"\5ERROR" in heard, received=tuple(received))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("role", "name"), CASES)
async def test_the_same_handshake_has_the_same_consequences(
    libzmq: Libzmq, role: str, name: str, place: Place
) -> None:
    """But for the rows of the table, which say what libzmq does."""
    subject = ROLES[role]
    pieces, good = subject.said[name], subject.said["nothing odd"]
    await libzmq.handle("200")
    socket = await libzmq.open("PULL", LINGER=0, **subject.libzmq)
    theirs = await play(Theirs(socket, await socket.bind(TCP)), place, pieces, good)
    async with subject.ours() as pull:
        ours = await play(Ours(pull, await pull.bind(TCP)), place, pieces, good)
    judge(f"{role}: {name}", theirs, ours, PLAIN_DIFFERENCES)


def test_every_row_of_the_table_is_about_a_case() -> None:
    """A row whose case has another name now would say nothing."""
    assert set(PLAIN_DIFFERENCES) <= {f"{role}: {name}" for role, name in CASES}
