"""Why a handshake failed, in words: where, what happened, and what to do about it.

What the network does is an `OSError`, so that one ``except`` is enough for all of it: silence, a
reset, an end too early. If the two ends don't agree it is a `HandshakeError`; if the peer does not
speak ZMTP, a `RemoteProtocolError`. Many refusals of 0MQ are nothing but the end of the stream at a
certain place, so the text names what usually lies behind it.
"""

from __future__ import annotations

import errno
import ssl
from typing import Final

import attrs
import trio

from trio_mq._errors import MQError
from trio_mq._transports.tls import told
from trio_mq.zmtp import Connection

_NOT_ZMTP: Final = (
    "what listens there is perhaps no 0MQ socket, or a proxy (Docker's, a load balancer's) with "
    "nobody behind it"
)
_NO_TLS: Final = "what listens there perhaps speaks no TLS: tcp:// is not tls://"
_REFUSED: Final = (
    "the other end has probably refused us: its Pair is taken, it has as many peers as it wants "
    "(max_peers), or our routing_id is in use there"
)
_BUSY: Final = (
    "the other end is perhaps overloaded, or does not know yet whether a place is free for us "
    "(its Pair, our routing_id)"
)


@attrs.frozen(eq=False, repr=False)
class Attempt:
    """A handshake that has failed, and what there is to say about it."""

    endpoint: str
    address: str
    #: We connected; otherwise somebody connected to us.
    connecting: bool
    #: Seconds that it was given.
    timeout: float
    connection: Connection

    def explain(self, error: Exception) -> Exception:
        """Return what users get for an error of the handshake."""
        match error:
            case MQError():
                # It was raised for this attempt alone, by code that did not know the endpoint.
                error.args = (f"{self._what}: {error}", *error.args[1:])
                return error
            case trio.TooSlowError():
                return self._silence()
            case ConnectionAbortedError():
                return self._broken(errno.ECONNABORTED, str(error))
            case trio.BrokenResourceError():
                return self._reset(error)
            case trio.ClosedResourceError():
                return self._closed(error)
            case _:
                return error

    @property
    def _what(self) -> str:
        if self.connecting:
            return f"cannot connect to {self.endpoint}"
        return f"cannot accept {self.address} on {self.endpoint}"

    @property
    def _stranger(self) -> str:
        """Say what it may be that has sent no greeting."""
        return _NO_TLS if self.endpoint.startswith("tls://") else _NOT_ZMTP

    def _silence(self) -> OSError:
        why = _BUSY if self.connection.greeted else self._stranger
        return TimeoutError(
            errno.ETIMEDOUT,
            f"{self._what}: connected, but there was no handshake within {self.timeout:g} s "
            f"(handshake_timeout): {self.connection.explain_wait()}; {why}",
        )

    def _reset(self, error: trio.BrokenResourceError) -> OSError:
        cause = error.__cause__
        if isinstance(cause, ssl.SSLError):
            return _of_tls(cause, f"{self._what}: {told(cause)}")
        code = cause.errno if isinstance(cause, OSError) and cause.errno else errno.ECONNABORTED
        if code in (errno.ECONNRESET, errno.EPIPE):
            text = (
                f"the peer reset the connection in the handshake: {self.connection.explain_wait()}"
            )
            broken = self._broken(errno.ECONNRESET, text)
        else:
            broken = OSError(code, f"{self._what}: {error}")
        broken.__cause__ = cause
        return broken

    def _closed(self, error: Exception) -> OSError:
        """The program has given us a stream and closed it."""
        given = "open_stream has returned" if self.connecting else "listener has accepted"
        text = f"the stream that its {given} is closed: it has to be a new one each time"
        closed = ConnectionError(f"{self._what}: {text}")
        closed.__cause__ = error
        return closed

    def _broken(self, code: int, text: str) -> OSError:
        if not self.connecting:
            return OSError(code, f"{self._what}: {text}")
        why = _REFUSED if self.connection.greeted else self._stranger
        return OSError(code, f"{self._what}: {text}; {why}")


def _of_tls(cause: ssl.SSLError, text: str) -> ssl.SSLError:
    """Return an error of the same kind, with more to say."""
    error = type(cause)(cause.errno, text)
    error.__cause__ = cause
    return error
