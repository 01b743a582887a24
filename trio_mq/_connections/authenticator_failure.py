"""What an authenticator raised: whether it refuses the peer, and what the log may say of it.

Whatever an authenticator raises refuses the peer, and goes no further. Otherwise a stranger could
end the program by making an authenticator raise something that is no `Exception`, such as the
cancellation of asyncio or of a test. Only what ends our own task passes.

The log says which exception it was, where it came from, and what it says; but not if that has
anything of what the peer has shown. An exception may hold a password in many forms: as ``repr`` or
JSON write it, in base64 with the name before it, and so on. So its text is told only if no piece of
the password is in it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

import trio

from trio_mq.auth.request import Request

#: What ends the task in which it is raised, whoever raises it.
_ENDING: Final = (trio.Cancelled, KeyboardInterrupt, SystemExit, GeneratorExit)
#: Letters and digits look the same in every way of writing a text. Fewer in a row say nothing.
_PIECE: Final = re.compile(r"[A-Za-z0-9]{3,}")
#: Bytes of a secret that has such pieces at all; a shorter one is taken to be in every text.
_SHORTEST: Final = 3
_URL_SAFE: Final = str.maketrans("+/", "-_")


def ends_the_task(error: BaseException) -> bool:
    """Tell whether an exception, or one in a group, is not the authenticator's to raise."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(ends_the_task, error.exceptions))
    return isinstance(error, _ENDING)


def failure_text(error: BaseException, request: Request) -> str:
    """Say which exception it was and where it came from, without what the peer showed."""
    text = _text(error)
    if any(_shows(text, secret) for secret in (request.password, request.public_key) if secret):
        text = "its text is not told: it has something of what the peer showed"
    file, line = _place(error.__traceback__)
    return f"{type(error).__name__}({' '.join(text.split())}) in {file}, line {line}"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as problem:  # noqa: BLE001  # it is other people's code, as the rest here
        return f"its text can't be had: {type(problem).__name__}"


def _place(traceback: TracebackType | None) -> tuple[str, int]:
    """Return the file and the line in which an exception was raised."""
    # `traceback.extract_tb` would read the source of every frame, and a peer can cause this often.
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return "?", 0
    return Path(traceback.tb_frame.f_code.co_filename).name, traceback.tb_lineno


def _shows(text: str, secret: str) -> bool:
    """Tell whether a text may have something of a secret."""
    folded = text.casefold()
    return any(piece.casefold() in folded for piece in _pieces(secret))


def _pieces(secret: str) -> Iterator[str]:
    """Yield what a text has in it that shows the secret."""
    # PLC0415: it takes a millisecond to load, and few programs come here.
    import json  # noqa: PLC0415

    raw = secret.encode("utf-8", "surrogateescape")
    if len(raw) < _SHORTEST:
        yield ""  # which is in every text
    yield from (secret, repr(secret)[1:-1], ascii(secret)[1:-1], json.dumps(secret)[1:-1])
    yield from (repr(raw)[2:-1], raw.hex())
    yield from _PIECE.findall(secret)
    for before in range(3):
        # What three bytes become in base64 depends on how many come before them, and not on which.
        encoded = base64.b64encode(bytes(before) + raw).decode()
        inner = encoded[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
        yield from (inner, inner.translate(_URL_SAFE))
