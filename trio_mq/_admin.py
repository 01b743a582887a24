"""The sockets of a program as plain data, and a `Rep` that answers with that.

The `Rep` is like any other, but leaves itself out of what it describes.
"""

from __future__ import annotations

import json
import math
import os
import stat
import tempfile
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Final, TypeAlias

import attrs
import trio

from trio_mq._context import Context, default_context, shared_by
from trio_mq._endpoint_status import EndpointStatus
from trio_mq._peer import Peer, PeerStatistics
from trio_mq._sockets.replying import Rep
from trio_mq._sockets.socket import Socket
from trio_mq._statistics import SocketStatistics

Json: TypeAlias = str | int | float | bool | list["Json"] | dict[str, "Json"] | None
"""What JSON can say."""

#: At most this many peers of one socket are described; if there are more, their number is told.
_SHOWN_PEERS: Final = 1000
#: A longer request, in bytes, is not looked at.
_LARGEST_REQUEST: Final = 1024


def sockets(context: Context | None = None) -> tuple[Socket, ...]:
    """Return the open sockets of a context that belong to this thread, oldest first.

    Args:
        context: Whose; ``None``: the default context of this trio run.
    """
    shared = shared_by(context or default_context())
    return tuple(socket for socket in shared.of_this_thread() if isinstance(socket, Socket))


def snapshot(context: Context | None = None, *, peers: int = _SHOWN_PEERS) -> dict[str, Json]:
    """Describe the open sockets of a context, as plain data that `json.dumps` takes.

    Besides ``sockets`` it has ``pid``, ``time`` (seconds of trio's clock, as events have it) and
    ``other_threads``, the number of sockets in other threads, which can't be looked at from here.
    Each socket has its ``number``, ``type``, ``endpoints``, ``peers`` and ``statistics``: the
    fields are those of `EndpointStatus`, `Peer` and `SocketStatistics`, errors are texts, and what
    is not UTF-8 is written as hexadecimal digits after ``0x``.

    Args:
        context: Whose; ``None``: the default context of this trio run.
        peers: How many of each socket's peers are described; ``peers_total`` counts all.
    """
    return _snapshot(context or default_context(), peers)


async def serve(
    endpoint: str | None = None,
    *,
    context: Context | None = None,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer everybody who asks with a `snapshot` in JSON, until cancelled.

    Give it a task: ``endpoint = await nursery.start(trio_mq.admin.serve)``. Any request is
    answered; ``{"peers": 10}`` limits how many peers of each socket are described. What it tells
    is for operators: over ipc, only this user can connect (the file's mode is 0600); over tcp
    anybody can, so bind it to the loopback interface.

    Args:
        endpoint: Where to listen; ``None``: `default_endpoint`, where ``trio-mq watch`` looks.
        context: Whose sockets are described; ``None``: the default context of this trio run.
        task_status: Is given the endpoint, once it is bound.

    Raises:
        OSError: The endpoint can't be bound, or the folder of the default one is not ours alone.
    """
    described = context or default_context()
    place = default_endpoint() if endpoint is None else endpoint
    if endpoint is None:
        _make_private(Path(place.removeprefix("ipc://")).parent)
    async with Rep(linger=0, ipc_mode=0o600) as rep:
        bound = await rep.bind(place)
        task_status.started(bound)
        async for request in rep:
            answer = _answer(described, bytes(request[-1]), but=rep)
            await rep.send(json.dumps(answer, ensure_ascii=False).encode())


def default_endpoint(pid: int | None = None) -> str:
    """Return where `serve` listens unless it is told otherwise.

    It is ``ipc://FOLDER/PID``, where the folder is ``$XDG_RUNTIME_DIR/trio_mq`` or else
    ``trio_mq-UID`` in the folder for temporary files, and belongs to this user alone.

    Args:
        pid: The process; ``None``: this one.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime, "trio_mq") if runtime else _temporary()
    return f"ipc://{folder}/{os.getpid() if pid is None else pid}"


def _temporary() -> Path:
    return Path(tempfile.gettempdir(), f"trio_mq-{os.getuid()}")


def _make_private(folder: Path) -> None:
    """Make a folder that only we can enter, or check that an existing one is."""
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077
    if status.st_uid != os.getuid() or not private:
        raise PermissionError(
            f"{folder} is not a folder of this user's alone: remove it, or give an endpoint"
        )


# -- in plain data --


def _answer(context: Context, request: bytes, *, but: Socket) -> dict[str, Json]:
    peers = _SHOWN_PEERS
    if len(request) > _LARGEST_REQUEST:
        return {"error": f"the request has {len(request)} bytes: {_LARGEST_REQUEST} are enough"}
    if request.strip():
        try:
            wanted = json.loads(request)
            peers = int(wanted.get("peers", peers))
        except (ValueError, TypeError, AttributeError, RecursionError):
            return {"error": 'the request is empty, or JSON such as {"peers": 10}'}
    return _snapshot(context, peers, but=but)


def _snapshot(context: Context, peers: int, *, but: Socket | None = None) -> dict[str, Json]:
    here = shared_by(context).of_this_thread()
    return {
        "pid": os.getpid(),
        "time": trio.current_time(),
        "sockets": [
            _socket(socket, number, max(0, peers))
            for socket, number in here.items()
            if isinstance(socket, Socket) and socket is not but
        ],
        "other_threads": context.sockets - len(here),
    }


def _socket(socket: Socket, number: int, peers: int) -> dict[str, Json]:
    here = socket.peers
    return {
        "number": number,
        "type": type(socket).__name__,
        "endpoints": [_endpoint(status) for status in socket.endpoints],
        "peers": [_peer(peer) for peer in here[:peers]],
        "peers_total": len(here),
        "statistics": _figures(socket.statistics()),
    }


def _endpoint(status: EndpointStatus) -> dict[str, Json]:
    return {name: _plain(value) for name, value in attrs.asdict(status).items()}


def _peer(peer: Peer) -> dict[str, Json]:
    return {
        "socket_type": peer.socket_type.value,
        "routing_id": _plain(peer.routing_id),
        "address": peer.address,
        "endpoint": peer.endpoint,
        "user_id": peer.user_id,
        "mechanism": peer.mechanism,
        "version": list(peer.version),
        "since": peer.since,
        "round_trip_time": peer.round_trip_time,
        "statistics": _figures(peer.statistics()),
    }


def _figures(statistics: SocketStatistics | PeerStatistics) -> dict[str, Json]:
    names = (field.name for field in attrs.fields(type(statistics)))
    return {
        name: _plain(getattr(statistics, name)) for name in names if name not in {"peer", "peers"}
    }


def _plain(value: object) -> Json:
    """Return what JSON can say of a value."""
    match value:
        case Enum():
            plain = _plain(value.value)
        case float() if not math.isfinite(value):
            plain = None
        case str() | int() | float() | None:
            plain = value
        case bytes():
            plain = _text(value)
        case Mapping():
            plain = {str(_plain(key)): _plain(each) for key, each in value.items()}
        case _:
            plain = str(value)
    return plain


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    return text if text.isprintable() and (text or not data) else f"0x{data.hex()}"
