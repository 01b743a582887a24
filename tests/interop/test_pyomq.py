"""CURVE with pyomq, whose ZMTP is written in Rust and owes libzmq nothing, in either role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import trio

from trio_mq import Rep, Req, auth

# Its names come and go with its versions, and have no types.
pyomq: Any = pytest.importorskip("pyomq", reason="pyomq is not installed")

OUR_KEYS = auth.CurveKeys.generate()
THEIR_KEYS = auth.CurveKeys.generate()
BODY = (b"", b"between", bytes(100_000))
#: Milliseconds that it waits for a message.
PATIENCE = 10_000


@contextmanager
def open_theirs(kind: int, *, server: bool) -> Iterator[Any]:
    """Open a socket of pyomq with keys, in a context of its own."""
    context = pyomq.Context()
    socket = context.socket(kind)
    socket.setsockopt(pyomq.LINGER, 0)
    socket.setsockopt(pyomq.RCVTIMEO, PATIENCE)
    socket.setsockopt(pyomq.CURVE_PUBLICKEY, THEIR_KEYS.public.encode())
    socket.setsockopt(pyomq.CURVE_SECRETKEY, THEIR_KEYS.secret.encode())
    if server:
        socket.setsockopt(pyomq.CURVE_SERVER, 1)
    else:
        socket.setsockopt(pyomq.CURVE_SERVERKEY, OUR_KEYS.public.encode())
    yield socket
    socket.close()
    context.term()


async def test_its_client_asks_our_server() -> None:
    """And is known by its key."""
    authenticator = auth.Keys({"rust": THEIR_KEYS.public})
    with open_theirs(pyomq.REQ, server=False) as theirs:
        async with Rep(mechanism=auth.CurveServer(OUR_KEYS), authenticator=authenticator) as rep:
            theirs.connect(await rep.bind("tcp://127.0.0.1:*"))
            await trio.to_thread.run_sync(theirs.send_multipart, list(BODY))
            request, peer = await rep.receive_from()
            assert (request, peer.user_id) == (BODY, "rust")
            await rep.send(request)
            assert tuple(await trio.to_thread.run_sync(theirs.recv_multipart)) == BODY


async def test_our_client_asks_its_server() -> None:
    """With frames on either side of every length of a header."""
    mechanism = auth.CurveClient(OUR_KEYS, server=THEIR_KEYS.public)
    with open_theirs(pyomq.REP, server=True) as theirs:
        theirs.bind("tcp://127.0.0.1:0")
        endpoint = theirs.getsockopt(pyomq.LAST_ENDPOINT)
        async with Req(mechanism=mechanism) as req, trio.open_nursery() as nursery:
            await req.connect(endpoint.decode().rstrip("\0"), wait=True)
            nursery.start_soon(partial(trio.to_thread.run_sync, echo, theirs))
            assert await req.request(BODY) == BODY


def echo(socket: Any) -> None:  # noqa: ANN401  # of an untyped library
    """Answer once with what was asked."""
    socket.send_multipart(socket.recv_multipart())
