"""TLS with libzmq at the other end, which speaks it through stunnel."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

import trio_mq
from tests.interop.accounts import assert_accounted_for
from tests.interop.libzmq import Libzmq, LibzmqSocket
from tests.interop.pairs import PAIRS, Conversation, Pair, open_ours, open_theirs
from tests.ports import held_port
from tests.transports.over_tls import AUTHORITY, client_context, server_context

STUNNEL = shutil.which("stunnel4") or shutil.which("stunnel")
pytestmark = pytest.mark.skipif(STUNNEL is None, reason="stunnel is not installed")


@pytest.fixture
def port() -> Iterator[int]:
    """Hold a port for stunnel."""
    with held_port() as held:
        yield held


@asynccontextmanager
async def stunnel(folder: Path, *settings: str) -> AsyncIterator[None]:
    """Run stunnel with one service, until the block ends."""
    certificate = folder / "server.pem"
    authority = folder / "authority.pem"
    identity = AUTHORITY.issue_cert("localhost", "127.0.0.1")
    identity.private_key_and_cert_chain_pem.write_to_path(certificate)
    AUTHORITY.cert_pem.write_to_path(authority)
    configuration = folder / "stunnel.conf"
    common = ["foreground = yes", f"pid = {folder}/pid", "debug = 3", "[zmq]"]
    configuration.write_text("\n".join([*common, *settings, ""]))
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.run_process, [str(STUNNEL), str(configuration)])
        try:
            yield
        finally:
            nursery.cancel_scope.cancel()


async def converse(pair: Pair, ours: trio_mq.Socket, theirs: LibzmqSocket) -> None:
    """Say in both directions what takes one TLS record, and what takes many."""
    conversation = Conversation(pair, ours, theirs)
    await conversation.begin()
    for body in [(b"x",), (b"", b"between", b""), (bytes(100_000), b"")]:
        await conversation.exchange(body)
    assert_accounted_for(ours)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
async def test_libzmq_binds_behind_stunnel(
    pair: Pair, libzmq: Libzmq, tmp_path: Path, port: int
) -> None:
    """Its server is tcp on loopback; stunnel shows the certificate."""
    theirs = await open_theirs(pair, libzmq)
    async with open_ours(pair) as ours:
        inside = await theirs.bind("tcp://127.0.0.1:*")
        settings = (
            f"accept = 127.0.0.1:{port}",
            f"connect = {inside.removeprefix('tcp://')}",
            f"cert = {tmp_path}/server.pem",
        )
        async with stunnel(tmp_path, *settings):
            context = client_context()
            # Without waiting: stunnel may need a moment.
            await ours.connect(f"tls://localhost:{port}", tls_context=context, ipv6=False)
            await converse(pair, ours, theirs)


@pytest.mark.parametrize("pair", PAIRS, ids=str)
async def test_libzmq_connects_through_stunnel(
    pair: Pair, libzmq: Libzmq, tmp_path: Path, port: int
) -> None:
    """It connects to a port on loopback; stunnel checks our certificate."""
    theirs = await open_theirs(pair, libzmq)
    async with open_ours(pair) as ours:
        endpoint = await ours.bind("tls://127.0.0.1:*", tls_context=server_context())
        settings = (
            "client = yes",
            f"accept = 127.0.0.1:{port}",
            f"connect = {endpoint.removeprefix('tls://')}",
            f"CAfile = {tmp_path}/authority.pem",
            "verifyChain = yes",
            "checkIP = 127.0.0.1",
        )
        async with stunnel(tmp_path, *settings):
            await theirs.connect(f"tcp://127.0.0.1:{port}")
            await converse(pair, ours, theirs)
