"""Who may come in under CURVE: public keys, in the program or in a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs
import trio

from trio_mq._log import CERTIFICATE_IGNORED, KEY_IGNORED, NO_KEY_IS_GOOD
from trio_mq.auth.certificates import parse_certificate
from trio_mq.auth.curve import Key, key_bytes
from trio_mq.auth.files import Stamp, require_interval, stamp_of
from trio_mq.auth.request import Granted, Refused, Request, Verdict
from trio_mq.auth.roll import Roll
from trio_mq.zmtp.metadata import encode_metadata
from trio_mq.zmtp.z85 import z85_encode

_SUFFIX: Final = ".key"
_LARGEST_FILE: Final = 64 * 1024


def _no_key(request: Request, who: str) -> Refused:
    return Refused(400, f"{who} knows keys of CURVE, and {request.mechanism} shows none")


class Keys:
    """Let in whoever owns one of these public keys.

    Args:
        keys: From user ids to public keys, 40 characters of Z85 or 32 bytes each.

    Raises:
        ValueError: One is not a key, or two users have the same.
    """

    def __init__(self, keys: Mapping[str, Key]) -> None:
        users: dict[str, str] = {}
        for user_id, key in keys.items():
            public = z85_encode(key_bytes(f"the key of {user_id!r}", key))
            if public in users:
                raise ValueError(f"{users[public]!r} and {user_id!r} have the same key")
            users[public] = Granted(user_id).user_id or ""
        self._users: Final = users

    def __repr__(self) -> str:
        return f"<Keys of {len(self._users)} users>"

    async def __call__(self, request: Request) -> Verdict:
        """Grant the owner of a known key."""
        if request.public_key is None:
            return _no_key(request, "Keys")
        user_id = self._users.get(request.public_key)
        return Refused(400, "nobody here has that key") if user_id is None else Granted(user_id)


@attrs.frozen
class _Owner:
    """What a file says about the owner of a key."""

    user_id: str
    metadata: Mapping[str, str]


@attrs.frozen
class _Read:
    """A file, when it was read, and what was in it, if that was a certificate."""

    stamp: Stamp
    found: tuple[str, _Owner] | None


class KeyFolder:
    """Let in whoever owns a public key in a folder of certificates (``*.key``).

    The name of a file, without ``.key``, is the user id; what its metadata says becomes
    `Peer.auth_metadata`. The folder is looked at again while a socket uses it: a file that comes
    lets its owner in at once, and one that goes ends the connections of its owner within
    ``reload_interval``. A file that is not a certificate lets nobody in, and the log names it once.
    If the folder itself can't be read, nobody may come in, and nobody may stay.

    The files are read in trio's thread, since each is read once; keep the folder on a local disk.

    Args:
        path: The folder. `write_certificate`, czmq and ``zmq.auth`` write such files.
        reload_interval: Seconds between two looks at it, on trio's clock.

    Raises:
        OSError: The folder can't be read.
        ValueError: ``reload_interval`` is not above 0.
    """

    def __init__(self, path: str | os.PathLike[str], reload_interval: float = 1.0) -> None:
        self._path: Final = Path(path)
        self._interval: Final = require_interval(reload_interval)
        self._roll: Roll[str, _Owner] = Roll()
        self._files: dict[str, _Read] = {}
        self._changed: int | None = None
        self._unreadable = False
        self._watchers = 0
        self._look()

    def __repr__(self) -> str:
        return f"<KeyFolder {self._path} with {len(self._roll)} keys>"

    async def __call__(self, request: Request) -> Verdict:
        """Grant the owner of a key in the folder."""
        if request.public_key is None:
            return _no_key(request, "KeyFolder")
        # A program that asks us from an authenticator of its own may have forgotten to run `watch`.
        self._look_again(only_for_new_files=self._watchers > 0)
        owner = self._roll.find(request.public_key)
        if owner is None:
            return Refused(400, f"nobody in {self._path} has that key")
        return self._roll.grant(request.public_key, owner.user_id, owner.metadata)

    async def watch(self) -> None:
        """Look at the folder again and again, until cancelled; sockets run this."""
        self._watchers += 1
        try:
            while True:
                self._look_again()
                await trio.sleep(self._interval)
        finally:
            self._watchers -= 1

    def _look_again(self, *, only_for_new_files: bool = False) -> None:
        try:
            if only_for_new_files and self._path.stat().st_mtime_ns == self._changed:
                return
            self._look()
            self._unreadable = False
        except OSError as error:
            self._roll.replace({})
            self._files, self._changed = {}, None
            if not self._unreadable:
                self._unreadable = True
                NO_KEY_IS_GOOD.tell(self._path, error)

    def _look(self) -> None:
        changed = self._path.stat().st_mtime_ns
        self._files = {name: self._read(path, name) for name, path in _certificates(self._path)}
        owners: dict[str, _Owner] = {}
        for name, read in self._files.items():
            if read.found is None:
                continue
            key, owner = read.found
            if owners.setdefault(key, owner) is not owner:
                KEY_IGNORED.tell(name, self._path, repr(owners[key].user_id))
        self._roll.replace(owners)
        self._changed = changed

    def _read(self, path: Path, name: str) -> _Read:
        before = self._files.get(name)
        stamp = stamp_of(path)
        if before is not None and before.stamp == stamp:
            return before
        try:
            return _Read(stamp, _owner(path))
        except (OSError, ValueError) as error:
            CERTIFICATE_IGNORED.tell(path, error)
            return _Read(stamp, None)


def _certificates(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the public certificates in a folder, in the order of their names."""
    for path in sorted(folder.iterdir()):
        if path.name.endswith(_SUFFIX) and not path.name.startswith("."):
            yield path.name, path


def _owner(path: Path) -> tuple[str, _Owner]:
    """Return the key in a public certificate and whose it is."""
    with path.open("rb") as file:
        certificate = parse_certificate(file.read(_LARGEST_FILE).decode())
    metadata = {n: value for n, value in certificate.metadata.items() if _fits(n, value)}
    user_id = path.name.removesuffix(_SUFFIX)
    Granted(user_id, metadata)
    return certificate.public, _Owner(user_id, metadata)


def _fits(name: str, value: str) -> bool:
    """Tell whether metadata of a file can be metadata of a peer."""
    try:
        Granted(metadata={name: value})
        encode_metadata({name: value.encode()})
    except ValueError:
        return False
    return True
