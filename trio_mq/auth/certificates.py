"""Certificate files as czmq and ``zmq.auth`` write and read them.

::

    #   comments
    metadata
        name = "alice"
    curve
        public-key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
        secret-key = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"

``alice.key`` holds the public half, ``alice.key_secret`` both.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import attrs

from trio_mq.auth.curve import CurveKeys, Key, key_bytes
from trio_mq.zmtp.z85 import z85_encode

_LARGEST: Final = 64 * 1024
"""No certificate has more bytes: a larger file is something else."""

_NAME: Final = re.compile(r"[^/\x00]+")
_LINE: Final = re.compile(r"""\s+([^\s=]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|(.*?))\s*""")
_PUBLIC_HEAD: Final = """\
#   ZeroMQ CURVE public certificate
#   Give it to the peers that should know this key; nothing in it is secret.
"""
_BOTH_HEAD: Final = """\
#   ZeroMQ CURVE **secret** certificate
#   Keep it to yourself: whoever can read it can be you.
"""


@attrs.frozen(kw_only=True)
class Certificate:
    """What a certificate file says."""

    public: str
    """The public half in Z85."""

    secret: str | None = attrs.field(default=None, repr=False)
    """The secret half in Z85; ``None`` in a public certificate."""

    metadata: Mapping[str, str] = attrs.field(factory=dict)
    """What else it says, such as a name or an address."""

    @property
    def keys(self) -> CurveKeys:
        """Both halves.

        Raises:
            ValueError: This is a public certificate, or its halves don't belong together.
        """
        if self.secret is None:
            raise ValueError(
                "a public certificate has no secret key: read the file that ends in .key_secret"
            )
        return CurveKeys(public=self.public, secret=self.secret)


def read_certificate(path: str | os.PathLike[str]) -> Certificate:
    """Read a certificate file, public or secret.

    Args:
        path: The file, such as ``keys/alice.key`` or ``keys/alice.key_secret``.

    Raises:
        OSError: It can't be read.
        ValueError: It is not a certificate. The error does not show what is in it.
    """
    with Path(path).open("rb") as file:
        content = file.read(_LARGEST + 1)
    try:
        if len(content) > _LARGEST:
            raise ValueError("it is too large")  # noqa: TRY301  # to get the path into the text
        return parse_certificate(content.decode())
    except ValueError as error:
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
    raise ValueError(f"{os.fspath(path)} is not a certificate: {why}")


def parse_certificate(text: str) -> Certificate:
    """Read the text of a certificate.

    Raises:
        ValueError: It is none.
    """
    section, found = "", dict[tuple[str, str], str]()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not line[0].isspace():
            section = line.strip()
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError(f'line {number} does not have the form name = "value"')
        name, *values = match.groups()
        found[section, name] = next(value for value in values if value is not None)
    if ("curve", "public-key") not in found:
        raise ValueError("it has no public-key in its section curve")
    secret = found.get(("curve", "secret-key"))
    return Certificate(
        public=_checked("public-key", found["curve", "public-key"]),
        secret=None if secret is None else _checked("secret-key", secret),
        metadata=MappingProxyType(
            {name: value for (part, name), value in found.items() if part == "metadata"}
        ),
    )


def _checked(name: str, key: Key) -> str:
    return z85_encode(key_bytes(name, key))


def write_certificate(
    folder: str | os.PathLike[str],
    name: str,
    keys: CurveKeys,
    metadata: Mapping[str, str] | None = None,
) -> tuple[Path, Path]:
    """Write ``name.key`` and ``name.key_secret``, which czmq and ``zmq.auth`` read too.

    Each file appears whole or not at all, and replaces one of the same name. The secret one can be
    read by its owner only (mode 0600).

    Args:
        folder: Where to; it exists.
        name: Of the files, and for a `KeyFolder` of the user.
        keys: What to write.
        metadata: What else to write into both, such as an address.

    Returns:
        The paths of the public and of the secret file.

    Raises:
        OSError: They can't be written.
        ValueError: The name or the metadata can't be written in this form.
    """
    if not _NAME.fullmatch(name) or name in {".", ".."}:
        raise ValueError(f"name={name!r} is not allowed: give the name of a file, without a path")
    said = _section("metadata", dict(metadata or {}))
    public = Path(folder) / f"{name}.key"
    secret = Path(folder) / f"{name}.key_secret"
    halves = {"public-key": keys.public}
    _replace(public, _PUBLIC_HEAD + said + _section("curve", halves), mode=0o644)
    halves["secret-key"] = keys.secret
    _replace(secret, _BOTH_HEAD + said + _section("curve", halves), mode=0o600)
    return public, secret


def _section(title: str, lines: Mapping[str, str]) -> str:
    for name, value in lines.items():
        match = _LINE.fullmatch(f' {name} = "{value}"')
        if match is None or match[2] != value or not value.isprintable() or name[:1] == "#":
            raise ValueError(
                f"metadata {name!r} cannot be written: names have no spaces, values no quotes or "
                "line ends"
            )
    return f"{title}\n" + "".join(f'    {name} = "{value}"\n' for name, value in lines.items())


def _replace(path: Path, text: str, *, mode: int) -> None:
    """Write a file next to its place, then move it there: nobody ever reads half of it."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
