"""pyzmq's own authenticators and certificates at the other end, used as programs use them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import zmq
import zmq.auth

import trio_mq
from tests.programs import new_group
from trio_mq import auth

SERVER = Path(__file__).with_name("authenticated_server.py")
KINDS = ["thread", "asyncio"]
PATIENCE = 20


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """Return a folder with certificates that pyzmq has made: a server's, and those of clients."""
    clients = tmp_path / "clients"
    clients.mkdir()
    zmq.auth.create_certificates(tmp_path, "server")
    zmq.auth.create_certificates(clients, "alice", {"city": "Kyiv"})
    (clients / "alice.key_secret").rename(tmp_path / "alice.key_secret")
    zmq.auth.create_certificates(tmp_path, "mallory")
    return tmp_path


@contextmanager
def serving(kind: str, rule: str, folder: Path) -> Iterator[str]:
    """Run a server of pyzmq, and yield its endpoint."""
    command = [sys.executable, str(SERVER), kind, rule, str(folder)]
    with (
        new_group() as group,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, process_group=group
        ) as process,
    ):
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def client_of(folder: Path, name: str) -> auth.CurveClient:
    """Return a client with the keys of a file, of a server whose key is in another."""
    keys = auth.read_certificate(folder / f"{name}.key_secret").keys
    server = auth.read_certificate(folder / "server.key").public
    return auth.CurveClient(keys, server=server)


async def echoed(endpoint: str, mechanism: auth.CurveClient | auth.PlainClient) -> bytes:
    """Connect, and have a message sent back."""
    with trio.fail_after(PATIENCE):
        async with trio_mq.Dealer(linger=0, mechanism=mechanism) as dealer:
            await dealer.connect(endpoint, wait=True)
            await dealer.send(b"hello")
            return bytes(await dealer.receive())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", ["any", "folder"])
async def test_a_client_of_ours_comes_in_to_a_server_of_pyzmq(
    certificates: Path, kind: str, rule: str
) -> None:
    """By its certificate."""
    with serving(kind, rule, certificates) as endpoint:
        assert await echoed(endpoint, client_of(certificates, "alice")) == b"hello"


@pytest.mark.parametrize("kind", KINDS)
async def test_throw_away_keys_come_in_where_any_key_may(certificates: Path, kind: str) -> None:
    """As programs do that only want to hide what they say."""
    server = auth.read_certificate(certificates / "server.key").public
    with serving(kind, "any", certificates) as endpoint:
        assert await echoed(endpoint, auth.CurveClient(server=server)) == b"hello"


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stranger_is_refused_by_a_folder(certificates: Path, kind: str) -> None:
    """And told so."""
    with (
        serving(kind, "folder", certificates) as endpoint,
        pytest.raises(trio_mq.AuthenticationFailed, match="400"),
    ):
        await echoed(endpoint, client_of(certificates, "mallory"))


@pytest.mark.parametrize("kind", KINDS)
async def test_an_address_that_is_denied_is_refused(certificates: Path, kind: str) -> None:
    """Whatever its key."""
    with (
        serving(kind, "deny", certificates) as endpoint,
        pytest.raises(trio_mq.AuthenticationFailed, match="400"),
    ):
        await echoed(endpoint, client_of(certificates, "alice"))


@pytest.mark.parametrize("kind", KINDS)
async def test_passwords_are_those_of_pyzmq(certificates: Path, kind: str) -> None:
    """The right one comes in, another does not."""
    with serving(kind, "passwords", certificates) as endpoint:
        assert await echoed(endpoint, auth.PlainClient("alice", "secret")) == b"hello"
        with pytest.raises(trio_mq.AuthenticationFailed, match="400"):
            await echoed(endpoint, auth.PlainClient("alice", "guess"))


@pytest.mark.parametrize("shared", [False, True])
async def test_a_client_of_pyzmq_comes_in_by_its_certificate(
    certificates: Path, *, shared: bool
) -> None:
    """With keys of its own, or, as some programs do it, with those of the server for all."""
    own = "server" if shared else "alice"
    server = auth.read_certificate(certificates / "server.key_secret").keys
    (certificates / "server.key").rename(certificates / "clients" / "server.key")

    def ask(endpoint: str) -> bytes:
        with zmq.Context() as context, context.socket(zmq.REQ) as req:
            req.linger, req.rcvtimeo = 0, PATIENCE * 1000
            req.curve_serverkey = server.public.encode()
            req.curve_publickey, req.curve_secretkey = zmq.auth.load_certificate(
                certificates / f"{own}.key_secret"
            )
            req.connect(endpoint)
            req.send(b"hello")
            return req.recv()

    async with (
        trio_mq.Rep(
            bind="tcp://127.0.0.1:*",
            mechanism=auth.CurveServer(server),
            authenticator=auth.KeyFolder(certificates / "clients"),
        ) as rep,
        trio.open_nursery() as nursery,
    ):
        endpoint = rep.endpoints[0].endpoint
        answers: list[bytes] = []

        async def client() -> None:
            answers.append(await trio.to_thread.run_sync(ask, endpoint))

        nursery.start_soon(client)
        with trio.fail_after(PATIENCE):
            request, peer = await rep.receive_from()
            await rep.send(request)
    assert (peer.user_id, answers) == (own, [b"hello"])
