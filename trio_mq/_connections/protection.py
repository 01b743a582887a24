"""What an endpoint needs before it is opened, so that nobody is let in by oversight.

libzmq's server of CURVE lets everybody in if there is no ZAP handler. Here that is an error, unless
the program says that it wants it (`auth.ALLOW_ANY`).
"""

from __future__ import annotations

import inspect
import ipaddress
import warnings
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import trio

from trio_mq._connections.authenticator_failure import ends_the_task
from trio_mq._context import Context, shared_by
from trio_mq._errors import UnencryptedWarning
from trio_mq._log import WATCH_ENDED
from trio_mq._options import Options
from trio_mq._scope import Scope
from trio_mq._transports.endpoint import Endpoint, InprocEndpoint
from trio_mq._transports.schemes import check
from trio_mq.auth.request import Authenticator, Watching

_PACKAGE: Final = str(Path(__file__).parent.parent)
#: Mechanisms that anybody on the way can read.
_IN_THE_CLEAR: Final = ("NULL", "PLAIN")
#: Endpoints that were warned about in this process.
_warned: set[tuple[str, str]] = set()


class Protection:
    """Makes sure that each endpoint of one socket which needs an authenticator has one.

    Args:
        context: Has a ZAP handler, perhaps.
        scope: Runs the tasks of authenticators that watch something.
    """

    def __init__(self, context: Context, scope: Scope) -> None:
        self._context = context
        self._scope = scope
        self._watching: list[Watching] = []

    def of(self, options: Options, given: str, parsed: Endpoint | None, *, bound: bool) -> Options:
        """Return the options of an endpoint, with somebody to ask if there is need.

        Args:
            options: Those given.
            given: The endpoint.
            parsed: The same, unless it is only a label. Nobody is asked about names of inproc.
            bound: Peers will connect to it.

        Raises:
            ValueError: Somebody must be asked, and nobody can be; or the transport lacks something.
        """
        if isinstance(parsed, InprocEndpoint):
            return options
        if parsed is not None:
            check(parsed, options, given, bound=bound)
        if options.authenticator is None and (needs := _who_asks(options, bound=bound)):
            handler = shared_by(self._context).zap_handler()
            if handler is None:
                raise ValueError(
                    f"{given}: {needs} needs somebody to ask who may come in: give "
                    "authenticator=auth.ALLOW_ANY to let everybody in, or auth.Keys, "
                    "auth.KeyFolder, auth.Passwords and the like to choose"
                )
            options = attrs.evolve(options, authenticator=handler)
        self._let_watch(options.authenticator)
        return options

    def _let_watch(self, authenticator: Authenticator | None) -> None:
        if isinstance(authenticator, Watching) and authenticator not in self._watching:
            self._watching.append(authenticator)
            self._scope.spawn_in_background(
                partial(_watch, authenticator), f"trio_mq watch of {authenticator!r}"
            )


def _who_asks(options: Options, *, bound: bool) -> str:
    """Say what wants an authenticator; empty if nothing does."""
    if options.mechanism is not None and options.mechanism.as_server:
        return f"a {options.mechanism.name} server"
    return f"zap_domain={options.zap_domain!r}" if bound and options.zap_domain else ""


@trio.lowlevel.enable_ki_protection
async def _watch(authenticator: Watching) -> None:
    """Let an authenticator watch its files or tables; an error there ends no socket."""
    try:
        await authenticator.watch()
    except BaseException as error:
        # Whatever it is, the connections are not to blame.
        if ends_the_task(error):
            raise
        WATCH_ENDED.tell(repr(authenticator), error=error)


def warn_if_open_to_others(given: str, resolved: str, options: Options) -> None:
    """Warn, once per process and endpoint, of one that others reach and anybody can listen to."""
    mechanism = "NULL" if options.mechanism is None else options.mechanism.name
    if mechanism not in _IN_THE_CLEAR or not resolved.startswith("tcp://"):
        return
    if _is_loopback(resolved.removeprefix("tcp://")) or (given, mechanism) in _warned:
        return
    _warned.add((given, mechanism))
    warnings.warn(
        f"{given} can be reached from other machines, and {mechanism} sends everything in the "
        "clear: give mechanism=auth.CurveServer(…), bind to 127.0.0.1, or filter "
        "trio_mq.UnencryptedWarning if the network is yours alone",
        UnencryptedWarning,
        stacklevel=_level_of_the_program(),
    )


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _level_of_the_program() -> int:
    """Return how many frames above our caller the program is that used the library."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    return level
