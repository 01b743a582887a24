"""Listening sockets: they let everybody in, and an error of one visitor affects nobody else."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Protocol, TypeAlias, TypeVar

import attrs
import trio

from trio_mq._log import LISTENER_NOT_CLOSED
from trio_mq._transports.stream import ByteStream

# accept() also reports an error of the connection that it was about to return, or a firewall that
# forbade it (accept(2), "Error handling"). The next visitor may do better.
_VISITOR_ERRORS: Final = frozenset(
    {
        errno.ECONNABORTED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
        errno.EPERM,
        errno.EPROTO,
        errno.ETIMEDOUT,
    }
    | ({errno.ENONET} if hasattr(errno, "ENONET") else set())
)

#: Errors of visitors in a row after which it is the listener, or the system, that has a trouble. It
#: would be tried in circles for ever, and nobody would hear of it.
_MOST_FAILED: Final = 100
#: Connections that are accepted between two waits, which let others run.
_MOST_IN_A_ROW: Final = 16

#: Makes the stream of an accepted socket and of its peer's address, whose form is the family's.
Wrap: TypeAlias = Callable[[socket.socket, Any], ByteStream]


def is_of_a_visitor(error: Exception) -> bool:
    """Tell whether an error of ``accept`` concerns one connection, and the next may do better.

    A listener of the user's may do more than accept, such as a handshake of TLS, in which the
    visitor fails.
    """
    if isinstance(error, (ssl.SSLError, trio.BrokenResourceError)):
        return True  # the numbers of TLS are none of the system's
    return isinstance(error, OSError) and error.errno in _VISITOR_ERRORS


class _Patience:
    """How many errors of visitors in a row are passed over in silence."""

    __slots__ = ("_failed",)

    def __init__(self) -> None:
        self._failed = 0

    def bears(self, error: Exception) -> bool:
        """Tell whether to pass over an error; now and then one of a long row is told."""
        if not is_of_a_visitor(error):
            return False
        self._failed = (self._failed + 1) % _MOST_FAILED
        return self._failed > 0

    def came(self) -> None:
        """A visitor has come."""
        self._failed = 0


class Listener:
    """A listening kernel socket, which it owns from now on.

    Args:
        sock: Bound and listening; made non-blocking.
        wrap: An `OSError` in it costs that connection alone.
        on_close: Called once, before the socket closes, to remove what it left behind, such as a
        file.
    """

    __slots__ = ("_closed", "_in_a_row", "_on_close", "_patience", "_socket", "_wrap")

    def __init__(
        self,
        sock: socket.socket,
        wrap: Wrap,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        sock.settimeout(0)
        self._socket = sock
        self._wrap = wrap
        self._on_close = on_close
        self._closed = False
        #: Connections that were accepted since it last waited for one.
        self._in_a_row = 0
        self._patience = _Patience()

    async def accept(self) -> ByteStream:
        """Wait for a connection; those that fail before they are ours are passed over.

        Cancelled, it took none.

        Raises:
            OSError: The program or the system has run out of descriptors or memory (``EMFILE``,
                ``ENFILE``, ``ENOMEM``, ``ENOBUFS``): the connection still waits, so pause before
                the next call. So it does after one that `is_of_a_visitor`, of which there were many
                in a row. Any other is a broken listener.
            trio.ClosedResourceError: The listener was closed, possibly during this call.
        """
        while True:
            await self._expect()
            self._check_open()
            try:
                accepted, address = self._socket.accept()
            except BlockingIOError:
                self._in_a_row = 0
            except OSError as error:
                self._check_open()
                sure, self._in_a_row = self._in_a_row == 0, 0
                if sure and not self._patience.bears(error):
                    raise
            else:
                self._patience.came()
                self._in_a_row += 1
                if (stream := self._wrapped(accepted, address)) is not None:
                    return stream

    async def _expect(self) -> None:
        """Wait for a visitor, unless one has just come: then the next one is often there too.

        A look without waiting can be wrong: there may be nobody, and the system says that it has
        run out of descriptors whether anybody is there or not.
        """
        self._check_open()
        if 0 < self._in_a_row < _MOST_IN_A_ROW:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            self._in_a_row = 0
            await trio.lowlevel.wait_readable(self._socket.fileno())

    def _wrapped(self, accepted: socket.socket, address: Any) -> ByteStream | None:  # noqa: ANN401  # a socket's address has the form of its family
        try:
            return self._wrap(accepted, address)
        except BaseException as error:
            accepted.close()
            if not isinstance(error, OSError):
                raise
        return None

    def close(self) -> None:
        """Stop listening at once, and wake a task in `accept`; idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._on_close is not None:
                self._on_close()
        finally:
            trio.lowlevel.notify_closing(self._socket.fileno())
            self._socket.close()

    def _check_open(self) -> None:
        if self._closed:
            raise trio.ClosedResourceError("this listener was closed")


