"""``tls://``: the same sockets, where nobody on the way can read or change anything."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Mapping
from typing import TypeVar, cast

import pytest
import trio

import trio_mq
from tests.hostile.wire import GREETING, message, ready
from tests.transports.over_tls import ANOTHER_AUTHORITY, client_context, server_context
from trio_mq import (
    Dealer,
    Disconnected,
    EventStream,
    HandshakeFailed,
    Pub,
    Pull,
    Push,
    Rep,
    Req,
    Router,
    Sub,
    auth,
)
from trio_mq._connections.doorkeeper import TURN_SECONDS, Allowance, Doorkeeper
from trio_mq._transports import tls

Kind = TypeVar("Kind")

LOCAL = "tls://127.0.0.1:*"
#: Lengths around those of a TLS record, and far above.
SIZES = [0, 1, 255, 256, 16_383, 16_384, 16_385, 1_000_000, 5_000_000]


async def the_next(kind: type[Kind], events: EventStream) -> Kind:
    """Wait for the next event of a kind."""
    while not isinstance(event := await events.receive(), kind):
        pass
    return event


@pytest.mark.parametrize("binder", ["server", "client"])
async def test_requests_and_replies_of_all_sizes(binder: str) -> None:
    """Over one connection, whoever binds."""
    async with (
        Rep(tls_context=server_context() if binder == "server" else client_context()) as rep,
        Req(tls_context=client_context() if binder == "server" else server_context()) as req,
    ):
        bound, connected = (rep, req) if binder == "server" else (req, rep)
        endpoint = await bound.bind(LOCAL, tls_context=server_context())
        assert endpoint.startswith("tls://127.0.0.1:")
        await connected.connect(endpoint, wait=True, tls_context=client_context())
        for size in SIZES:
            await req.send([b"part", bytes(size)])
            assert await rep.receive() == (b"part", bytes(size))
            await rep.send(bytes(size))
            assert await req.receive() == (bytes(size),)


async def test_a_flood_in_both_directions_at_once() -> None:
    """Both ends write and read at the same time."""
    count = 2_000

    async def talk(socket: Dealer) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(say, socket)
            for number in range(count):
                assert await socket.receive() == (b"%d" % number,)

    async def say(socket: Dealer) -> None:
        for number in range(count):
            await socket.send(b"%d" % number)

    async with (
        Dealer(tls_context=server_context()) as one,
        Dealer(tls_context=client_context()) as other,
    ):
        await other.connect(await one.bind(LOCAL), wait=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk, one)
            nursery.start_soon(talk, other)


async def test_what_waits_at_the_close_arrives() -> None:
    """The sender says good-bye in TLS before it goes, which is a plain end to the other."""
    async with Pull(tls_context=server_context()) as pull:
        endpoint = await pull.bind(LOCAL)
        with pull.events() as events:
            async with Push(connect=endpoint, tls_context=client_context()) as push:
                for number in range(500):
                    await push.send(b"%d" % number)
            received = [int(bytes(await pull.receive())) for _ in range(500)]
            assert (await the_next(Disconnected, events)).reason == "eof"
    assert received == list(range(500))


async def test_publishers_and_subscribers() -> None:
    """Subscriptions go one way and messages the other."""
    async with (
        Pub(tls_context=server_context()) as pub,
        Sub(topics=["a"], tls_context=client_context()) as sub,
    ):
        await sub.connect(await pub.bind(LOCAL), wait=True)
        await pub.wait_for_subscribers()
        await pub.send(b"b no")
        await pub.send(b"a yes")
        assert bytes(await sub.receive()) == b"a yes"


async def test_curve_inside_tls() -> None:
    """Mechanisms are what they are over tcp."""
    keys = auth.CurveKeys.generate()
    async with (
        Router(
            tls_context=server_context(),
            mechanism=auth.CurveServer(keys),
            authenticator=auth.ALLOW_ANY,
        ) as router,
        Dealer(
            tls_context=client_context(), mechanism=auth.CurveClient(server=keys.public)
        ) as dealer,
    ):
        await dealer.connect(await router.bind(LOCAL), wait=True)
        await dealer.send(b"sealed twice")
        assert (await router.receive())[1:] == (b"sealed twice",)


# -- who they are ----------------------------------------------------------------------------------


async def by_certificate(request: auth.Request) -> auth.Granted | auth.Refused:
    """Know peers by the common name that their certificate gives them."""
    if request.certificate is None:
        return auth.Refused(400, "no certificate")
    subject = cast("tuple[tuple[tuple[str, str], ...], ...]", request.certificate["subject"])
    names = dict(pair for part in subject for pair in part)
    return auth.Granted(names["commonName"])


async def test_a_certificate_of_a_client_says_who_it_is() -> None:
    """The authenticator is shown it, under NULL."""
    async with Pull(
        tls_context=server_context(asks_clients=True), authenticator=by_certificate
    ) as pull:
        endpoint = await pull.bind(LOCAL)
        async with Push(tls_context=client_context("alice")) as push:
            await push.connect(endpoint, wait=True)
            await push.send(b"hello")
            _, peer = await pull.receive_from()
            assert peer.user_id == "alice"


async def test_without_tls_there_is_no_certificate() -> None:
    """And who is known by one does not come in."""
    async with Pull(authenticator=by_certificate) as pull, Push() as push:
        with pytest.raises(trio_mq.AuthenticationFailed):
            await push.connect(await pull.bind("tcp://127.0.0.1:*"), wait=True)


async def test_a_certificate_that_was_not_asked_for_is_not_known() -> None:
    """A server that does not ask sees nothing of the client's."""
    seen: list[Mapping[str, object] | None] = []

    async def look(request: auth.Request) -> auth.Granted:
        seen.append(request.certificate)
        return auth.Granted()

    async with Pull(tls_context=server_context(), authenticator=look) as pull:
        endpoint = await pull.bind(LOCAL)
        async with Push(tls_context=client_context("alice")) as push:
            await push.connect(endpoint, wait=True)
    assert seen == [None]


