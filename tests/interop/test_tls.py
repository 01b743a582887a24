"""TLS with libzmq at the other end, which speaks it through stunnel or nginx."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

import trio_mq
from tests.interop.accounts import assert_accounted_for
from tests.interop.libzmq import Libzmq, LibzmqSocket
from tests.interop.pairs import PAIRS, Conversation, Pair, open_ours, open_theirs
from tests.ports import held_port
from tests.programs import new_group
from tests.transports.over_tls import AUTHORITY, client_context, server_context

STUNNEL = shutil.which("stunnel4") or shutil.which("stunnel")
NGINX = shutil.which("nginx", path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
#: What the page shows, and the module that it needs where that is not built in.
NGINX_CONF = Path(__file__).parent.parent.parent / "docs" / "howto" / "nginx.conf"
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
needs_stunnel = pytest.mark.skipif(STUNNEL is None, reason="stunnel is not installed")
needs_nginx = pytest.mark.skipif(
    NGINX is None or not STREAM_MODULE.exists(), reason="nginx with its stream module is missing"
)


@pytest.fixture
def port() -> Iterator[int]:
    """Hold a port for stunnel or nginx."""
    with held_port() as held:
        yield held


@asynccontextmanager
async def stunnel(folder: Path, *settings: str) -> AsyncIterator[None]:
    """Run stunnel with one service, until the block ends."""
    write_certificates(folder)
    configuration = folder / "stunnel.conf"
    common = ["foreground = yes", f"pid = {folder}/pid", "debug = 3", "[zmq]"]
    configuration.write_text("\n".join([*common, *settings, ""]))
    async with running(str(STUNNEL), str(configuration)):
        yield


@asynccontextmanager
async def nginx(folder: Path, port: int, inside: str) -> AsyncIterator[None]:
    """Run nginx as the page shows it, but for its ports and places, until the block ends."""
    write_certificates(folder)
    text = NGINX_CONF.read_text("utf-8")
    for shown, here in (
        ("5556", f"127.0.0.1:{port}"),
        ("/etc/nginx", str(folder)),
        ("127.0.0.1:5555", inside),
    ):
        assert shown in text
        text = text.replace(shown, here)
    alone = f"load_module {STREAM_MODULE};\ndaemon off;\npid {folder}/pid;\nevents {{}}\n"
    configuration = folder / "nginx.conf"
    configuration.write_text(f"{alone}error_log stderr;\n{text}")
    async with running(str(NGINX), "-p", str(folder), "-e", "stderr", "-c", str(configuration)):
        yield


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[None]:
    """Run a program until the block ends."""
    with new_group() as group:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(trio.run_process, command, process_group=group))
            try:
                yield
            finally:
                nursery.cancel_scope.cancel()


def write_certificates(folder: Path) -> None:
    """Write a server's certificate with its key, and that of the authority."""
    identity = AUTHORITY.issue_cert("localhost", "127.0.0.1")
    identity.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    AUTHORITY.cert_pem.write_to_path(folder / "authority.pem")


async def converse(pair: Pair, ours: trio_mq.Socket, theirs: LibzmqSocket) -> None:
    """Say in both directions what takes one TLS record, and what takes many."""
    conversation = Conversation(pair, ours, theirs)
    await conversation.begin()
    for body in [(b"x",), (b"", b"between", b""), (bytes(100_000), b"")]:
        await conversation.exchange(body)
    assert_accounted_for(ours)


@needs_stunnel
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


@needs_stunnel
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


@needs_nginx
@pytest.mark.parametrize("pair", PAIRS, ids=str)
async def test_libzmq_binds_behind_nginx(
    pair: Pair, libzmq: Libzmq, tmp_path: Path, port: int
) -> None:
    """With the configuration that the page shows."""
    theirs = await open_theirs(pair, libzmq)
    async with open_ours(pair) as ours:
        inside = (await theirs.bind("tcp://127.0.0.1:*")).removeprefix("tcp://")
        async with nginx(tmp_path, port, inside):
            context = client_context()
            # Without waiting: nginx may need a moment.
            await ours.connect(f"tls://localhost:{port}", tls_context=context, ipv6=False)
            await converse(pair, ours, theirs)
