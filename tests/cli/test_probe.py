"""What is at an endpoint, and why nothing arrives: each reason, from what causes it."""

from __future__ import annotations

import json
import socket
from functools import partial
from pathlib import Path

import pytest
import trio
import zmq

import trio_mq
from tests.cli.shell import run
from trio_mq import Options, Pair, Pull, Rep, Router, SocketType, auth, open_socket
from trio_mq._cli.probing import Outcome, Report, probe
from trio_mq._transports.schemes import parse_connect

TCP = "tcp://127.0.0.1:*"


async def look(
    endpoint: str,
    *,
    kind: SocketType | None = None,
    options: Options | None = None,
    seconds: float = 20.0,
) -> Report:
    """Probe an endpoint."""
    return await probe(
        endpoint,
        parse_connect(endpoint),
        options=options or Options(),
        socket_type=kind,
        seconds=seconds,
    )


@pytest.mark.parametrize("kind", SocketType)
async def test_every_type_of_ours_is_recognised(kind: SocketType) -> None:
    """Without taking anything from it."""
    opened: trio_mq.Socket = open_socket(kind)
    async with opened:
        report = await look(await opened.bind(TCP))
    assert (report.outcome, report.socket_type) == (Outcome.READY, kind.value)
    assert (report.version, report.mechanism) == ((3, 1), "NULL")


@pytest.mark.parametrize("kind", SocketType)
async def test_every_type_of_libzmq_is_recognised(kind: SocketType) -> None:
    """By what it says when it refuses a Req, or does not."""
    with zmq.Context() as context, context.socket(getattr(zmq, kind.value)) as peer:
        peer.linger = 0
        port = peer.bind_to_random_port("tcp://127.0.0.1")
        report = await look(f"tcp://127.0.0.1:{port}")
    assert (report.outcome, report.socket_type) == (Outcome.READY, kind.value)


async def test_nothing_is_taken_from_a_push() -> None:
    """What waits there is for somebody else."""
    async with trio_mq.Push(linger=0) as push:
        endpoint = await push.bind(TCP)
        with trio.move_on_after(0):
            await push.send(b"for a worker")
        report = await look(endpoint)
        assert report.socket_type == "PUSH"
        assert push.statistics().written == 0


async def test_name_connection_identity_metadata_and_round_trip_are_told() -> None:
    """All that a connection has to tell."""
    async with Router(routing_id=b"\xffme", metadata={"X-Region": b"north"}) as router:
        report = await look(await router.bind(TCP))
        said = report.as_json()
    assert report.addresses == [report.address]
    assert report.connect_seconds is not None
    assert report.round_trip_seconds is not None
    assert said["identity"] == "\\\\xffme"
    assert said["metadata"] == {"X-Region": "north"}
    assert json.loads(json.dumps(said)) == said


async def test_an_unknown_name_is_told() -> None:
    """Before anything else is tried."""
    report = await look("tcp://no-such-host.invalid:5555")
    assert report.outcome is Outcome.UNRESOLVED
    assert "no-such-host.invalid" in report.reason


async def test_a_closed_port_is_told(tmp_path: Path) -> None:
    """And a file that is not there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        report = await look(f"tcp://127.0.0.1:{taken.getsockname()[1]}")
    assert report.outcome is Outcome.UNREACHABLE
    report = await look(f"ipc://{tmp_path}/nobody")
    assert report.outcome is Outcome.UNREACHABLE
    assert "No such file" in report.reason


async def test_a_wrong_type_is_told_if_one_was_given() -> None:
    """With what would fit."""
    async with Rep() as rep:
        report = await look(await rep.bind(TCP), kind=SocketType.SUB)
    assert (report.outcome, report.socket_type) == (Outcome.INCOMPATIBLE, "REP")
    assert "connect it to PUB or XPUB" in report.reason


async def test_a_wrong_mechanism_is_told() -> None:
    """With what the other end wants."""
    async with Pull(mechanism=auth.PlainServer(), authenticator=auth.ALLOW_ANY) as pull:
        report = await look(await pull.bind(TCP))
    assert (report.outcome, report.mechanism) == (Outcome.MECHANISM, "PLAIN")
    assert "PLAIN" in report.reason


async def test_a_wrong_password_is_told() -> None:
    """And not what it was."""
    passwords = auth.Passwords({"ada": "right"})
    async with Rep(mechanism=auth.PlainServer(), authenticator=passwords) as rep:
        endpoint = await rep.bind(TCP)
        wrong = await look(endpoint, options=Options(mechanism=auth.PlainClient("ada", "guess")))
        right = await look(endpoint, options=Options(mechanism=auth.PlainClient("ada", "right")))
    assert wrong.outcome is Outcome.CREDENTIALS
    assert "guess" not in wrong.reason
    assert (right.outcome, right.socket_type) == (Outcome.READY, "REP")


async def test_a_wrong_key_of_the_server_is_told() -> None:
    """The server can't open what is sealed for another one, and leaves."""
    server, other = auth.CurveKeys.generate(), auth.CurveKeys.generate()
    async with Rep(mechanism=auth.CurveServer(server), authenticator=auth.ALLOW_ANY) as rep:
        endpoint = await rep.bind(TCP)
        wrong = await look(
            endpoint, options=Options(mechanism=auth.CurveClient(server=other.public))
        )
        right = await look(
            endpoint, options=Options(mechanism=auth.CurveClient(server=server.public))
        )
    assert wrong.outcome is Outcome.CREDENTIALS
    assert right.outcome is Outcome.READY


