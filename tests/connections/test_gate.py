"""The authenticator's answer within the handshake: over streams in memory, in virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from tests.joined import MemoryListener, bind
from trio_mq import (
    AuthenticationFailed,
    Context,
    Dealer,
    Disconnected,
    EndpointState,
    EventStream,
    HandshakeFailed,
    Limits,
    Pull,
    Push,
    Rep,
    Router,
    Socket,
    auth,
)
from trio_mq.zmtp import MechanismFactory
from trio_mq.zmtp.metadata import encode_metadata

SERVER = auth.CurveKeys.generate()
ALICE = auth.CurveKeys.generate()

#: What each side gives, by mechanism.
MECHANISMS: dict[str, tuple[MechanismFactory | None, MechanismFactory | None]] = {
    "NULL": (None, None),
    "PLAIN": (auth.PlainServer(), auth.PlainClient("alice", "s3cret")),
    "CURVE": (auth.CurveServer(SERVER), auth.CurveClient(ALICE, server=SERVER.public)),
}
WITH_CREDENTIALS = ("PLAIN", "CURVE")


async def ended(events: EventStream) -> HandshakeFailed | Disconnected:
    """Return the next end of a connection."""
    async for event in events:
        if isinstance(event, (HandshakeFailed, Disconnected)):
            return event
    raise AssertionError("the socket was closed")


@attrs.define(eq=False)
class Meeting:
    """A Pull that asks, and a Push that wants to come in."""

    pull: Pull
    push: Push
    listener: MemoryListener
    events: EventStream

    async def connect(self) -> None:
        """Let the Push try once."""
        await self.push.connect("memory", wait=True, open_stream=self.listener.dial)

    async def refused(self) -> tuple[Exception, HandshakeFailed]:
        """Let the Push try, and return what it is told and what happened here."""
        with pytest.raises((AuthenticationFailed, ConnectionError)) as caught:
            await self.connect()
        end = await ended(self.events)
        assert isinstance(end, HandshakeFailed)
        assert not self.pull.peers
        return caught.value, end


@asynccontextmanager
async def meeting(
    mechanism: str, authenticator: auth.Authenticator, **options: object
) -> AsyncIterator[Meeting]:
    """Open the two sockets."""
    ours, theirs = MECHANISMS[mechanism]
    async with (
        Pull(mechanism=ours, authenticator=authenticator, **options) as pull,  # type: ignore[arg-type]
        Push(mechanism=theirs, linger=0, metadata={"X-claim": "mine"}) as push,
    ):
        listener = await bind(pull, "memory")
        with pull.events() as events:
            yield Meeting(pull, push, listener, events)


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_who_is_granted_comes_in_and_is_known(mechanism: str) -> None:
    """What the authenticator said and what the peer claims stay apart."""

    async def grant(request: auth.Request) -> auth.Granted:
        asked.append(request)
        return auth.Granted("alice", {"Group": "staff"})

    asked: list[auth.Request] = []
    async with meeting(mechanism, grant, zap_domain="lab") as both:
        await both.connect()
        await both.pull.wait_for_peers()
        (peer,) = both.pull.peers
        assert (peer.user_id, peer.auth_metadata) == ("alice", {"Group": b"staff"})
        assert (peer.mechanism, peer.metadata) == (mechanism, {"X-claim": b"mine"})
        await both.push.send(b"work")
        assert await both.pull.receive() == (b"work",)
    (request,) = asked
    assert (request.mechanism, request.domain, request.endpoint) == (mechanism, "lab", "memory")
    assert (request.public_key == ALICE.public) is (mechanism == "CURVE")
    assert (request.username == "alice") is (mechanism == "PLAIN")
    # Under PLAIN the question comes before the peer has said more than its name and password.
    assert (request.metadata == {"X-claim": b"mine"}) is (mechanism != "PLAIN")


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("status", [400, 500])
async def test_who_is_refused_is_told_the_status(mechanism: str, status: int) -> None:
    """And not the reason, which is for our own eyes."""

    async def refuse(_request: auth.Request) -> auth.Refused:
        return auth.Refused(status, "not on a Thursday")

    async with meeting(mechanism, refuse) as both:
        told, end = await both.refused()
        assert isinstance(told, AuthenticationFailed)
        assert told.status == str(status)
        assert "Thursday" not in str(told)
        assert isinstance(end.error, AuthenticationFailed)
        assert (end.reason, end.error.status) == ("authentication", str(status))
        assert "not on a Thursday" in str(end.error)


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_who_may_come_later_is_told_nothing(mechanism: str) -> None:
    """After an ERROR a libzmq peer would never come again."""

    async def later(_request: auth.Request) -> auth.Refused:
        return auth.Refused(300, "full")

    async with meeting(mechanism, later) as both:
        told, end = await both.refused()
        assert isinstance(told, ConnectionError)
        assert isinstance(end.error, AuthenticationFailed)
        assert end.error.status == "300"


async def _raises(request: auth.Request) -> auth.Granted:
    raise KeyError(request.password or request.public_key)


async def _raises_group(_request: auth.Request) -> auth.Granted:
    raise ExceptionGroup("two", [ValueError("1"), OSError("2")])


async def _is_cancelled_by_asyncio(_request: auth.Request) -> auth.Granted:
    raise asyncio.CancelledError


class _NoException(BaseException):
    """As pytest, asyncio and others have some."""


async def _raises_what_is_no_exception(_request: auth.Request) -> auth.Granted:
    raise _NoException


async def _raises_a_group_of_those(_request: auth.Request) -> auth.Granted:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_raises_what_is_no_exception, _request)
    raise AssertionError


class _Untold(Exception):
    def __str__(self) -> str:
        raise RuntimeError


async def _raises_what_has_no_text(_request: auth.Request) -> auth.Granted:
    raise _Untold


async def _grants_what_nobody_can_take_back(_request: auth.Request) -> auth.Granted:
    return auth.Granted("root", revocations=("never",))  # type: ignore[arg-type]


async def _returns_none(_request: auth.Request) -> None:
    return None


async def _returns_a_status(_request: auth.Request) -> int:
    return 200


async def _returns_true(_request: auth.Request) -> bool:
    return True


async def _returns_frames(_request: auth.Request) -> list[bytes]:
    return [b"1.0", b"1", b"200", b"OK", b"alice", b"", b""]


async def _hangs(_request: auth.Request) -> auth.Granted:
    await trio.sleep_forever()
    raise AssertionError


async def _cancels_itself(_request: auth.Request) -> auth.Granted | None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await trio.lowlevel.checkpoint()
        return auth.Granted("root")
    return None


async def _claims_a_type(_request: auth.Request) -> auth.Granted:
    return auth.Granted("root", {"Socket-Type": b"PUB"})


async def _refuses_with_201(_request: auth.Request) -> auth.Refused:
    return auth.Refused(201)


async def _names_bytes(_request: auth.Request) -> auth.Granted:
    return auth.Granted(b"root")  # type: ignore[arg-type]


def _is_not_async(_request: auth.Request) -> auth.Granted:
    return auth.Granted("root")


def _raises_when_called(_request: auth.Request) -> auth.Granted:
    raise RuntimeError("not even async")


def _needs_more(_request: auth.Request, _more: object) -> auth.Granted:
    return auth.Granted("root")


BROKEN: list[Callable[..., object]] = [
    _raises,
    _raises_group,
    _is_cancelled_by_asyncio,
    _raises_what_is_no_exception,
    _raises_a_group_of_those,
    _raises_what_has_no_text,
    _grants_what_nobody_can_take_back,
    _returns_none,
    _returns_a_status,
    _returns_true,
    _returns_frames,
    _hangs,
    _cancels_itself,
    _claims_a_type,
    _refuses_with_201,
    _names_bytes,
    _is_not_async,
    _raises_when_called,
    _needs_more,
]


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__.strip("_"))
async def test_b73_a_broken_authenticator_lets_nobody_in(
    broken: Callable[[auth.Request], Awaitable[auth.Granted]],
    mechanism: str,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The peer hears 500; an event and a line of the log say why, without what the peer showed."""
    async with meeting(mechanism, broken, handshake_timeout=60) as both:
        told, end = await both.refused()
        assert isinstance(told, AuthenticationFailed)
        assert isinstance(end.error, AuthenticationFailed)
        assert told.status == end.error.status == "500"
        (line,) = [record.getMessage() for record in caplog.records]
        assert "the authenticator failed" in str(end.error)
        assert str(end.error).partition("failed: ")[2] in line
        for secret in ("s3cret", ALICE.public):
            assert secret not in line
            assert secret not in str(end.error)
        assert end.error.__cause__ is None
        assert end.error.__context__ is None
        assert end.error.__traceback__ is None


