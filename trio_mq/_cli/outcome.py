"""How a verb ends: its exit code, and the one line on stderr that says why."""

from __future__ import annotations

import enum
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, NoReturn

import click
import trio

import trio_mq


class Exit(enum.IntEnum):
    """What the command says to the shell."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    TIME_OUT = 3
    REFUSED = 4
    INTERRUPTED = 130


CODES: Final = {
    Exit.DONE: "done",
    Exit.ERROR: "an error, such as an endpoint that can't be bound",
    Exit.USAGE: "wrong usage",
    Exit.TIME_OUT: "time-out: the time given with -t was over",
    Exit.REFUSED: "refused: wrong type, wrong mechanism or keys, or no 0MQ there at all",
    Exit.INTERRUPTED: "interrupted with Ctrl-C",
}


class Stop(Exception):  # an end, which need not be an error
    """Ends a verb with a code, and with a line on stderr unless the text is empty."""

    def __init__(self, code: Exit, text: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def run(verb: Callable[[], Awaitable[None]]) -> NoReturn:
    """Run a verb, and exit as it ended."""
    code, text = Exit.DONE, ""
    try:
        trio.run(verb)
    except BaseException as error:  # noqa: BLE001  # every end gets its code
        code, text = _judge(error)
    if text:
        click.echo(f"trio-mq: {text}", err=True)
    sys.stdout.flush()
    sys.stderr.flush()
    # A thread may still be reading stdin, which nothing but the end of the process ends.
    os._exit(code)


def _judge(error: BaseException) -> tuple[Exit, str]:
    """Return the code and the text for whatever has ended the run."""
    found = list(_leaves(error))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in found):
        return Exit.INTERRUPTED, ""
    # An error that has a code of its own comes first; of the others, the first one.
    leaf = next((leaf for leaf in found if isinstance(leaf, Stop)), found[0])
    match leaf:
        case Stop():
            return leaf.code, leaf.text
        case BrokenPipeError():
            # The reader of our output has seen enough, as `head` has after its lines.
            _silence_stdout()
            return Exit.DONE, ""
        case trio_mq.HandshakeError() | trio_mq.zmtp.RemoteProtocolError():
            return Exit.REFUSED, str(leaf)
        case OSError() | trio_mq.MQError():
            return Exit.ERROR, getattr(leaf, "strerror", None) or str(leaf)
        case ValueError() | TypeError():
            return Exit.USAGE, str(leaf)
        case _:
            raise error


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _leaves(member)
    else:
        yield error


def _silence_stdout() -> None:
    """Discard what is left in the buffer, instead of raising at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def restore_signals() -> None:
    """Let Ctrl-C interrupt us also where a shell has started us in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
