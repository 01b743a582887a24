"""PLAIN, CURVE and authentication with libzmq at the other end, in either role."""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeAlias

import attrs
import pytest

import trio_mq
from tests.interop.accounts import assert_accounted_for
from tests.interop.libzmq import Frames, Libzmq, LibzmqSocket
from tests.interop.libzmq_worker import pattern
from tests.interop.pairs import (
    PAIRS,
    Conversation,
    Link,
    Pair,
    join,
    open_ours,
    open_theirs,
)
from tests.interop.relay import relaying
from trio_mq import auth
from trio_mq.zmtp import MechanismFactory

LibzmqOptions: TypeAlias = dict[str, bytes | int]

OUR_KEYS: Final = auth.CurveKeys.generate()
THEIR_KEYS: Final = auth.CurveKeys.generate()
OTHER_KEYS: Final = auth.CurveKeys.generate()
TCP: Final = "tcp://127.0.0.1:*"
#: Two bodies that need both lengths of a sealed frame, and one with commands between its frames.
BODIES: Final[list[Frames]] = [
    (b"x",),
    (b"", b"between", b""),
    (pattern(222), pattern(223), pattern(100_000)),
]


def curve_client_of_theirs(server: str = OUR_KEYS.public) -> LibzmqOptions:
    """Return the options with which libzmq is a client of CURVE."""
    return {
        "CURVE_SERVERKEY": server.encode(),
        "CURVE_PUBLICKEY": THEIR_KEYS.public.encode(),
        "CURVE_SECRETKEY": THEIR_KEYS.secret.encode(),
    }


def plain_client_of_theirs(password: bytes = b"secret") -> LibzmqOptions:
    """Return the options with which libzmq is a client of PLAIN."""
    return {"PLAIN_USERNAME": b"libzmq", "PLAIN_PASSWORD": password}


CURVE_SERVER_OF_THEIRS: Final[LibzmqOptions] = {
    "CURVE_SERVER": 1,
    "CURVE_PUBLICKEY": THEIR_KEYS.public.encode(),
    "CURVE_SECRETKEY": THEIR_KEYS.secret.encode(),
}
PLAIN_SERVER_OF_THEIRS: Final[LibzmqOptions] = {"PLAIN_SERVER": 1}


@attrs.frozen
class Roles:
    """A mechanism, and who of us is its server."""

    mechanism: str
    ours: MechanismFactory
    authenticator: auth.Authenticator | None
    theirs: LibzmqOptions

    @property
    def we_serve(self) -> bool:
        """We are the server."""
        return self.ours.as_server

    def __str__(self) -> str:
        return f"{self.mechanism}-{'server' if self.we_serve else 'client'}"


PLAIN_SERVER: Final = Roles(
    "PLAIN",
    auth.PlainServer(),
    auth.Passwords({"libzmq": "secret"}),
    plain_client_of_theirs(),
)
PLAIN_CLIENT: Final = Roles(
    "PLAIN", auth.PlainClient("trio_mq", "secret"), None, PLAIN_SERVER_OF_THEIRS
)
CURVE_SERVER: Final = Roles(
    "CURVE",
    auth.CurveServer(OUR_KEYS),
    auth.Keys({"libzmq": THEIR_KEYS.public}),
    curve_client_of_theirs(),
)
CURVE_CLIENT: Final = Roles(
    "CURVE",
    auth.CurveClient(OUR_KEYS, server=THEIR_KEYS.public),
    None,
    CURVE_SERVER_OF_THEIRS,
)
EVERY_ROLE: Final = [PLAIN_SERVER, PLAIN_CLIENT, CURVE_SERVER, CURVE_CLIENT]

each_link = pytest.mark.parametrize("link", Link, ids=lambda link: link.value)
every_role = pytest.mark.parametrize("roles", EVERY_ROLE, ids=str)