async def test_an_authenticator_has_its_time_and_no_more(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The limit says how much."""
    limits = attrs.evolve(Limits(), auth_timeout=3)
    async with meeting("CURVE", _hangs, limits=limits) as both:
        _, end = await both.refused()
        assert "auth_timeout=3 seconds" in str(end.error)
        assert trio.current_time() == 3


async def test_the_handshake_has_its_time_whatever_the_authenticator_takes(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Its deadline includes the question."""
    async with meeting("CURVE", _hangs, handshake_timeout=2) as both:
        _, end = await both.refused()
        assert (end.reason, trio.current_time()) == ("timeout", 2)


async def test_a_socket_that_closes_waits_for_no_authenticator(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It is cancelled, and a verdict that comes after all is nobody's."""
    cancelled = trio.Event()

    async def slow(_request: auth.Request) -> auth.Granted:
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()
        raise AssertionError

    async with meeting("PLAIN", slow, handshake_timeout=100) as both:
        await both.push.connect("memory", open_stream=both.listener.dial)
        await trio.testing.wait_all_tasks_blocked()
        await both.pull.aclose()
        assert cancelled.is_set()


# -- who is asked about ----------------------------------------------------------------------------


async def test_a_server_that_connects_asks_about_whom_it_reaches() -> None:
    """Roles have nothing to do with directions."""
    keys = auth.Keys({"alice": ALICE.public})
    async with (
        Pull(mechanism=auth.CurveServer(SERVER), authenticator=keys) as pull,
        Push(mechanism=auth.CurveClient(ALICE, server=SERVER.public)) as push,
    ):
        listener = await bind(push, "memory")
        await pull.connect("memory", wait=True, open_stream=listener.dial)
        assert [peer.user_id for peer in pull.peers] == ["alice"]


@pytest.mark.parametrize("mechanism", WITH_CREDENTIALS)
@pytest.mark.parametrize("allowed", [True, False])
async def test_a_client_that_listens_may_filter_addresses(mechanism: str, *, allowed: bool) -> None:
    """A server that connects to it shows nothing; but where it is can be judged."""
    server, client = MECHANISMS[mechanism]
    judge = auth.Addresses(deny=["10.0.0.0/8"]) if allowed else auth.Addresses(allow=[])
    async with (
        Pull(mechanism=client, authenticator=judge) as pull,
        Push(mechanism=server, authenticator=auth.ALLOW_ANY, linger=0) as push,
    ):
        listener = await bind(pull, "memory")
        if allowed:
            await push.connect("memory", wait=True, open_stream=listener.dial)
            return
        with pull.events() as events:
            await push.connect("memory", open_stream=listener.dial)
            end = await ended(events)
        assert end.reason == "authentication"


async def test_nobody_is_asked_about_a_peer_that_does_not_suit_us_anyway() -> None:
    """Under CURVE it has introduced itself before the question."""
    asked: list[auth.Request] = []

    async def grant(request: auth.Request) -> auth.Granted:
        asked.append(request)
        return auth.Granted()

    server, client = MECHANISMS["CURVE"]
    async with (
        Pull(mechanism=server, authenticator=grant) as pull,
        Dealer(mechanism=client, linger=0) as dealer,
    ):
        listener = await bind(pull, "memory")
        with pytest.raises(Exception, match="DEALER"):
            await dealer.connect("memory", wait=True, open_stream=listener.dial)
    assert asked == []


async def test_a_user_that_a_peer_claims_to_be_is_nobody() -> None:
    """B46, under a mechanism that proves another one or none."""
    async with meeting("CURVE", auth.ALLOW_ANY) as both:
        await both.connect()
        await both.pull.wait_for_peers()
        assert both.pull.peers[0].user_id is None


# -- where nobody can be asked ---------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", WITH_CREDENTIALS)
@pytest.mark.parametrize("place", ["tcp://127.0.0.1:*", "ipc://@trio_mq_gate", "listener"])
async def test_b74_a_server_without_an_authenticator_cannot_be_bound(
    mechanism: str, place: str
) -> None:
    """The error has the remedy; the socket stays usable."""
    server, _ = MECHANISMS[mechanism]
    async with Rep(mechanism=server) as rep:
        how = {"listener": MemoryListener()} if place == "listener" else {}
        with pytest.raises(ValueError, match=r"authenticator=auth\.ALLOW_ANY"):
            await rep.bind(place, **how)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"authenticator=auth\.ALLOW_ANY"):
            await rep.connect("tcp://127.0.0.1:1")
        assert not rep.endpoints
        await rep.bind("tcp://127.0.0.1:*", authenticator=auth.ALLOW_ANY)


async def test_b74_the_constructor_refuses_as_bind_does() -> None:
    """Bare, as every error of binding."""
    with pytest.raises(ValueError, match=r"authenticator=auth\.ALLOW_ANY"):
        async with Rep(bind="tcp://127.0.0.1:*", mechanism=auth.PlainServer()):
            raise AssertionError


async def test_a_domain_without_anybody_to_ask_is_refused_too() -> None:
    """Libzmq lets everybody in."""
    async with Rep(zap_domain="lab") as rep:
        with pytest.raises(ValueError, match="zap_domain"):
            await rep.bind("tcp://127.0.0.1:*")
        await rep.connect("tcp://127.0.0.1:1")


async def test_names_of_inproc_need_nobody() -> None:
    """Who is in the process is in."""
    async with (
        Rep(bind="inproc://x", mechanism=auth.PlainServer(), zap_domain="lab") as rep,
        Dealer(connect="inproc://x", mechanism=auth.PlainClient("a", "b"), linger=0) as dealer,
    ):
        await dealer.wait_for_peers()
        assert [(peer.mechanism, peer.user_id) for peer in rep.peers] == [("NULL", None)]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("mechanism", "CURVE"),
        ("mechanism", auth.PlainServer),
        ("mechanism", SERVER),
        ("authenticator", {"alice": "s3cret"}),
        ("authenticator", auth.Keys),
        ("authenticator", "s3cret"),
        ("zap_domain", b"lab"),
    ],
)
def test_an_option_of_a_wrong_type_is_refused_where_it_is_given(option: str, value: object) -> None:
    """With its type, and not its value."""
    with pytest.raises(TypeError, match=option) as caught:
        Rep(**{option: value})  # type: ignore[arg-type]
    assert "s3cret" not in str(caught.value)


