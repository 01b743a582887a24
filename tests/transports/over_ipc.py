"""Endpoints given as text, connections that close themselves, and what may lie on a path."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from trio_mq import Options
from trio_mq._transports import ipc
from trio_mq._transports.endpoint import IpcEndpoint
from trio_mq._transports.listener import Acceptors, Listener
from trio_mq._transports.schemes import parse_bind, parse_connect
from trio_mq._transports.stream import ByteStream, SocketStream

OPTIONS = Options()


async def dial(endpoint: str, options: Options = OPTIONS) -> SocketStream:
    """Dial an endpoint given as text."""
    parsed = parse_connect(endpoint)
    assert isinstance(parsed, IpcEndpoint)
    return await ipc.dial(parsed, options)


@contextlib.asynccontextmanager
async def listening(
    endpoint: str, options: Options = OPTIONS
) -> AsyncIterator[Acceptors[Listener]]:
    """Listen on an endpoint given as text, for a while."""
    parsed = parse_bind(endpoint)
    assert isinstance(parsed, IpcEndpoint)
    found = await ipc.listen(parsed, options)
    try:
        yield found
    finally:
        found.close()


@contextlib.asynccontextmanager
async def connected(place: Acceptors[Listener]) -> AsyncIterator[tuple[SocketStream, ByteStream]]:
    """Dial, accept, and close both ends at the end."""
    ours = await dial(place.endpoint)
    theirs = await place.listeners[0].accept()
    try:
        yield ours, theirs
    finally:
        await ours.aclose()
        await theirs.aclose()


def leave_stale_socket(path: Path) -> None:
    """Leave what a program leaves that ended without a clean-up."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))
        sock.listen()


def in_folder(folder: Path) -> set[str]:
    """Name all that lies there."""
    return {path.name for path in folder.iterdir()}


def inodes(folder: Path) -> dict[str, int]:
    """Tell files from others that have taken their place."""
    return {path.name: path.lstat().st_ino for path in folder.iterdir()}


def make_file(path: Path) -> None:
    """Make a file with something in it."""
    path.write_text("precious")
