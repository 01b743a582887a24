"""Who may come in under PLAIN: user names and passwords, in the program or in a file.

Passwords are kept as digests under a key that this process drew: comparing two of them takes the
same time wherever they differ, and whether the user exists or not.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import trio

from trio_mq._log import NO_PASSWORD_IS_GOOD
from trio_mq.auth.files import Stamp, require_interval, stamp_of
from trio_mq.auth.request import Granted, Refused, Request, Verdict
from trio_mq.auth.roll import Roll

_DIGEST_KEY: Final = os.urandom(32)
_NOBODYS: Final = os.urandom(32)
"""What the password of an unknown user is compared with."""

_REFUSED: Final = Refused(400, "no such user, or another password")


def _digest(password: str) -> bytes:
    return hmac.digest(_DIGEST_KEY, password.encode("utf-8", "surrogateescape"), "sha256")


def _judge(request: Request, roll: Roll[str, bytes]) -> Verdict:
    if request.username is None or request.password is None:
        return Refused(400, f"{request.mechanism} shows no password")
    known = roll.find(request.username)
    matches = hmac.compare_digest(_digest(request.password), known or _NOBODYS)
    return roll.grant(request.username, request.username) if known and matches else _REFUSED


class Passwords:
    """Let in whoever knows the password of one of these users.

    Args:
        passwords: From user ids to passwords.

    Raises:
        TypeError: One of them is no ``str``.
    """

    def __init__(self, passwords: Mapping[str, str]) -> None:
        for user_id, password in passwords.items():
            if not isinstance(user_id, str) or not isinstance(password, str):
                raise TypeError(f"the name or the password of {user_id!r} is not a str")
            Granted(user_id)
        self._roll: Roll[str, bytes] = Roll()
        self._roll.replace({name: _digest(password) for name, password in passwords.items()})

    def __repr__(self) -> str:
        return f"<Passwords of {len(self._roll)} users>"

    async def __call__(self, request: Request) -> Verdict:
        """Grant whoever knows the password of the user that they name."""
        return _judge(request, self._roll)


class PasswordFile:
    """Let in whoever knows the password of a user in a file.

    Each line is ``name=password``, as czmq has it, or ``name:password``; empty lines and lines
    that begin with ``#`` say nothing. The file is read again when it changes: a new password lets
    its user in at once, and one that changed or went ends the connections of its user within
    ``reload_interval``. If the file can't be read, nobody may come in, and nobody may stay.

    Args:
        path: The file; see to it that only its owner can read it.
        reload_interval: Seconds between two looks at it, on trio's clock.

    Raises:
        OSError: It can't be read.
        ValueError: A line has another form, or ``reload_interval`` is not above 0.
    """

    def __init__(self, path: str | os.PathLike[str], reload_interval: float = 1.0) -> None:
        self._path: Final = Path(path)
        self._interval: Final = require_interval(reload_interval)
        self._roll: Roll[str, bytes] = Roll()
        self._stamp: Stamp | None = None
        self._unreadable = False
        self._look()

    def __repr__(self) -> str:
        return f"<PasswordFile {self._path} with {len(self._roll)} users>"

    async def __call__(self, request: Request) -> Verdict:
        """Grant whoever knows the password of the user that they name."""
        self._look_again()
        return _judge(request, self._roll)

    async def watch(self) -> None:
        """Look at the file again and again, until cancelled; sockets run this."""
        while True:
            self._look_again()
            await trio.sleep(self._interval)

    def _look_again(self) -> None:
        try:
            self._look()
            self._unreadable = False
        except (OSError, ValueError) as error:
            self._roll.replace({})
            self._stamp = None
            if not self._unreadable:
                self._unreadable = True
                NO_PASSWORD_IS_GOOD.tell(self._path, error)

    def _look(self) -> None:
        stamp = stamp_of(self._path)
        if stamp != self._stamp:
            self._roll.replace(dict(map(self._entry, self._lines())))
            self._stamp = stamp

    def _lines(self) -> list[tuple[int, str]]:
        lines = enumerate(self._text().splitlines(), 1)
        return [(at, line) for at, line in lines if line.strip() and not line.startswith("#")]

    def _text(self) -> str:
        try:
            return self._path.read_text("utf-8")
        except UnicodeDecodeError as error:
            where = error.start
        # Raised outside of the handler above, whose error holds all that is in the file.
        raise ValueError(f"{self._path} is not UTF-8, at byte {where}")

    def _entry(self, numbered: tuple[int, str]) -> tuple[str, bytes]:
        number, line = numbered
        ends = [at for at in (line.find("="), line.find(":")) if at > 0]
        if not ends:
            raise ValueError(f"line {number} of {self._path} does not have the form name=password")
        return line[: min(ends)].strip(), _digest(line[min(ends) + 1 :].strip())