def test_a_domain_has_at_most_255_bytes() -> None:
    """RFC 27."""
    with pytest.raises(ValueError, match="255 bytes"):
        Rep(zap_domain="x" * 256)


# -- what is taken back ----------------------------------------------------------------------------


async def test_revoking_a_key_ends_its_connections_within_an_interval(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Those of others go on, and the key lets nobody in again."""
    auth.write_certificate(tmp_path, "alice", ALICE)
    bob = auth.CurveKeys.generate()
    auth.write_certificate(tmp_path, "bob", bob)
    folder = auth.every(auth.KeyFolder(tmp_path, reload_interval=3), auth.ALLOW_ANY)
    async with (
        meeting("CURVE", folder) as both,
        Push(mechanism=auth.CurveClient(bob, server=SERVER.public)) as other,
    ):
        await both.connect()
        await other.connect("memory", wait=True, open_stream=both.listener.dial)
        await both.pull.wait_for_peers(2)
        (tmp_path / "alice.key").unlink()
        removed = trio.current_time()
        end = await ended(both.events)
        assert isinstance(end, Disconnected)
        assert (end.reason, end.peer.user_id) == ("revoked", "alice")
        assert trio.current_time() - removed <= 3
        assert [peer.user_id for peer in both.pull.peers] == ["bob"]
        again = await ended(both.events)
        assert again.reason == "authentication"


async def test_what_is_revoked_while_the_handshake_goes_on_lets_nobody_in(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It was granted, and is worth nothing."""
    token = auth.Revocation()
    token.revoke()

    async def grant(_request: auth.Request) -> auth.Granted:
        return auth.Granted("alice", revocations=(token,))

    async with meeting("CURVE", grant) as both:
        with pytest.raises((ConnectionError, AuthenticationFailed)):
            await both.connect()
        end = await ended(both.events)
        assert isinstance(end, HandshakeFailed)
        assert end.reason == "revoked"


async def test_a_connection_that_ended_is_forgotten_by_what_could_revoke_it() -> None:
    """A folder lives for years, its connections for minutes."""
    token = auth.Revocation()

    async def grant(_request: auth.Request) -> auth.Granted:
        return auth.Granted("alice", revocations=(token,))

    async with meeting("CURVE", grant) as both:
        await both.connect()
        assert len(token._listeners) == 1
        await both.push.aclose()
        await ended(both.events)
        assert len(token._listeners) == 0


async def test_a_watch_that_fails_ends_no_socket(caplog: pytest.LogCaptureFixture) -> None:
    """The log says what is no longer watched."""

    class Fails:
        async def __call__(self, request: auth.Request) -> auth.Granted:
            return auth.Granted()

        async def watch(self) -> None:
            raise OSError("no more watches")

    async with meeting("CURVE", Fails()) as both:
        await both.connect()
        await both.pull.wait_for_peers()
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "has stopped watching" in record.getMessage()


# -- a handler of ZAP ------------------------------------------------------------------------------

HANDLER = "inproc://zeromq.zap.01"


async def handle_as_rep(rep: Rep, status: bytes, seen: list[tuple[bytes, ...]]) -> None:
    """Answer as a handler does."""
    async for request in rep:
        seen.append(request)
        metadata = encode_metadata({"Group": b"staff"})
        await rep.send([b"1.0", request[1], status, b"so be it", b"alice", metadata])


async def handle_as_router(router: Router, status: bytes, seen: list[tuple[bytes, ...]]) -> None:
    """Answer as a handler does that may have several requests at a time."""
    async for name, delimiter, *request in router:
        seen.append(tuple(request))
        reply = [b"1.0", request[1], status, b"so be it", b"alice", b""]
        await router.send([name, delimiter, *reply])


@asynccontextmanager
async def handler(
    kind: str, status: bytes, context: Context
) -> AsyncIterator[list[tuple[bytes, ...]]]:
    """Bind a handler, and yield the requests that it gets."""
    seen: list[tuple[bytes, ...]] = []
    async with trio.open_nursery() as nursery:
        if kind == "REP":
            async with Rep(bind=HANDLER, context=context) as rep:
                nursery.start_soon(handle_as_rep, rep, status, seen)
                yield seen
                nursery.cancel_scope.cancel()
        else:
            async with Router(bind=HANDLER, context=context) as router:
                nursery.start_soon(handle_as_router, router, status, seen)
                yield seen
                nursery.cancel_scope.cancel()


async def join_asking(context: Context, mechanism: str) -> tuple[Socket, Socket, MemoryListener]:
    """Return a Pull of that context, bound, and a Push."""
    ours, theirs = MECHANISMS[mechanism]
    pull = Pull(mechanism=ours, zap_domain="lab", context=context)
    return pull, Push(mechanism=theirs, linger=0), MemoryListener()


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("kind", ["REP", "ROUTER"])
async def test_a_handler_bound_in_the_context_is_asked(kind: str, mechanism: str) -> None:
    """As one of libzmq would be, with the peer's own routing id."""
    context = Context()
    async with handler(kind, b"200", context) as seen:
        pull, push, listener = await join_asking(context, mechanism)
        async with pull, push:
            await pull.bind("memory", listener=listener)
            await push.connect("memory", wait=True, open_stream=listener.dial)
            await pull.wait_for_peers()
            assert pull.peers[0].user_id == "alice"
    ((version, _, domain, _, _, named, *credentials),) = seen
    assert (version, domain, named) == (b"1.0", b"lab", mechanism.encode())
    assert len(credentials) == {"NULL": 0, "PLAIN": 2, "CURVE": 1}[mechanism]


@pytest.mark.parametrize("status", [b"300", b"400", b"500", b"201"])
async def test_what_a_handler_denies_is_denied(status: bytes) -> None:
    """And a status that there is not is a failure."""
    context = Context()
    async with handler("REP", status, context):
        pull, push, listener = await join_asking(context, "CURVE")
        async with pull, push:
            await pull.bind("memory", listener=listener)
            with pull.events() as events:
                await push.connect("memory", open_stream=listener.dial)
                end = await ended(events)
        assert isinstance(end.error, AuthenticationFailed)
        assert end.error.status == ("500" if status == b"201" else status.decode())


async def test_a_handler_that_has_gone_lets_nobody_in(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """It takes too long to answer."""
    context = Context()
    pull, push, listener = await join_asking(context, "CURVE")
    async with pull, push:
        async with handler("REP", b"200", context):
            await pull.bind("memory", listener=listener)
        with pull.events() as events:
            await push.connect("memory", open_stream=listener.dial)
            end = await ended(events)
        assert isinstance(end.error, AuthenticationFailed)
        assert end.error.status == "500"


# -- what a refused peer does ----------------------------------------------------------------------


@pytest.mark.parametrize(("status", "state"), [(300, "retrying"), (400, "failed")])
async def test_a_server_that_connects_comes_again_soon_only_to_whom_it_said_not_now(
    status: int, state: str, autojump_clock: trio.testing.MockClock
) -> None:
    """A refusal for good is looked at again in a minute."""

    async def refuse(_request: auth.Request) -> auth.Refused:
        return auth.Refused(status)

    server, client = MECHANISMS["CURVE"]
    async with Pull(mechanism=server, authenticator=refuse) as pull, Push(mechanism=client) as push:
        listener = await bind(push, "memory")
        with pull.events() as events:
            await pull.connect("memory", open_stream=listener.dial)
            await ended(events)
        await trio.testing.wait_all_tasks_blocked()
        assert pull.endpoints[0].state is EndpointState(state)
