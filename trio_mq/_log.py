"""Every line that the library writes to the log, as data: one place to look, and one to translate.

The logger ``trio_mq`` has a child for each concern, so that each can be turned up or down alone.
The page ``docs/reference/log_records.rst`` is made from `RECORDS`, and a test sees to it that
nothing is logged in any other way.

The levels mean what an operator makes of them. ERROR: something does not work any more and won't by
itself. WARNING: somebody should look, once; what repeats is told again when it changes, or with its
number. INFO: ordinary life, such as peers that come and go. DEBUG: every step.
"""

from __future__ import annotations

import logging
import math
import traceback
from typing import Final

import attrs
import trio

#: Seconds between two lines about the same: at first, and while it goes on.
_QUIET: Final = 1.0
_MOST_QUIET: Final = 60.0


@attrs.frozen
class Record:
    """One kind of line in the log."""

    concern: str
    """The logger below ``trio_mq``."""

    level: int
    """Of `logging`."""

    text: str
    """For ``%`` with the values."""

    when: str
    """What has happened, for people who find the line."""

    _logger: logging.Logger = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_logger", logging.getLogger(f"trio_mq.{self.concern}"))

    @property
    def is_wanted(self) -> bool:
        """Tell whether anybody would see it."""
        return self._logger.isEnabledFor(self.level)

    def tell(self, *values: object, error: BaseException | None = None) -> None:
        """Write the line.

        Args:
            *values: Of the text. Peers may have said them, so no line break gets through.
            error: Its traceback follows.
        """
        if self.is_wanted:
            try:
                self._logger.log(
                    self.level, self.text, *map(_in_one_line, values), exc_info=error, stacklevel=2
                )
            except Exception:  # noqa: BLE001  # a filter of the user's raises what it likes
                # A handler of the program has failed. That is not the peer's fault, nor ours, so no
                # socket ends because of it. `logging` treats its handlers alike
                # (`Handler.handleError`).
                if logging.raiseExceptions:
                    traceback.print_exc()


class Sparingly:
    """A record that others can cause at will: a line a second at most, with the number left out.

    While it goes on, the lines become fewer, down to one a minute.

    Args:
        record: The last value in its text is that number, in words.
        about: What it is about: the next line about that says the number.
    """

    __slots__ = ("_about", "_quiet", "_quiet_until", "_record", "_untold")

    def __init__(self, record: Record, about: str) -> None:
        self._record = record
        self._about = about
        self._quiet = _QUIET
        self._quiet_until = -math.inf
        self._untold = 0

    def tell(self, *values: object) -> None:
        """Write the line, or count it."""
        now = trio.current_time()
        if now < self._quiet_until:
            self._untold += 1
            return
        goes_on = self._untold and now < self._quiet_until + _MOST_QUIET
        self._quiet = min(_MOST_QUIET, 2 * self._quiet) if goes_on else _QUIET
        self._quiet_until = now + self._quiet
        untold, self._untold = self._untold, 0
        more = f" (and {untold} more since the last line about {self._about})" if untold else ""
        self._record.tell(*values, more)


def _in_one_line(value: object) -> object:
    """Return a value for a line of text: what could end the line is written as an escape."""
    if isinstance(value, (int, float)):
        return value
    text = str(value)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


_DEBUG, _INFO, _WARNING, _ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR

# -- endpoints --

LISTENING: Final = Record(
    "endpoints",
    _INFO,
    "%s listens on %s",
    "An endpoint was bound.",
)
LISTENING_STOPPED: Final = Record(
    "endpoints",
    _INFO,
    "%s has stopped listening on %s",
    "A bound endpoint was unbound, or its socket closed.",
)
DIAL_FAILED: Final = Record(
    "endpoints",
    _WARNING,
    "%s: %s; it goes on trying",
    "A connected endpoint can't be reached: at the first failure, and whenever the reason changes. "
    "Where nobody listens, a service may just be starting: then it comes after half a second.",
)
RETRYING: Final = Record(
    "endpoints",
    _DEBUG,
    "%s dials %s again in %.3f s: %s",
    "A connected endpoint pauses before it dials again.",
)
BOUND_ELSEWHERE: Final = Record(
    "endpoints",
    _WARNING,
    "cannot connect to %s: %s",
    "A name of inproc is bound in another trio run.",
)
ACCEPT_FAILED: Final = Record(
    "endpoints",
    _WARNING,
    "%s on %s cannot accept connections: %s",
    "The system has no descriptors or memory left; the socket goes on trying.",
)
LISTENER_BROKEN: Final = Record(
    "endpoints",
    _ERROR,
    "%s on %s has a broken listener (%s): unbind it and bind it again",
    "A listener raised an error that is permanent.",
)
LISTENER_NOT_CLOSED: Final = Record(
    "endpoints",
    _ERROR,
    "a listener could not be closed: %s",
    "A listener that the program has given to ``bind`` raised this while it was being closed.",
)

# -- connections --