# -- what goes wrong, in words ---------------------------------------------------------------------

#: The contexts of server and client, the host dialled, and what our end says of it.
FAILURES: dict[str, tuple[ssl.SSLContext, ssl.SSLContext, str, str]] = {
    "unknown authority": (
        server_context(authority=ANOTHER_AUTHORITY),
        client_context(),
        "127.0.0.1",
        "unable to get local issuer certificate.*load_verify_locations",
    ),
    "another name": (
        server_context("example.org"),
        client_context(),
        "localhost",
        "not valid for 'localhost'.*connect to a name",
    ),
    "another address": (
        server_context("example.org"),
        client_context(),
        "127.0.0.1",
        "not valid for '127.0.0.1'.*connect to a name or an address",
    ),
    "no certificate of ours": (
        server_context(asks_clients=True),
        client_context(),
        "127.0.0.1",
        "certificate required.*wants a certificate of ours",
    ),
    "a certificate of ours that is not trusted": (
        server_context(asks_clients=True),
        client_context("mallory", authority=ANOTHER_AUTHORITY),
        "127.0.0.1",
        "unknown ca.*does not trust our certificate",
    ),
    "a server without a certificate": (
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH),
        client_context(),
        "127.0.0.1",
        "handshake failure.*perhaps has no certificate",
    ),
}


@pytest.mark.parametrize(
    ("server", "client", "host", "words"), FAILURES.values(), ids=FAILURES.keys()
)
async def test_a_handshake_that_fails_says_why(
    server: ssl.SSLContext, client: ssl.SSLContext, host: str, words: str
) -> None:
    """To who waits for it, in the state of the endpoint, and in an event at either end."""
    async with (
        Pull(tls_context=server) as pull,
        Push(tls_context=client, linger=0) as push,
    ):
        with pull.events() as theirs, push.events() as ours:
            port = (await pull.bind(LOCAL)).rpartition(":")[2]
            with pytest.raises(ssl.SSLError, match=words) as caught:
                await push.connect(f"tls://{host}:{port}", wait=True)
            assert f"cannot connect to tls://{host}:{port}: TLS failed: " in str(caught.value)
            await push.connect(f"tls://{host}:{port}")
            for events in (ours, theirs):
                failed = await the_next(HandshakeFailed, events)
                assert failed.reason == "tls"
            while (error := push.endpoints[0].last_error) is None:
                await trio.lowlevel.checkpoint()
            assert isinstance(error, ssl.SSLError)
            assert push.endpoints[0].state.value == "failed"
        assert pull.peers == ()


async def test_a_server_of_plain_tcp_is_told_apart() -> None:
    """It answers in another language."""
    async with Pull() as pull, Push(tls_context=client_context(), linger=0) as push:
        port = (await pull.bind("tcp://127.0.0.1:*")).rpartition(":")[2]
        with pytest.raises(OSError, match="speaks no TLS"):
            await push.connect(f"tls://127.0.0.1:{port}", wait=True)


async def test_a_client_of_plain_tcp_is_told_apart() -> None:
    """It hangs up or is hung up on, and the server says so."""
    async with Pull(tls_context=server_context()) as pull, Push(linger=0) as push:
        with pull.events() as events:
            port = (await pull.bind(LOCAL)).rpartition(":")[2]
            with pytest.raises((OSError, trio_mq.ProtocolError)):
                await push.connect(f"tcp://127.0.0.1:{port}", wait=True)
            failed = await the_next(HandshakeFailed, events)
            assert failed.reason == "tls"
            assert "the other end speaks no TLS" in str(failed.error)


