"""ipc: Unix-domain sockets, on files that we never take away from another program.

A socket file outlives its listener. So a bind that finds one connects to it, to see whether anybody
listens there. If the connection is refused, nobody is, and the file is removed. Anything else means
that the path is in use. (libzmq removes whatever lies there and so steals live endpoints.) A file
that is not a socket is never touched, and neither is a symbolic link.

Two binds could both find the same stale file, and the slower one would remove the socket that the
faster one has just bound. So each holds a lock from its look to its ``listen``, on a file next to
the path that exists for that moment only.

Closing needs no lock: as long as we listen nobody takes the path, so we look whether it is still
our file, remove it, and only then close. (No other file can have its inode number, because the
kernel keeps our inode while the socket is open.)
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import socket
import stat
import struct
import tempfile
from pathlib import Path
from typing import Final

import attrs
import trio

from trio_mq._options import Options

from . import kernel_socket, system
from .endpoint import MAX_IPC_PATH, IpcEndpoint
from .failure import attempting
from .listener import Acceptors, Listener
from .lock_file import lock_file
from .stream import SocketStream

# Seconds between two looks at a listener whose backlog is full.
_PAUSE: Final = 0.01
# Where a wildcard's directory is made: the first of these that is set, as with libzmq.
_TEMPORARY: Final = ("TMPDIR", "TEMPDIR", "TMP")
# The kernel's struct ucred: process, user, group (unix(7), SO_PEERCRED).
_CREDENTIALS: Final = struct.Struct("3i")


# -- dial --


async def dial(endpoint: IpcEndpoint, options: Options) -> SocketStream:
    """Make one attempt to connect. Cancelled, it returns at once and leaves no connection.

    Args:
        endpoint: From `parse_connect`.
        options: ``connect_timeout`` bounds how long a listener's full backlog is waited for.

    Raises:
        OSError: There is no such file (``ENOENT``), nobody listens (``ECONNREFUSED``), we may not
            (``EACCES``), or it took too long (`TimeoutError`).
    """
    with attempting(f"cannot connect to {endpoint}", seconds=options.connect_timeout):
        sock = system.unix_socket()
        try:
            kernel_socket.set_buffers(sock, options)
            await _connect(sock, _address(endpoint))
        except BaseException:
            sock.close()
            raise
        return SocketStream(sock, local_address="", peer_address=_shown(endpoint))


async def _connect(sock: socket.socket, address: bytes) -> None:
    while True:
        try:
            return await kernel_socket.connect(sock, address)
        except BlockingIOError:
            await trio.sleep(_PAUSE)


# -- listen --


async def listen(endpoint: IpcEndpoint, options: Options) -> Acceptors[Listener]:
    """Listen on a path, an abstract name, or on a fresh path that only our user can reach.

    The file is removed when the listener closes, unless somebody else's has taken its place.

    Args:
        endpoint: From `parse_bind`.
        options: Of these, buffers, ``backlog`` and ``ipc_mode``.

    Raises:
        OSError: Somebody listens there, or a file that is no socket is in the way
            (``EADDRINUSE``); the directory does not exist or is not ours to write to (``ENOENT``,
            ``ENOTDIR``, ``EACCES``, ``EROFS``); a wildcard's directory has too long a name
            (``ENAMETOOLONG``). Nothing is left listening, and no file.
    """
    with attempting(f"cannot listen on {endpoint}"):
        system.unix_family()  # before anything is made in a folder
        if endpoint.path is None:
            await trio.lowlevel.checkpoint()
            return _listen_on_fresh_path(options)
        if endpoint.abstract:
            await trio.lowlevel.checkpoint()
            return _listen_on(endpoint, options)
        _check_folder(Path(endpoint.path).parent)
        async with lock_file(Path(f"{endpoint.path}.lock")):
            _make_way(Path(endpoint.path))
            return _listen_on(endpoint, options)


def _listen_on_fresh_path(options: Options) -> Acceptors[Listener]:
    parent = next(filter(None, map(os.environ.get, _TEMPORARY)), "/tmp")  # noqa: S108 (below it)
    directory = Path(tempfile.mkdtemp(prefix="trio_mq-", dir=parent)).absolute()
    try:
        return _listen_on(IpcEndpoint(_short_enough(directory / "socket")), options, directory)
    except BaseException:
        with contextlib.suppress(OSError):
            directory.rmdir()
        raise


def _short_enough(path: Path) -> str:
    size = len(os.fsencode(path))
    if size > MAX_IPC_PATH:
        raise OSError(
            errno.ENAMETOOLONG,
            f"{str(path)!r} is {size} bytes long, the system takes {MAX_IPC_PATH}; set TMPDIR",
        )
    return str(path)


def _listen_on(
    endpoint: IpcEndpoint, options: Options, directory: Path | None = None
) -> Acceptors[Listener]:
    sock = system.unix_socket()
    clean_up = _nothing
    try:
        kernel_socket.set_buffers(sock, options)
        sock.bind(_address(endpoint))
        if endpoint.path is not None and not endpoint.abstract:
            path = Path(endpoint.path)
            clean_up = _OwnFile.at(path, directory).remove
            if options.ipc_mode is not None:
                # Nobody can have connected: the socket does not listen yet.
                path.chmod(options.ipc_mode)
        kernel_socket.listen(sock, options)
    except BaseException:
        clean_up()
        sock.close()
        raise
    return Acceptors(
        str(endpoint), (Listener(sock, functools.partial(_stream, _shown(endpoint)), clean_up),)
    )


def _nothing() -> None:
    """Clean up after an abstract name, which vanishes by itself."""


def _make_way(path: Path) -> None:
    """Remove what an ended program left behind, if that is all there is."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(
            errno.EADDRINUSE,
            "the path exists and is not a socket; choose another path or remove it yourself",
        )
    answer = _ask(path)
    if answer == errno.EACCES:
        raise PermissionError(
            answer,
            f"it belongs to {_owner(path)}, and we may not ask whether somebody listens there; "
            "have it removed, or choose another path",
        )
    if answer not in (errno.ECONNREFUSED, errno.ENOENT):
        why = os.strerror(answer) if answer else "somebody listens there"
        raise OSError(errno.EADDRINUSE, f"the path is in use ({why})")
    try:
        path.unlink(missing_ok=True)
    except PermissionError as error:
        raise PermissionError(
            error.errno,
            f"{_owner(path)} has left it behind, and we may not remove it; have it removed, or "
            "choose another path",
        ) from error


