"""PLAIN and CURVE among bad peers: what is wrong ends its own connection, and only that."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TypeAlias

import attrs
import pytest
import trio

from tests.hostile.arena import PATIENCE, PLACES, BadPeer, Outcome, Place, arena, play
from tests.hostile.good_peers import unread
from tests.hostile.secured import (
    CURVE_CLIENT,
    CURVE_SERVER,
    PLAIN_CLIENT,
    PLAIN_SERVER,
    counterpart,
)
from tests.hostile.wire import GREETING, SIGNATURE, command, greeting, message, prop, ready
from trio_mq import HandshakeFailed, Pull, Push, auth
from trio_mq.zmtp import (
    Connection,
    CredentialsReceived,
    MechanismFactory,
    PeerReady,
    RemoteProtocolError,
    Role,
    SocketType,
)

PLAIN = greeting(mechanism=b"PLAIN")
CURVE = greeting(mechanism=b"CURVE")
#: Changes what a bad peer says; called with each piece.
Change: TypeAlias = Callable[[bytes], bytes]


def ours(mechanism: MechanismFactory, authenticator: auth.Authenticator = auth.ALLOW_ANY) -> Pull:
    """Return a socket of ours that a server or client of this mechanism is."""
    return Pull(
        linger=0,
        mechanism=mechanism,
        authenticator=authenticator if mechanism.as_server else None,
    )


# -- bytes that need no answer ---------------------------------------------------------------------


@attrs.frozen
class Bad:
    """Bytes of a bad peer, and how they end."""

    name: str
    mechanism: MechanismFactory
    said: bytes
    reason: str


SERVERS: list[tuple[str, MechanismFactory]] = [("PLAIN", PLAIN_SERVER), ("CURVE", CURVE_SERVER)]
OLD = SIGNATURE + b"\1\5\0\2z2\0\3abc"
OLDEST = b"\1\0\4\0abc"
HELLO = command(b"HELLO", b"\4good\6secret")

BAD = [
    *(
        Bad(f"B14 {kind} {name}", mechanism, said, reason)
        for kind, mechanism in SERVERS
        for name, said, reason in [("2.0", OLD, "version"), ("1.0", OLDEST, "not-zmtp")]
    ),
    *(
        Bad(
            f"B15 NULL at {kind}",
            mechanism,
            GREETING + ready(b"PUSH") + message(b"hello"),
            "mechanism",
        )
        for kind, mechanism in SERVERS
    ),
    Bad("B15 PLAIN at CURVE", CURVE_SERVER, PLAIN + HELLO, "mechanism"),
    Bad("B30 PLAIN message", PLAIN_SERVER, PLAIN + message(b"hello"), "unexpected-message"),
    Bad("B30 CURVE message", CURVE_SERVER, CURVE + message(b"hello"), "unexpected-message"),
    Bad("B47 empty", PLAIN_SERVER, PLAIN + command(b"HELLO"), "malformed-command"),
    Bad("B47 short", PLAIN_SERVER, PLAIN + command(b"HELLO", b"\x0aabc"), "malformed-command"),
    Bad("B47 no password", PLAIN_SERVER, PLAIN + command(b"HELLO", b"\1a"), "malformed-command"),
    Bad(
        "B47 a byte more",
        PLAIN_SERVER,
        PLAIN + command(b"HELLO", b"\1a\1b!"),
        "malformed-command",
    ),
    Bad("B48 INITIATE", PLAIN_SERVER, PLAIN + command(b"INITIATE"), "unexpected-command"),
    Bad("B48 HELLO twice", PLAIN_SERVER, PLAIN + HELLO + HELLO, "unexpected-command"),
    Bad("B48 WELCOME", PLAIN_SERVER, PLAIN + command(b"WELCOME"), "unexpected-command"),
    Bad("B49 WELCOME+1", PLAIN_CLIENT, PLAIN + command(b"WELCOME", b"!"), "malformed-command"),
    Bad("B49 READY", PLAIN_CLIENT, PLAIN + ready(b"PUSH"), "unexpected-command"),
    Bad(
        "B49 ^RROR",
        PLAIN_CLIENT,
        PLAIN + bytes.fromhex("0409 5e52524f52 03343030"),
        "authentication",
    ),
    Bad("B49 ERROR", PLAIN_CLIENT, PLAIN + command(b"ERROR", b"\003400"), "authentication"),
    Bad("B53 ERROR", CURVE_CLIENT, CURVE + command(b"ERROR", b"\003400"), "authentication"),
    Bad("B51 199", CURVE_SERVER, CURVE + command(b"HELLO", bytes(193)), "malformed-command"),
    Bad("B51 201", CURVE_SERVER, CURVE + command(b"HELLO", bytes(195)), "malformed-command"),
    Bad(
        "B51 junk",
        CURVE_SERVER,
        CURVE + command(b"HELLO", b"\1\0" + bytes(72) + b"j" * 32 + b"\0" * 7 + b"\1" + bytes(80)),
        "cryptographic",
    ),
    Bad(
        "B51 nobody's key",
        CURVE_SERVER,
        CURVE + command(b"HELLO", b"\1\0" + bytes(72 + 32) + b"\0" * 7 + b"\1" + bytes(80)),
        "cryptographic",
    ),
    Bad(
        "B52 INITIATE", CURVE_SERVER, CURVE + command(b"INITIATE", bytes(300)), "unexpected-command"
    ),
    Bad("B53 167", CURVE_CLIENT, CURVE + command(b"WELCOME", bytes(159)), "malformed-command"),
    Bad("B53 169", CURVE_CLIENT, CURVE + command(b"WELCOME", bytes(161)), "malformed-command"),
    Bad("B53 junk", CURVE_CLIENT, CURVE + command(b"WELCOME", bytes(160)), "cryptographic"),
    Bad("B54 READY", CURVE_CLIENT, CURVE + command(b"READY", bytes(30)), "unexpected-command"),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
async def test_a_wrong_handshake_ends(case: Bad, place: Place) -> None:
    """Without an ERROR, and before anything is delivered."""
    outcome = await play(ours(case.mechanism), place, case.said)
    assert isinstance(outcome.end, HandshakeFailed)
    assert (outcome.reason, outcome.delivered) == (case.reason, [])
    assert b"ERROR" not in outcome.said


# -- a peer that knows the keys, and changes a byte ------------------------------------------------


async def misbehave(bad: BadPeer, connection: Connection, change: Change, after: Change) -> None:
    """Shake hands as a bad peer that changes what it says, and its messages after that."""
    while not connection.established:
        data = change(connection.data_to_send())
        await bad.say(data)
        try:
            heard = await bad.stream.receive_some()
        except trio.BrokenResourceError:
            return
        if not heard:
            return
        connection.receive_data(heard)
        while (event := connection.next_event()) is not None:
            if isinstance(event, CredentialsReceived):
                connection.authenticated()
            elif isinstance(event, PeerReady):
                connection.accept()
    await bad.say(change(connection.data_to_send()))
    good = connection.encode([(b"first",), (b"second",)])
    await bad.say(after(b"".join(good)))


async def corrupt(
    mechanism: MechanismFactory, place: Place, change: Change, after: Change
) -> Outcome:
    """Play a bad peer that is as good as one of ours but for what is changed."""
    async with arena(ours(mechanism), place) as stage:
        async with stage.bad_peer() as bad:
            theirs, _ = counterpart(mechanism)
            assert theirs is not None
            role = Role.CONNECTING if place == "connecting" else Role.ACCEPTING
            connection = Connection(SocketType.PUSH, role, mechanism=theirs)
            await misbehave(bad, connection, change, after)
            said = await bad.hear_all()
        end = await stage.end()
        return Outcome(end, said, list(unread(stage.ours)))


def as_it_is(data: bytes) -> bytes:
    """Change nothing."""
    return data


def flip(name: bytes, at: int) -> Change:
    """Change one bit of the data of that command."""

    def change(data: bytes) -> bytes:
        start = data.find(bytes((len(name),)) + name)
        if start < 0:
            return data
        place = start + 1 + len(name) + at
        return data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :]

    return change


#: Whether we are the server, the command, the byte, and how it ends.
CORRUPTED = [
    (CURVE_SERVER, b"HELLO", 0, "malformed-command"),
    (CURVE_SERVER, b"HELLO", 73, "malformed-command"),
    (CURVE_SERVER, b"HELLO", 74, "cryptographic"),
    (CURVE_SERVER, b"HELLO", 193, "cryptographic"),
    (CURVE_SERVER, b"INITIATE", 0, "cryptographic"),
    (CURVE_SERVER, b"INITIATE", 95, "cryptographic"),
    (CURVE_SERVER, b"INITIATE", 103, "sequence"),
    (CURVE_SERVER, b"INITIATE", 104, "cryptographic"),
    (CURVE_SERVER, b"INITIATE", 260, "cryptographic"),
    (CURVE_CLIENT, b"WELCOME", 0, "cryptographic"),
    (CURVE_CLIENT, b"WELCOME", 159, "cryptographic"),
    (CURVE_CLIENT, b"READY", 7, "cryptographic"),
    (CURVE_CLIENT, b"READY", 30, "cryptographic"),
]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("mechanism", "name", "at", "reason"), CORRUPTED)
async def test_a_changed_byte_in_the_handshake_of_curve_ends_it(
    mechanism: MechanismFactory, name: bytes, at: int, reason: str, place: Place
) -> None:
    """B51 to B54, over real sockets: nobody on the way can change anything."""
    outcome = await corrupt(mechanism, place, flip(name, at), as_it_is)
    assert isinstance(outcome.end, HandshakeFailed)
    assert (outcome.reason, outcome.delivered) == (reason, [])
    assert b"ERROR" not in outcome.said


MESSAGE_SIZE = 2 + 33 + len(b"first")
TRAFFIC: dict[str, tuple[Change, str, list[tuple[bytes, ...]]]] = {
    "B55 doubled": (lambda said: said[:MESSAGE_SIZE] * 2, "sequence", [(b"first",)]),
    "B55 dropped": (lambda said: said[MESSAGE_SIZE:], "sequence", []),
    "B55 swapped": (lambda said: said[MESSAGE_SIZE:] + said[:MESSAGE_SIZE], "sequence", []),
    "B56 flipped": (flip(b"MESSAGE", 20), "cryptographic", []),
    "B56 another name": (
        lambda said: said.replace(b"MESSAGE", b"MESSAGF"),
        "malformed-command",
        [],
    ),
    "B56 clear": (
        lambda said: said[:MESSAGE_SIZE] + b"\0\5hello",
        "malformed-command",
        [(b"first",)],
    ),
    "B56 clear ERROR": (
        lambda said: command(b"ERROR", b"\003400") + said,
        "malformed-command",
        [],
    ),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("mechanism", [CURVE_SERVER, CURVE_CLIENT], ids=["server", "client"])
@pytest.mark.parametrize(("after", "reason", "delivered"), TRAFFIC.values(), ids=TRAFFIC)
async def test_what_is_changed_in_the_traffic_of_curve_ends_it(
    after: Change,
    reason: str,
    delivered: list[tuple[bytes, ...]],
    mechanism: MechanismFactory,
    place: Place,
) -> None:
    """What came before is delivered, and no ERROR goes out."""
    outcome = await corrupt(mechanism, place, as_it_is, after)
    assert outcome.reason == reason
    assert outcome.delivered == delivered
    assert b"ERROR" not in outcome.said


@pytest.mark.parametrize("outer", [1, 4, 5])
async def test_b57_flags_outside_the_seal_change_nothing(outer: int) -> None:
    """Delivered once, not glued to the next one, and not dropped."""
    async with arena(ours(CURVE_SERVER), "connecting") as stage:
        async with stage.bad_peer() as bad:
            connection = Connection(SocketType.PUSH, Role.CONNECTING, mechanism=CURVE_CLIENT)
            await misbehave(bad, connection, as_it_is, lambda said: bytes((outer,)) + said[1:])
            await bad.end()
            await bad.hear_all()
        end = await stage.end()
        assert end.reason == "eof"
        assert list(unread(stage.ours)) == [(b"first",), (b"second",)]


# -- metadata, and peers that are none yet ---------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("size", "reason"), [(9 * 1024, "invalid-metadata"), (17 * 1024, "frame-too-large")]
)
async def test_b52_too_much_metadata_ends_it_before_anybody_is_asked(
    size: int, reason: str, place: Place
) -> None:
    """Sealed by somebody who knows our key: the limits are those of clear metadata."""
    asked: list[auth.Request] = []

    async def ask(request: auth.Request) -> auth.Granted:
        asked.append(request)
        return auth.Granted()

    async with arena(ours(CURVE_SERVER, ask), place) as stage:
        seen_before = len(asked)
        async with stage.bad_peer() as bad:
            role = Role.CONNECTING if place == "connecting" else Role.ACCEPTING
            metadata = {f"X-{number}": bytes(1024) for number in range(size // 1024)}
            connection = Connection(
                SocketType.PUSH, role, mechanism=CURVE_CLIENT, metadata=metadata
            )
            with contextlib.suppress(RemoteProtocolError):  # it may be told so
                await misbehave(bad, connection, as_it_is, as_it_is)
            await bad.hear_all()
        assert len(asked) == seen_before
        assert (await stage.end()).reason == reason


@pytest.mark.parametrize(
    "mechanism", [None, PLAIN_SERVER, CURVE_SERVER], ids=["NULL", "PLAIN", "CURVE"]
)
async def test_b75_who_is_no_peer_gets_no_message(mechanism: MechanismFactory | None) -> None:
    """Strangers that say nothing, or only half, take no share of what is handed out."""
    theirs, _ = counterpart(mechanism)
    authenticator = auth.ALLOW_ANY if mechanism is not None else None
    async with (
        Push(linger=0, mechanism=mechanism, authenticator=authenticator) as push,
        Pull(mechanism=theirs) as pull,
    ):
        endpoint = await push.bind("tcp://127.0.0.1:*")
        port = int(endpoint.rpartition(":")[2])
        name = b"NULL" if mechanism is None else mechanism.name.encode()
        async with contextlib.AsyncExitStack() as strangers:
            for said in (b"", SIGNATURE, greeting(mechanism=name)) * 3:
                stranger = await trio.open_tcp_stream("127.0.0.1", port)
                await strangers.enter_async_context(stranger)
                await stranger.send_all(said)
            await pull.connect(endpoint, wait=True)
            await push.wait_for_peers()
            for number in range(100):
                await push.send(b"%d" % number)
            with trio.fail_after(PATIENCE):
                received = [int(bytes(await pull.receive())) for _ in range(100)]
        assert received == list(range(100))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (OLD, "version"),
        (OLDEST, "not-zmtp"),
        (PLAIN + HELLO, "mechanism"),
        (CURVE, "mechanism"),
    ],
)
async def test_b14_no_old_version_passes_by_the_authenticator_of_null(
    said: bytes, reason: str, place: Place
) -> None:
    """The program sees nothing, and nobody is asked about who can't be asked about."""
    asked = []

    async def note(request: auth.Request) -> auth.Granted:
        asked.append(request.mechanism)
        return auth.Granted()

    outcome = await play(Pull(linger=0, authenticator=note), place, said)
    assert (outcome.reason, outcome.delivered) == (reason, [])
    # The good peers that `play` brings along are asked about.
    assert set(asked) <= {"NULL"}
    assert len(asked) <= 2


@pytest.mark.parametrize("place", PLACES)
async def test_b15_who_is_refused_under_null_delivers_nothing(place: Place) -> None:
    """Whatever comes in the same segment; we ask about those who come to us."""
    bad = b"bad"

    async def refuse_bad(request: auth.Request) -> auth.Granted | auth.Refused:
        return auth.Refused() if request.metadata.get("X-who") == bad else auth.Granted()

    said = GREETING + ready(b"PUSH", prop(b"X-who", bad)) + message(b"hello")
    if place == "connecting":
        outcome = await play(Pull(linger=0, authenticator=refuse_bad), place, said)
        assert (outcome.reason, outcome.delivered) == ("authentication", [])
        assert outcome.said.endswith(command(b"ERROR", b"\x03400"))
    else:
        ours = Pull(linger=0, authenticator=refuse_bad)
        outcome = await play(ours, place, said, leave=True)
        assert (outcome.reason, outcome.delivered) == ("eof", [(b"hello",)])