async def let_in(libzmq: Libzmq, roles: Roles, kind: str = "DEALER") -> None:
    """See to it that a server of libzmq lets us in: without a handler its PLAIN lets nobody.

    A REQ of libzmq takes the user's name for the begin of the first reply, and never gets one.
    """
    if not roles.we_serve:
        await libzmq.handle("200", "" if kind == "REQ" else "trio_mq")


@pytest.mark.parametrize("pair", PAIRS, ids=str)
@each_link
@every_role
async def test_every_pair_of_types_talks(
    libzmq: Libzmq, place: str, pair: Pair, link: Link, roles: Roles
) -> None:
    """Requests, subscriptions and multipart messages, over tcp and ipc."""
    await let_in(libzmq, roles, pair.theirs)
    theirs = await open_theirs(pair, libzmq, **roles.theirs)
    async with open_ours(pair, mechanism=roles.ours, authenticator=roles.authenticator) as ours:
        await join(ours, theirs, link, place)
        conversation = Conversation(pair, ours, theirs)
        await conversation.begin()
        for body in BODIES:
            await conversation.exchange(body)
        (peer,) = ours.peers
        assert peer.mechanism == roles.mechanism
        assert peer.user_id == ("libzmq" if roles.we_serve else None)
        assert_accounted_for(ours)


@each_link
@every_role
async def test_heartbeats_pass_both_ways(libzmq: Libzmq, link: Link, roles: Roles) -> None:
    """Inside the seal where there is one: neither end takes the other for dead."""
    await let_in(libzmq, roles)
    theirs = await libzmq.open(
        "DEALER", HEARTBEAT_IVL=20, HEARTBEAT_TIMEOUT=5000, HEARTBEAT_TTL=5000, **roles.theirs
    )
    async with trio_mq.Dealer(
        mechanism=roles.ours,
        authenticator=roles.authenticator,
        heartbeat_interval=0.02,
        heartbeat_timeout=5,
        heartbeat_ttl=5,
    ) as ours:
        binder = ours if link is Link.WE_BIND else theirs
        async with relaying(await binder.bind(TCP)) as relay:
            await (theirs if link is Link.WE_BIND else ours).connect(relay.endpoint)
            await ours.wait_for_peers()
            (peer,) = ours.peers
            # Under CURVE a PING is a MESSAGE like all others, and nothing else is said.
            sign = b"\7MESSAGE" if roles.mechanism == "CURVE" else b"\4PONG"
            for from_target in (True, False):
                await relay.heard(sign, from_target=from_target, times=10)
            await ours.send(b"still here")
            assert await theirs.receive() == (b"still here",)
            assert ours.peers == (peer,)
            assert peer.round_trip_time is not None


async def test_subscriptions_change_while_messages_flow(libzmq: Libzmq) -> None:
    """Both commands of both ends, sealed."""
    theirs = await libzmq.open("XPUB", **CURVE_SERVER_OF_THEIRS)
    endpoint = await theirs.bind(TCP)
    async with trio_mq.Sub(topics=["a"], mechanism=CURVE_CLIENT.ours) as sub:
        await sub.connect(endpoint, wait=True)
        assert await theirs.receive() == (b"\1a",)
        sub.subscribe("b")
        assert await theirs.receive() == (b"\1b",)
        sub.unsubscribe("a")
        assert await theirs.receive() == (b"\0a",)
        await theirs.send_many([(b"a1",), (b"b1", b"more")])
        assert await sub.receive() == (b"b1", b"more")


# -- what goes wrong where we serve ----------------------------------------------------------------


async def failure(events: trio_mq.EventStream) -> trio_mq.HandshakeFailed:
    """Return the next handshake that failed."""
    async for event in events:
        if isinstance(event, trio_mq.HandshakeFailed):
            return event
    raise AssertionError("the socket was closed")


#: Values of libzmq's event HANDSHAKE_FAILED_PROTOCOL.
UNEXPECTED_COMMAND: Final = 0x1000_0001