ACCEPTED: Final = Record(
    "connections",
    _DEBUG,
    "%s on %s accepted a connection from %s",
    "Somebody connected; the handshake follows.",
)
CONNECTED: Final = Record(
    "connections",
    _INFO,
    "%s is connected to %s (%s)",
    "A handshake succeeded.",
)
DISCONNECTED: Final = Record(
    "connections",
    _INFO,
    "%s is no longer connected to %s (%s): %s",
    "A peer left, its connection was lost, or it was ended here.",
)
MISBEHAVED: Final = Record(
    "connections",
    _WARNING,
    "%s ended its connection to %s (%s): %s%s",
    "A peer broke ZMTP or exceeded a limit. At most a line a second for each endpoint; it says "
    "how many were left out.",
)
CRASHED: Final = Record(
    "connections",
    _ERROR,
    "%s lost its connection to %s (%s) by a bug: %s",
    "An error in the library ended a connection. Please report it.",
)
VANISHED: Final = Record(
    "connections",
    _WARNING,
    "%s gave up %s, which was silent: %d bytes that were written had not arrived",
    "A peer vanished, and with it what was on its way there.",
)
REFUSED: Final = Record(
    "connections",
    _WARNING,
    "%s: %s%s",
    "Somebody connected, and the handshake failed. At most a line a second for each endpoint; "
    "it says how many were left out.",
)
HANDSHAKE_ENDED: Final = Record(
    "connections",
    _DEBUG,
    "%s on %s: no handshake with %s: %s",
    "A connection ended before its handshake was done, and that is ordinary (somebody looked "
    "whether the port is open) or is told in another line.",
)

# -- messages --

DROPPED: Final = Record(
    "messages",
    _WARNING,
    "%s dropped %d %s: %s%s; statistics() has them by peer",
    "Messages were lost that somebody will miss. At most a line a second for each socket.",
)
LEFT_BEHIND: Final = Record(
    "messages",
    _INFO,
    "%s dropped %d %s: %s%s; statistics() has them by peer",
    "Messages went no further because the peers that they were for have left.",
)
UNDELIVERED: Final = Record(
    "messages",
    _WARNING,
    "%s closed with %d %s undelivered to %s",
    "Messages still waited when ``linger`` was over.",
)
ABANDONED: Final = Record(
    "messages",
    _DEBUG,
    "%s closed with %d %s undelivered to %s",
    "Messages still waited, and the program wanted the end at once.",
)
BUDGET_USED_UP: Final = Record(
    "messages",
    _WARNING,
    "%s reads no more until some of the %d bytes that wait are received: that is all that "
    "Limits.receive_budget allows",
    "The program receives more slowly than its peers send. At most a line a minute.",
)
SUBSCRIBED: Final = Record(
    "messages",
    _DEBUG,
    "%s: %s subscribed to %s",
    "A peer wants a topic.",
)
UNSUBSCRIBED: Final = Record(
    "messages",
    _DEBUG,
    "%s: %s no longer wants %s",
    "A peer no longer wants a topic, or left.",
)

# -- requests --

REQUEST_GIVEN_UP: Final = Record(
    "requests",
    _WARNING,
    "%s gave up a request that nobody could get: %s%s",
    "A call was cancelled, often by a time-out, while nobody was connected. The line has the last "
    "error of the endpoint. At most a line a second for each socket.",
)
REPLY_ASTRAY: Final = Record(
    "requests",
    _INFO,
    "Req got no reply from %s, which may come later, over another connection: %s",
    "A request was given up, and the service could still answer it.",
)

HANDLER_FAILED: Final = Record(
    "requests",
    _ERROR,
    "%s: a handler has failed, and so a request of %s is %s",
    "A function that was given to ``serve`` raised an error.",
)

# -- auth --

AUTHENTICATOR_FAILED: Final = Record(
    "auth",
    _ERROR,
    "%s%s",
    "An authenticator raised an error, so the peer is refused. At most a line a second for each "
    "endpoint; it says how many were left out.",
)
WATCH_ENDED: Final = Record(
    "auth",
    _ERROR,
    "%s has stopped watching: what it revokes now ends no connection",
    "The ``watch`` of an authenticator raised an error.",
)
NO_KEY_IS_GOOD: Final = Record(
    "auth",
    _ERROR,
    "no key in %s is good: it cannot be read: %s",
    "The folder of a `KeyFolder` is gone, or forbidden.",
)
KEY_IGNORED: Final = Record(
    "auth",
    _WARNING,
    "%s in %s has the key of %s and is ignored",
    "Two certificates in a `KeyFolder` have the same key.",
)
CERTIFICATE_IGNORED: Final = Record(
    "auth",
    _WARNING,
    "%s lets nobody in: %s",
    "A certificate in a `KeyFolder` can't be read.",
)
NO_PASSWORD_IS_GOOD: Final = Record(
    "auth",
    _ERROR,
    "no password in %s is good: %s",
    "The file of a `PasswordFile` can't be read, or a line of it is wrong.",
)

# -- wire --

WIRE_IN: Final = Record(
    "wire",
    _DEBUG,
    "%s < %s",
    "A frame arrived. Connections look at the level when they begin, so set it before.",
)
WIRE_OUT: Final = Record(
    "wire",
    _DEBUG,
    "%s > %s",
    "A frame was written, or is being written.",
)

RECORDS: Final[dict[str, Record]] = {
    name: record for name, record in globals().items() if isinstance(record, Record)
}
"""Every record by its name."""
