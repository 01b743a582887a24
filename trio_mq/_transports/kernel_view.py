"""What the kernel knows of the other end of a connection without asking the program there.

A program that is busy, or stopped, answers nothing, and its kernel still acknowledges what we send.
And a kernel keeps a connection open only while a program has it: the end of the program is a FIN
or a reset on the wire. So as long as the other *kernel* acknowledges, the other program exists.

Linux tells with ``TCP_INFO`` (tcp(7)) when the last acknowledgement came, whether anything is on
the way unacknowledged, and how many probes of a shut window had no answer. A local socket needs
nothing of the kind: there is only one kernel, which knows at once when the other program ends.
Elsewhere nothing is known (`Vital.UNKNOWN`).
"""

from __future__ import annotations

import array
import contextlib
import enum
import select
import socket
import struct
import sys
from typing import Final

import attrs

from . import system

_ON_LINUX: Final = sys.platform == "linux"
#: The first fields of ``struct tcp_info``, which have been the same since Linux 2.4: eight bytes
#: and thirteen numbers.
_TCP_INFO: Final = struct.Struct("=8B13I")
_PROBES, _UNACKED, _LAST_SENT, _LAST_ACK = 3, 12, 17, 20
#: Not every version of the socket module has the name.
_TCP_USER_TIMEOUT: Final[int] = getattr(socket, "TCP_USER_TIMEOUT", 18)
#: The largest value that it takes, in milliseconds.
_LONGEST: Final = 2**31 - 1
#: Seconds for an answer to come: TCP's own patience with a host whose distance it does not know yet
#: (RFC 6298, section 2).
ANSWER: Final = 1.0
#: The peer has shut its direction, however much of what it sent is still unread.
_ENDED: Final[int] = sum(getattr(select, name, 0) for name in ("POLLRDHUP", "POLLHUP", "POLLERR"))


class Vital(enum.Enum):
    """What can be known of the other end without an answer from its program."""

    #: Its kernel has acknowledged something within the time in question, so its program exists.
    SPOKE = enum.auto()
    #: It owes no answer: all is acknowledged, or its window is shut and it has answered our probes.
    OWES_NOTHING = enum.auto()
    #: It owes an answer to what was sent just before we looked: that may be on its way.
    OWES = enum.auto()
    #: Something has been on the way to it for longer than that, without an acknowledgement.
    SILENT = enum.auto()
    #: This kind of stream, or this system, can't tell.
    UNKNOWN = enum.auto()


@attrs.frozen(eq=False, repr=False)
class TcpView:
    """One look at ``TCP_INFO``."""

    #: Segments on their way.
    in_flight: int
    #: Probes of a shut window that followed the last acknowledgement.
    unanswered_probes: int
    #: Seconds since the last segment of data was sent, or sent again, and since the last
    #: acknowledgement.
    since_last_sent: float
    since_last_ack: float

    @property
    def unanswered(self) -> bool:
        """What was sent last has had no answer yet.

        A kernel whose buffers are full drops what comes, and answers so. Then the same bytes are in
        flight for a long time and are sent again at ever longer intervals, but get an answer each
        time.
        """
        if self.in_flight:
            return self.since_last_ack > self.since_last_sent
        return self.unanswered_probes > 0

    def vital(self, seconds: float) -> Vital:
        """Judge the last ``seconds``."""
        if self.since_last_ack < seconds:
            return Vital.SPOKE
        if not self.unanswered:
            return Vital.OWES_NOTHING
        # The kernel does not tell when it sent a probe, only that it waited before the second.
        overdue = self.since_last_sent >= ANSWER if self.in_flight else self.unanswered_probes > 1
        return Vital.SILENT if overdue else Vital.OWES


def tcp_view(sock: socket.socket) -> TcpView | None:
    """Look; ``None`` where that is not possible."""
    if not _ON_LINUX:
        return None
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        fields = _TCP_INFO.unpack(raw)
    except (OSError, struct.error):
        return None
    return TcpView(
        in_flight=fields[_UNACKED],
        unanswered_probes=fields[_PROBES],
        since_last_sent=fields[_LAST_SENT] / 1000,
        since_last_ack=fields[_LAST_ACK] / 1000,
    )


def vital(sock: socket.socket, seconds: float) -> Vital:
    """Tell what the other end has shown of itself in the last ``seconds``."""
    if system.is_local(sock):
        return Vital.SPOKE
    view = tcp_view(sock)
    return Vital.UNKNOWN if view is None else view.vital(seconds)


def ended(sock: socket.socket) -> bool:
    """Tell whether the peer's end has arrived, perhaps behind what we have not read."""
    if not hasattr(select, "POLLRDHUP"):
        return False  # elsewhere it shows only when everything before it was read
    poll = select.poll()
    poll.register(sock, _ENDED)
    return bool(poll.poll(0))


def unacknowledged(sock: socket.socket) -> int | None:
    """Return the bytes that the other kernel (ipc: the other program) has not taken yet."""
    if not _ON_LINUX:
        return None
    answer = array.array("i", [0])
    try:
        import fcntl  # noqa: PLC0415  # not every system has it
        import termios  # noqa: PLC0415  # the same

        fcntl.ioctl(sock, termios.TIOCOUTQ, answer)
    except (ImportError, OSError):
        return None
    return answer[0]


def set_user_timeout(sock: socket.socket, seconds: float) -> None:
    """Let the kernel give up data that nobody acknowledges after ``seconds``; 0: its own patience.

    Raises:
        OSError: The connection is over by now.
    """
    if _ON_LINUX:  # elsewhere there is no such option for all connections
        milliseconds = min(round(seconds * 1000), _LONGEST)
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, milliseconds)


@attrs.define(eq=False, repr=False)
class Patience:
    """How long data on one tcp connection may be unacknowledged, not counting shut windows.

    The kernel counts those too: see `_connections.vigil` for what follows from that.
    """

    seconds: float
    #: The kernel's own limit is switched off, because the window was found shut.
    _lifted: bool = False
    #: The last look found a probe without an answer.
    _doubtful: bool = False

    def is_over(self, sock: socket.socket) -> bool:
        """Look, and tell whether the other host has vanished behind its shut window."""
        waiting = unacknowledged(sock)
        if not waiting and not self._lifted:
            return False
        view = tcp_view(sock)
        if view is None:
            return False
        shut = bool(waiting) and not (view.in_flight and view.unanswered)
        if shut is not self._lifted:
            self._lifted = shut
            with contextlib.suppress(OSError):
                set_user_timeout(sock, 0 if shut else self.seconds)
        # A probe that was sent just now proves no silence; one that is unanswered at two looks
        # does.
        before, self._doubtful = self._doubtful, shut and view.unanswered
        return before and self._doubtful and view.since_last_ack > self.seconds