async def test_a_full_house_is_told() -> None:
    """As the likely reason of a silent end."""
    async with Pair() as pair, Pair() as partner:
        endpoint = await pair.bind(TCP)
        await partner.connect(endpoint, wait=True)
        report = await look(endpoint, kind=SocketType.PAIR)
    assert report.outcome is Outcome.REFUSED
    assert "its Pair is taken" in report.reason


async def test_a_web_server_is_told() -> None:
    """One that says nothing until it is asked for a page."""
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, _serve_page, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        report = await look(f"tcp://127.0.0.1:{port}", seconds=3.0)
        nursery.cancel_scope.cancel()
    assert report.outcome is Outcome.NOT_ZMTP
    assert "web server" in report.reason


async def _serve_page(stream: trio.SocketStream) -> None:
    """Answer like a web server, once a line has come."""
    seen = b""
    while b"\r\n" not in seen:
        data = await stream.receive_some()
        if not data:
            return
        seen += data
    await stream.send_all(b"HTTP/1.0 200 OK\r\n\r\n")


@pytest.mark.parametrize(
    ("greeting", "name"),
    [(b"SSH-2.0-OpenSSH\r\n", "an SSH server"), (b"HTTP/1.1 400 Bad\r\n", "a web server")],
)
async def test_others_that_speak_first_are_told(greeting: bytes, name: str) -> None:
    """By how they begin."""

    async def speak(stream: trio.SocketStream) -> None:
        await stream.send_all(greeting)
        await stream.receive_some()

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, speak, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        report = await look(f"tcp://127.0.0.1:{port}")
        nursery.cancel_scope.cancel()
    assert report.outcome is Outcome.NOT_ZMTP
    assert report.reason.startswith(name)


async def test_silence_is_told() -> None:
    """Somebody listens, and nobody speaks."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        report = await look(f"tcp://127.0.0.1:{server.getsockname()[1]}", seconds=0.2)
    assert report.outcome is Outcome.SILENT
    assert "says nothing" in report.reason


async def test_a_name_of_inproc_can_not_be_seen_from_here() -> None:
    """It is said, and nothing is tried."""
    report = await look("inproc://x")
    assert report.outcome is Outcome.UNREACHABLE


# -- as a command --


async def test_people_and_programs_can_read_it() -> None:
    """Lines, or JSON; the exit code says how far it came."""
    async with Rep() as rep:
        endpoint = await rep.bind(TCP)
        status, output, _ = await trio.to_thread.run_sync(run, "probe", endpoint)
        assert status == 0
        assert b"type:         REP" in output
        status, output, _ = await trio.to_thread.run_sync(run, "probe", endpoint, "--json")
        assert (status, json.loads(output)["socket_type"]) == (0, "REP")
        status, output, _ = await trio.to_thread.run_sync(run, "probe", endpoint, "--type", "pull")
        assert (status, b"incompatible:" in output) == (4, True)
    assert (await trio.to_thread.run_sync(run, "probe", endpoint))[0] == 1
    assert (await trio.to_thread.run_sync(run, "probe", "nonsense"))[0] == 2