async def refused_client(
    libzmq: Libzmq, link: Link, place: str, theirs: LibzmqOptions, **ours: object
) -> tuple[trio_mq.HandshakeFailed, LibzmqSocket]:
    """Join a client of libzmq with a server of ours, and return how that failed here."""
    client = await libzmq.open("DEALER", RECONNECT_IVL=-1, **theirs)
    async with trio_mq.Dealer(linger=0, **ours) as server:  # type: ignore[arg-type]
        with server.events() as events:
            await join(server, client, link, place)
            failed = await failure(events)
        assert not server.peers
    return failed, client


@each_link
async def test_a_client_that_knows_another_server_key_gets_nowhere(
    libzmq: Libzmq, place: str, link: Link
) -> None:
    """Nobody is asked about it, and it learns nothing."""
    failed, client = await refused_client(
        libzmq,
        link,
        place,
        curve_client_of_theirs(OTHER_KEYS.public),
        mechanism=CURVE_SERVER.ours,
        authenticator=auth.ALLOW_ANY,
    )
    assert failed.reason == "cryptographic"
    assert "HELLO" in str(failed.error)
    assert (await client.events("DISCONNECTED"))[-1][0] == "DISCONNECTED"


@each_link
async def test_a_client_whose_key_is_not_listed_is_denied(
    libzmq: Libzmq, place: str, link: Link
) -> None:
    """It has proven the key, and is told 400."""
    failed, client = await refused_client(
        libzmq,
        link,
        place,
        curve_client_of_theirs(),
        mechanism=CURVE_SERVER.ours,
        authenticator=auth.Keys({"somebody": OTHER_KEYS.public}),
    )
    assert isinstance(failed.error, trio_mq.AuthenticationFailed)
    assert failed.error.status == "400"
    seen = await client.events("HANDSHAKE_FAILED_AUTH")
    assert seen[-1] == ("HANDSHAKE_FAILED_AUTH", 400)


@each_link
async def test_a_client_with_a_wrong_password_is_denied(
    libzmq: Libzmq, place: str, link: Link
) -> None:
    """Libzmq's client of PLAIN understands only libzmq's misspelt ERROR, and counts a fault."""
    failed, client = await refused_client(
        libzmq,
        link,
        place,
        plain_client_of_theirs(b"wrong"),
        mechanism=PLAIN_SERVER.ours,
        authenticator=PLAIN_SERVER.authenticator,
    )
    assert isinstance(failed.error, trio_mq.AuthenticationFailed)
    assert failed.error.status == "400"
    seen = await client.events("HANDSHAKE_FAILED_PROTOCOL")
    assert seen[-1] == ("HANDSHAKE_FAILED_PROTOCOL", UNEXPECTED_COMMAND)


#: Options of a client of libzmq, and of our server, by mechanism.
SERVED: Final[dict[str, tuple[LibzmqOptions, MechanismFactory | None]]] = {
    "NULL": ({}, None),
    "PLAIN": (plain_client_of_theirs(), auth.PlainServer()),
    "CURVE": (curve_client_of_theirs(), auth.CurveServer(OUR_KEYS)),
}


@pytest.mark.parametrize("status", [300, 400, 500])
@pytest.mark.parametrize("mechanism", SERVED)
async def test_what_our_authenticator_denies_libzmq_is_told(
    libzmq: Libzmq, mechanism: str, status: int
) -> None:
    """But for 300, after which it comes again."""

    async def deny(_request: auth.Request) -> auth.Refused:
        return auth.Refused(status, "because")

    theirs, ours = SERVED[mechanism]
    failed, client = await refused_client(
        libzmq, Link.WE_BIND, TCP, theirs, mechanism=ours, authenticator=deny
    )
    assert isinstance(failed.error, trio_mq.AuthenticationFailed)
    assert failed.error.status == str(status)
    names = [name for name, _ in await client.events("DISCONNECTED")] if status == 300 else []
    if status == 300:
        assert "HANDSHAKE_FAILED_AUTH" not in names
    elif mechanism == "PLAIN":
        seen = await client.events("HANDSHAKE_FAILED_PROTOCOL")
        assert seen[-1] == ("HANDSHAKE_FAILED_PROTOCOL", UNEXPECTED_COMMAND)
    else:
        seen = await client.events("HANDSHAKE_FAILED_AUTH")
        assert seen[-1] == ("HANDSHAKE_FAILED_AUTH", status)