def _check_folder(folder: Path) -> None:
    """Say what is wrong with a folder, before it is said of the lock file in it."""
    if not folder.exists():
        raise FileNotFoundError(errno.ENOENT, f"there is no folder {str(folder)!r}: make it first")
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{str(folder)!r} is not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            errno.EACCES,
            f"we may not write to the folder {str(folder)!r} of {_owner(folder)}; "
            "choose another one",
        )


def _owner(path: Path) -> str:
    """Name whom a file belongs to."""
    try:
        return f"user {path.owner()}"
    except (KeyError, OSError):
        return "another user"


def _ask(path: Path) -> int:
    """Try to connect to a path, and return the number of the error, or 0."""
    with system.unix_socket() as probe:
        probe.settimeout(0)
        return probe.connect_ex(bytes(path))


@attrs.frozen(eq=False, repr=False)
class _OwnFile:
    """The socket file that we made, to be told from another one that may lie there later."""

    path: Path
    device: int
    inode: int
    # A forked child inherits the listener, but not the right to remove its parent's file.
    process: int
    # A folder that was made for the file alone, and is removed with it.
    directory: Path | None

    @classmethod
    def at(cls, path: Path, directory: Path | None) -> _OwnFile:
        found = path.lstat()
        # The working directory may be another one when we close.
        return cls(path.absolute(), found.st_dev, found.st_ino, os.getpid(), directory)

    def remove(self) -> None:
        """Remove it if it is still there; never fails."""
        if os.getpid() != self.process:
            return
        with contextlib.suppress(OSError):
            found = self.path.lstat()
            if (found.st_dev, found.st_ino) == (self.device, self.inode):
                self.path.unlink()
        if self.directory is not None:
            with contextlib.suppress(OSError):
                self.directory.rmdir()


# -- addresses --


def _address(endpoint: IpcEndpoint) -> bytes:
    """Return what the kernel takes: a name without a file starts with a zero byte."""
    if endpoint.path is None:
        raise ValueError(f"{endpoint} names no path")
    return (b"\0" if endpoint.abstract else b"") + os.fsencode(endpoint.path)


def _shown(endpoint: IpcEndpoint) -> str:
    return str(endpoint).removeprefix("ipc://")


def _stream(path: str, sock: socket.socket, _address: object) -> SocketStream:
    return SocketStream(sock, local_address=path, peer_address=peer_of(sock))


def peer_of(sock: socket.socket | trio.socket.SocketType) -> str:
    """Say which process is at the other end: it has no address, but the kernel knows it."""
    if not hasattr(socket, "SO_PEERCRED"):
        return "local process"
    answer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, group = _CREDENTIALS.unpack(answer)
    return f"uid={user} gid={group} pid={process}"