class Acceptor(Protocol):
    """One listening socket."""

    async def accept(self) -> ByteStream:
        """Wait for a connection; `OSError` when the system has run out of something."""

    def close(self) -> None:
        """Stop listening, at once."""


_Acceptor_co = TypeVar("_Acceptor_co", bound=Acceptor, covariant=True)


@attrs.frozen(eq=False, repr=False)
class Acceptors(Generic[_Acceptor_co]):
    """What a bind has made: one endpoint, on one or several sockets."""

    #: The endpoint with everything decided, which other programs can connect to.
    endpoint: str
    #: Each needs a task that accepts.
    listeners: tuple[_Acceptor_co, ...]

    def close(self) -> None:
        """Close every listener."""
        for listener in self.listeners:
            listener.close()


#: The system has run out of something: the connection still waits, so a pause helps.
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})


def may_pass(error: Exception) -> bool:
    """Tell whether a pause helps against an error of ``accept``.

    Any other is permanent. (trio's `serve_listeners` draws nearly the same line.)
    """
    if is_of_a_visitor(error):
        return True
    return isinstance(error, OSError) and error.errno in _EXHAUSTED


#: A listener of the user's.
AnyListener: TypeAlias = trio.abc.Listener[trio.abc.Stream]


def listeners_of(given: AnyListener | Sequence[AnyListener]) -> tuple[AnyListener, ...]:
    """Return the listeners that were given: one, or several as `trio.open_tcp_listeners` returns.

    Raises:
        TypeError: It is none, or one of several is none.
    """
    several = (given,) if isinstance(given, trio.abc.Listener) else given
    if not isinstance(several, Sequence) or not several:
        raise TypeError(f"listener is a trio.abc.Listener, or several in a list, not {given!r}")
    for listener in several:
        if not isinstance(listener, trio.abc.Listener):
            raise TypeError(f"listener has {listener!r} in it, which is not a trio.abc.Listener")
    return tuple(several)


class StreamListener:
    """Any trio listener as an `Acceptor`: for TLS, memory streams in tests, and the like."""

    def __init__(
        self,
        listener: trio.abc.Listener[trio.abc.Stream],
        wrap: Callable[[trio.abc.Stream], ByteStream],
    ) -> None:
        self._listener = listener
        self._wrap = wrap
        self._patience = _Patience()

    async def accept(self) -> ByteStream:
        """Wait for a connection; those that fail before they are ours are passed over."""
        while True:
            try:
                stream = await self._listener.accept()
            except Exception as error:
                if not self._patience.bears(error):
                    raise
                await trio.lowlevel.checkpoint()
            else:
                self._patience.came()
                return self._wrap(stream)

    def close(self) -> None:
        """Nothing yet: trio listeners only close asynchronously, see `aclose`."""

    async def aclose(self) -> None:
        """Stop listening. What a listener of the user's raises then is logged."""
        try:
            await trio.aclose_forcefully(self._listener)
        except Exception as error:  # noqa: BLE001  # listeners of users raise what they like
            LISTENER_NOT_CLOSED.tell(repr(self._listener), error=error)