async def test_silence_in_the_handshake_ends_at_the_deadline() -> None:
    """It is the deadline of the handshake as a whole."""
    async with Pull(tls_context=server_context(), handshake_timeout=0.2) as pull:
        with pull.events() as events:
            port = (await pull.bind(LOCAL)).rpartition(":")[2]
            silent = await trio.open_tcp_stream("127.0.0.1", int(port))
            async with silent:
                failed = await the_next(HandshakeFailed, events)
                assert failed.reason == "timeout"


async def test_a_server_that_says_nothing_may_speak_no_tls() -> None:
    """It waits for us to speak its own language, and that is what the error suggests."""
    async with Push(tls_context=client_context(), handshake_timeout=0.2, linger=0) as push:
        (silent,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with silent:
            port = silent.socket.getsockname()[1]
            with pytest.raises(TimeoutError, match="perhaps speaks no TLS: tcp:// is not tls://"):
                await push.connect(f"tls://127.0.0.1:{port}", wait=True)


async def test_a_connection_that_is_cut_is_no_plain_end() -> None:
    """Without the good-bye of TLS somebody on the way may have ended it."""
    context = client_context()
    async with Pull(tls_context=server_context()) as pull:
        with pull.events() as events:
            port = int((await pull.bind(LOCAL)).rpartition(":")[2])
            carrier = await trio.open_tcp_stream("127.0.0.1", port)
            stream = trio.SSLStream(carrier, context, server_hostname="127.0.0.1")
            await stream.send_all(GREETING + ready(b"PUSH") + message(b"whole"))
            assert bytes(await pull.receive()) == b"whole"
            await carrier.aclose()
            ended = await the_next(Disconnected, events)
            assert ended.reason in ("connection-lost", "reset")


# -- what is refused before anything is opened -----------------------------------------------------


async def test_a_server_needs_a_context() -> None:
    """The error says how to make one."""
    async with Pull() as pull:
        with pytest.raises(ValueError, match=r"tls://\S+ a server of TLS needs.*load_cert_chain"):
            await pull.bind(LOCAL)


async def test_a_context_for_the_other_end_is_refused() -> None:
    """At once, rather than at each connection."""
    async with Pull(tls_context=client_context()) as pull:
        with pytest.raises(ValueError, match="CLIENT_AUTH"):
            await pull.bind(LOCAL)
    async with Push(tls_context=server_context()) as push:
        with pytest.raises(ValueError, match="SERVER_AUTH"):
            await push.connect("tls://127.0.0.1:1")
        assert push.endpoints == ()


async def test_without_a_context_a_client_trusts_whom_the_system_does() -> None:
    """So an authority of our own is unknown."""
    async with Pull(tls_context=server_context()) as pull, Push(linger=0) as push:
        with pytest.raises(ssl.SSLCertVerificationError):
            await push.connect(await pull.bind(LOCAL), wait=True)


def test_a_context_is_no_path() -> None:
    """The option says what it takes."""
    with pytest.raises(TypeError, match=r"tls_context is an ssl\.SSLContext"):
        Push(tls_context="server.pem")  # type: ignore[arg-type]


class Costly:
    """The clock of a processor on which a step of TLS takes so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._half_steps = (count * seconds for count in itertools.count())

    def thread_time(self) -> float:
        """Return the time; it is asked for before and after each step."""
        return next(self._half_steps)


@pytest.mark.parametrize("turns", [1, 25])
async def test_a_handshake_that_costs_much_counts_as_several(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a flood gets the same share of the processor whatever the key of the certificate."""
    charged = list[float]()
    charge = Allowance.charge

    def noting(allowance: Allowance, times: float) -> None:
        charged.append(times)
        charge(allowance, times)

    monkeypatch.setattr(Allowance, "charge", noting)
    async with Pull(linger=0, tls_context=server_context()) as pull:
        endpoint = await pull.bind(LOCAL)
        async with Push(tls_context=client_context()) as push:
            # Two steps make us compute: the answer to the greeting, and the end.
            monkeypatch.setattr(tls, "time", Costly(turns * TURN_SECONDS / 2))
            await push.connect(endpoint, wait=True)
    assert sum(charged) == pytest.approx(turns - 1)


async def test_handshakes_of_tls_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each visitor that has said something waits until it may make us compute, and nobody else."""
    turns = 0
    may_compute = Doorkeeper.may_compute

    async def counting(keeper: Doorkeeper) -> None:
        nonlocal turns
        turns += 1
        await may_compute(keeper)

    monkeypatch.setattr(Doorkeeper, "may_compute", counting)
    async with Pull(linger=0, tls_context=server_context()) as pull:
        endpoint = await pull.bind(LOCAL)
        host, port = endpoint.removeprefix("tls://").split(":")
        async with await trio.open_tcp_stream(host, int(port)):
            for known in (1, 2):
                async with Push(tls_context=client_context()) as push:
                    await push.connect(endpoint, wait=True)
                assert turns == known
