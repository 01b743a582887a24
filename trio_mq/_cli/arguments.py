"""Options of the command line that several verbs share, and how their texts become values."""

from __future__ import annotations

import ast
import difflib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeVar

import attrs
import click

from trio_mq import Options
from trio_mq._cli.formats import Format
from trio_mq._cli.security import Credentials

_F = TypeVar("_F", bound=Callable[..., object])
_T = TypeVar("_T")

#: What people type, and Python spells otherwise.
_WORDS: Final[dict[str, object]] = {
    "true": True,
    "yes": True,
    "false": False,
    "no": False,
    "none": None,
    "inf": math.inf,
}
_FIELDS: Final = {field.name: field for field in attrs.fields(Options)}


def all_of(*decorators: Callable[[_F], _F]) -> Callable[[_F], _F]:
    """Return one decorator for several, in the order in which their help is shown."""

    def decorate(function: _F) -> _F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def number(
    *names: str, default: float, text: str, least: float = 0, metavar: str | None = None
) -> Callable[[_F], _F]:
    """Return an option for a number, a whole one if its default is, whose help shows the default.

    Args:
        *names: How it is written.
        default: What it is otherwise.
        text: What the help says of it.
        least: The smallest that is allowed.
        metavar: What the help calls the number.
    """
    whole = isinstance(default, int)
    kind = click.IntRange(min=int(least)) if whole else click.FloatRange(min=least)
    return click.option(
        *names, type=kind, default=default, show_default=True, metavar=metavar, help=text
    )


def wait_peers(default: int) -> Callable[[_F], _F]:
    """Return the option for the number of peers to wait for."""
    text = "Begin when this many peers (of pub: subscribers) are there."
    return number("--wait-peers", default=default, metavar="N", text=text)


places: Final = all_of(
    click.option(
        "-b", "--bind", "binds", multiple=True, metavar="ENDPOINT", help="Listen there; repeatable."
    ),
    click.option(
        "-c",
        "--connect",
        "connects",
        multiple=True,
        metavar="ENDPOINT",
        help="Connect there; repeatable.",
    ),
)


def require_place(binds: Sequence[str], connects: Sequence[str]) -> None:
    """Refuse a socket that would have nobody to talk to.

    Raises:
        click.UsageError: There is no endpoint.
    """
    if not (binds or connects):
        raise click.UsageError("give an endpoint: -b ENDPOINT to listen, -c ENDPOINT to connect")


security: Final = all_of(
    click.option("--username", help="PLAIN: who we are.", metavar="NAME"),
    click.option(
        "--password",
        envvar="TRIO_MQ_PASSWORD",
        metavar="TEXT",
        help="PLAIN: our password; $TRIO_MQ_PASSWORD is seen by fewer people.",
    ),
    click.option(
        "--passwords",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="PLAIN: be the server; lines of name=password.",
    ),
    click.option(
        "--key",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="CURVE: our secret certificate, from `trio-mq keygen`.",
    ),
    click.option(
        "--server-key",
        metavar="KEY|FILE",
        help="CURVE: the server's public key; without it, --key makes us the server.",
    ),
    click.option(
        "--allow",
        metavar="FOLDER|any",
        help="CURVE server: the public certificates of those who may come in.",
    ),
)

tuning: Final = all_of(
    click.option("--identity", metavar="NAME", help="The name by which a Router knows us."),
    click.option(
        "--option",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="Any option of the library, such as send_hwm=10; repeatable.",
    ),
)


def examples(*lines: str) -> str:
    """Return the end of a help text, in which the lines stay as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def _shortcut(letter: str, name: str, format_: Format, text: str) -> Callable[[_F], _F]:
    return click.option(letter, name, "format_", flag_value=format_.value, help=text)


formats: Final = all_of(
    click.option(
        "--format",
        "format_",
        type=click.Choice([each.value for each in Format]),
        default=Format.LINES.value,
        show_default=True,
        help="How messages are written and read; see `trio-mq cheat`.",
    ),
    _shortcut("-A", "--ascii", Format.LINES, "A line per message, frames parted by tabs."),
    _shortcut("-Q", "--quoted", Format.QUOTED, r"The same with \n, \t and \xff for what is odd."),
    _shortcut("-J", "--jsonl", Format.JSONL, "A JSON array of frames per message."),
    _shortcut("-0", "--nul", Format.NUL, "Messages end with a zero byte."),
    click.option("--hex", "format_", flag_value=Format.HEX.value, help="Hexadecimal digits."),
    click.option("--raw", "format_", flag_value=Format.RAW.value, help="Bytes as they are."),
)

verbose: Final = click.option(
    "-v", "--verbose", is_flag=True, help="Print events of the socket to stderr."
)


def credentials(
    *,
    username: str | None,
    password: str | None,
    passwords: Path | None,
    key: Path | None,
    server_key: str | None,
    allow: str | None,
) -> dict[str, object]:
    """Return the options of a socket that keys and passwords make.

    Raises:
        click.UsageError: They don't go together, or a file is of the wrong kind.
    """
    given = Credentials(
        username=username,
        password=password,
        passwords=passwords,
        key=key,
        server_key=server_key,
        allow=allow,
    )
    return checked(given.options)


def options_of(identity: str | None, settings: Sequence[str]) -> dict[str, object]:
    """Return options from ``name=value`` texts.

    Raises:
        click.UsageError: There is no such option, or it does not take that value.
    """
    options = dict(_setting(text) for text in settings)
    if identity is not None:
        options["routing_id"] = identity.encode()
    checked(lambda: Options(**options))  # type: ignore[arg-type]  # its validators look at each
    return options


def _setting(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--option {text}: write NAME=VALUE")
    if name not in _FIELDS:
        near = difflib.get_close_matches(name, _FIELDS, 1)
        hint = f"; perhaps {near[0]}" if near else ""
        raise click.UsageError(f"--option {text}: there is no option {name}{hint}")
    if isinstance(_FIELDS[name].default, bytes):
        return name, value.encode()
    return name, value_of(value)


def value_of(text: str) -> object:
    """Return what a text means: a number, true, false, none, or itself."""
    word = text.strip().lower()
    if word in _WORDS:
        return _WORDS[word]
    try:
        value: object = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return value


def checked(make: Callable[[], _T]) -> _T:
    """Make something from what the user gave; an error in that is reported as wrong usage."""
    try:
        return make()
    except (ValueError, TypeError, ImportError) as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.UsageError(f"{error.filename or ''}: {error.strerror or error}") from None