@pytest.mark.parametrize("ours", ["NULL", "PLAIN", "CURVE"])
@pytest.mark.parametrize("theirs", ["NULL", "PLAIN", "CURVE"])
async def test_mechanisms_that_differ_are_told_apart(
    libzmq: Libzmq, ours: str, theirs: str
) -> None:
    """A server of each, and a client of another."""
    if ours == theirs:
        return
    failed, _ = await refused_client(
        libzmq,
        Link.WE_BIND,
        TCP,
        SERVED[theirs][0],
        mechanism=SERVED[ours][1],
        authenticator=auth.ALLOW_ANY,
    )
    assert isinstance(failed.error, trio_mq.MechanismMismatch)


async def test_a_request_has_what_libzmq_shows(libzmq: Libzmq, place: str) -> None:
    """Key, routing id and metadata are those of the peer, the address is where it is."""
    asked: list[auth.Request] = []

    async def ask(request: auth.Request) -> auth.Granted:
        asked.append(request)
        return auth.Granted("somebody", {"Group": "staff"})

    theirs = await libzmq.open(
        "DEALER", ROUTING_ID=b"me", METADATA=b"X-city:Kyiv", **curve_client_of_theirs()
    )
    async with trio_mq.Router(mechanism=CURVE_SERVER.ours, authenticator=ask) as router:
        await theirs.connect(await router.bind(place, zap_domain="lab"))
        await theirs.send(b"hello")
        message, peer = await router.receive_from()
        assert message == (b"me", b"hello")
        assert peer is not None
        assert (peer.user_id, peer.auth_metadata) == ("somebody", {"Group": b"staff"})
        assert peer.metadata == {"X-city": b"Kyiv"}
    (request,) = asked
    assert (request.mechanism, request.domain) == ("CURVE", "lab")
    assert (request.routing_id, request.public_key) == (b"me", THEIR_KEYS.public)
    assert request.metadata == {"X-city": b"Kyiv"}
    assert request.address.startswith("127.0.0.1" if place == TCP else "uid=")


async def test_revoking_a_certificate_ends_the_connection_of_libzmq(
    libzmq: Libzmq, tmp_path: Path
) -> None:
    """And lets it in again once it is back."""
    auth.write_certificate(tmp_path, "libzmq", THEIR_KEYS)
    theirs = await libzmq.open("PUSH", RECONNECT_IVL=10, **curve_client_of_theirs())
    folder = auth.KeyFolder(tmp_path, reload_interval=0.02)
    async with trio_mq.Pull(mechanism=CURVE_SERVER.ours, authenticator=folder) as pull:
        await theirs.connect(await pull.bind(TCP))
        await pull.wait_for_peers()
        (peer,) = pull.peers
        assert peer.user_id == "libzmq"
        (tmp_path / "libzmq.key").unlink()
        await peer.wait_closed()
        seen = await theirs.events("HANDSHAKE_FAILED_AUTH")
        assert seen[-1] == ("HANDSHAKE_FAILED_AUTH", 400)


# -- what goes wrong where libzmq serves -----------------------------------------------------------


async def refused_by_theirs(
    libzmq: Libzmq, theirs: LibzmqOptions, ours: MechanismFactory | None, place: str = TCP
) -> tuple[Exception, LibzmqSocket]:
    """Connect to a server of libzmq, and return how that failed."""
    server = await libzmq.open("DEALER", HANDSHAKE_IVL=300, **theirs)
    endpoint = await server.bind(place)
    async with trio_mq.Dealer(mechanism=ours, linger=0) as client:
        with pytest.raises((OSError, trio_mq.HandshakeError)) as caught:
            await client.connect(endpoint, wait=True)
        assert not client.endpoints
    return caught.value, server


