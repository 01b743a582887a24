"""What is told of an exception that an authenticator raised, and what goes further."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable

import pytest
import trio
import trio.testing

from trio_mq import auth
from trio_mq._connections.authenticator_failure import ends_the_task, failure_text

#: What a password may be made of: what is escaped, what is not, and what has nothing else.
PASSWORDS = (
    "s3cret",
    "back\\slash",
    "two\nlines",
    "quo'te\"s",
    "caf\u00e9",
    "\u5bc6\u7801\u5bc6\u7801",
    "\udcff\udcfe\udcfd",
    "\\\n'\"",
    "a",
    "\u00e9",
)
#: How a password gets into the text of an exception.
FORMS: dict[str, Callable[[str], object]] = {
    "itself": lambda password: password,
    "in other words": lambda password: f"ldap://alice:{password}@host",
    "repr": repr,
    "ascii": ascii,
    "of its bytes": lambda password: repr(_bytes(password)),
    "hex": lambda password: _bytes(password).hex().upper(),
    "base64": lambda password: base64.b64encode(_bytes(password)),
    "base64 after a name": lambda password: base64.b64encode(b"al:" + _bytes(password)),
    "base64 after a longer name": lambda password: base64.b64encode(b"ali:" + _bytes(password)),
    "base64 after the longest": lambda password: base64.urlsafe_b64encode(
        b"alic:" + _bytes(password) + b"."
    ),
    "json": lambda password: json.dumps({"password": password}),
    "in a key": lambda password: KeyError(f"alice:{password}"),
    "of a group": lambda password: ExceptionGroup(password, [ValueError(password)]),
    "in upper case": str.upper,
}


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogateescape")


def raised(error: BaseException) -> BaseException:
    """Return an exception that has been raised here."""
    with pytest.raises(type(error)):
        raise error
    return error


def asked(password: str) -> auth.Request:
    """Return a question about somebody who shows this."""
    return auth.Request(mechanism="PLAIN", username="alice", password=password)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("password", PASSWORDS, ids=ascii)
def test_nothing_of_a_password_is_told(password: str, form: str) -> None:
    """Whatever it looks like there."""
    error = raised(ValueError(FORMS[form](password)))
    assert failure_text(error, asked(password)) == (
        "ValueError(its text is not told: it has something of what the peer showed) "
        f"in {__file__.rpartition('/')[2]}, line {line_of(error)}"
    )


def line_of(error: BaseException) -> int:
    """Return the line in which it was raised."""
    assert error.__traceback__ is not None
    return error.__traceback__.tb_lineno


@pytest.mark.parametrize("password", ["s3cret", "correct horse battery staple", "caf\u00e9 noir"])
def test_what_has_nothing_of_it_is_told(password: str) -> None:
    """An operator has to know."""
    error = raised(OSError("ldap.example: nobody\n listens"))
    assert "OSError(ldap.example: nobody listens) in test_" in failure_text(error, asked(password))


def test_who_shows_nothing_keeps_nothing_back() -> None:
    """As under NULL."""
    assert "ValueError(s3cret)" in failure_text(
        raised(ValueError("s3cret")), auth.Request(mechanism="NULL")
    )


def test_the_line_is_the_innermost() -> None:
    """Where it was raised, and not where it was called."""
    with pytest.raises(ValueError, match="201") as caught:
        auth.Refused(201)
    assert "in request.py, line" in failure_text(caught.value, asked("s3cret"))
    assert failure_text(ValueError(), asked("s3cret")) == "ValueError() in ?, line 0"


def test_an_exception_without_a_text_is_told_all_the_same() -> None:
    """Its own code is other people's too."""

    class Odd(Exception):
        def __str__(self) -> str:
            raise KeyError("s3cret")

    assert "Odd(its text can't be had: KeyError) in" in failure_text(raised(Odd()), asked("s3cret"))


async def test_only_what_ends_our_own_task_goes_further() -> None:
    """Also out of a group, in which trio's nurseries put what their tasks raise."""
    for answer in (ValueError(), asyncio.CancelledError(), BaseException(), MemoryError()):
        assert not ends_the_task(answer)
        assert not ends_the_task(BaseExceptionGroup("", [ValueError(), answer]))
    for ending in (KeyboardInterrupt(), SystemExit(), GeneratorExit(), await cancelled()):
        assert ends_the_task(ending)
        inner = BaseExceptionGroup("", [ValueError(), ending])
        assert ends_the_task(BaseExceptionGroup("", [ValueError(), inner]))


async def cancelled() -> BaseException:
    """Return the exception by which trio cancels."""
    caught: BaseException | None = None
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as error:
            caught = error
            raise
    assert caught is not None
    return caught