#: Options of a server of libzmq, and our client, by mechanism.
SERVING: Final[dict[str, tuple[LibzmqOptions, MechanismFactory | None]]] = {
    "NULL": ({"ZAP_DOMAIN": b"lab"}, None),
    "PLAIN": (PLAIN_SERVER_OF_THEIRS, PLAIN_CLIENT.ours),
    "CURVE": (CURVE_SERVER_OF_THEIRS, CURVE_CLIENT.ours),
}


@pytest.mark.parametrize("status", ["400", "500"])
@pytest.mark.parametrize("mechanism", SERVING)
async def test_what_a_handler_of_libzmq_denies_we_are_told(
    libzmq: Libzmq, place: str, mechanism: str, status: str
) -> None:
    """With the status, and in words; also as libzmq's PLAIN spells it."""
    await libzmq.handle(status)
    error, server = await refused_by_theirs(libzmq, *SERVING[mechanism], place)
    assert isinstance(error, trio_mq.AuthenticationFailed)
    assert error.status == status
    seen = await server.events("HANDSHAKE_FAILED_AUTH")
    assert seen[-1] == ("HANDSHAKE_FAILED_AUTH", int(status))


@pytest.mark.parametrize("mechanism", SERVING)
async def test_what_libzmq_denies_for_now_looks_like_an_end(libzmq: Libzmq, mechanism: str) -> None:
    """It says nothing and hangs up later: we try again."""
    await libzmq.handle("300")
    error, server = await refused_by_theirs(libzmq, *SERVING[mechanism])
    assert isinstance(error, OSError)
    seen = await server.events("HANDSHAKE_FAILED_AUTH")
    assert seen[-1] == ("HANDSHAKE_FAILED_AUTH", 300)


async def test_a_plain_server_of_libzmq_without_a_handler_lets_nobody_in(libzmq: Libzmq) -> None:
    """It hangs up, and the error says what that may mean."""
    error, server = await refused_by_theirs(libzmq, *SERVING["PLAIN"])
    assert isinstance(error, OSError)
    assert "nobody to ask" in str(error)
    await server.events("HANDSHAKE_FAILED_NO_DETAIL")


async def test_another_server_key_is_named_as_the_likely_cause(libzmq: Libzmq, place: str) -> None:
    """Libzmq hangs up without a word."""
    client = auth.CurveClient(OUR_KEYS, server=OTHER_KEYS.public)
    error, server = await refused_by_theirs(libzmq, CURVE_SERVER_OF_THEIRS, client, place)
    assert isinstance(error, OSError)
    assert "key is another one" in str(error)
    await server.events("HANDSHAKE_FAILED_PROTOCOL")


async def test_throw_away_keys_will_do_where_everybody_may_come_in(libzmq: Libzmq) -> None:
    """As at a server of libzmq without a handler."""
    server = await libzmq.open("PULL", **CURVE_SERVER_OF_THEIRS)
    endpoint = await server.bind(TCP)
    async with trio_mq.Push(mechanism=auth.CurveClient(server=THEIR_KEYS.public)) as push:
        await push.connect(endpoint, wait=True)
        await push.send(b"anonymous")
        assert await server.receive() == (b"anonymous",)


async def test_a_restarted_server_is_met_again(libzmq: Libzmq) -> None:
    """With new keys of the connection, and what waited for it."""
    first = await libzmq.open("PULL", **CURVE_SERVER_OF_THEIRS)
    endpoint = await first.bind(TCP)
    client = auth.CurveClient(OUR_KEYS, server=THEIR_KEYS.public)
    async with trio_mq.Push(mechanism=client, reconnect_interval=0.01) as push:
        await push.connect(endpoint, wait=True)
        await first.unbind(endpoint)
        await first.close()
        second = await libzmq.open("PULL", **CURVE_SERVER_OF_THEIRS)
        await second.bind(endpoint)
        (peer,) = push.peers or (None,)
        if peer is not None:
            await peer.wait_closed()
        await push.send(b"later")
        assert await second.receive() == (b"later",)
