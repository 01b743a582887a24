"""The first 64 bytes each way: is this ZMTP, which version, which security mechanism.

::

    offset  0     1 ... 8    9    10      11     12 ... 31   32         33 ... 63
    bytes   ff    padding    7f   major   minor  mechanism   as-server  filler

Both ends send ten bytes at once, and the rest when they see whom they talk to. A peer of ZMTP 2.0
or 1.0 that got all 64 would read the mechanism as a frame, and leave before it had sent its
version; then nobody could tell what it was. So what only ZMTP 3 has is sent after the peer's
eleventh byte, its version::

    connecting   10                         54, after the peer's version
    accepting    10   1, after ten bytes    53, after the peer's version

The second column says what the peer must have sent. libzmq sends its version after ten bytes on
both sides. We do so where we accept: one of the two has to, or both would wait for ever. Where we
connect we do it only after a while (`Connection.say_version`). The reason is a libzmq whose socket
type does not suit ours. If it knew our version it would send its whole greeting, and then get the
rest of ours and our READY in one piece. It would find our type wrong and leave before it had sent
its own READY, and we could not tell why. (RFC 23 and 37, "Greeting".)
"""

from __future__ import annotations

from typing import Final

import attrs

from trio_mq._errors import MechanismMismatch, ProtocolFault, RemoteProtocolError

GREETING_SIZE: Final = 64
_SIGNATURE_SIZE: Final = 10
_WITH_MAJOR: Final = 11
_MECHANISM: Final = slice(12, 32)


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Greeting:
    """What one end says first."""

    version: tuple[int, int] = (3, 1)
    mechanism: str = "NULL"
    as_server: bool = False

    def encode(self) -> bytes:
        """Return the 64 bytes."""
        # The padding is what libzmq sends without a routing id; a ZMTP 1.0 peer reads it as a
        # length, everybody else skips it.
        return (
            b"\xff\x00\x00\x00\x00\x00\x00\x00\x01\x7f"
            + bytes(self.version)
            + self.mechanism.encode("ascii").ljust(20, b"\x00")
            + bytes((self.as_server,))
            + bytes(31)
        )


@attrs.define(eq=False, repr=False)
class GreetingReader:
    """Collects the peer's greeting from any segmentation and faults at the first wrong byte.

    Args:
        mechanism: The only mechanism that we speak.
    """

    mechanism: str
    _received: bytearray = attrs.field(factory=bytearray, init=False)

    def receive(self, data: bytes) -> tuple[Greeting | None, bytes]:
        """Take what belongs to the greeting; return it once whole, and the bytes after it.

        Raises:
            RemoteProtocolError: This is not ZMTP, or an old version of it.
            MechanismMismatch: The peer wants another mechanism.
        """
        missing = GREETING_SIZE - len(self._received)
        self._received += data[:missing]
        self._check()
        if len(self._received) < GREETING_SIZE:
            return None, b""
        return self._greeting(), data[missing:]

    @property
    def version_missing(self) -> bool:
        """Whether the peer has said that it is of ZMTP 2.0 or later, and nothing more."""
        return len(self._received) == _SIGNATURE_SIZE

    @property
    def speaks_ours(self) -> bool:
        """Whether the peer has said that it is of ZMTP 3."""
        received = self._received
        if len(received) <= _SIGNATURE_SIZE or received[0] != 0xFF:
            return False
        return bool(received[9] & 1) and received[10] >= 3

    @property
    def looked_at_ours(self) -> bool:
        """Whether a peer that ends the stream now has judged our greeting, as libzmq does.

        libzmq says ten bytes, looks at ours, and closes without a word if it wants another one.
        """
        return len(self._received) >= _SIGNATURE_SIZE

    def explain_wait(self) -> str:
        """Return how much of the greeting has come."""
        return f"the peer sent {len(self._received)} of the {GREETING_SIZE} bytes of its greeting"

    def explain_end(self) -> str:
        """Return what it means if the stream ends before the greeting does."""
        count = len(self._received)
        if not self.looked_at_ours:
            return f"the peer left after {count} of the {GREETING_SIZE} bytes of its greeting"
        return (
            f"the peer left after {count} of the {GREETING_SIZE} bytes of its greeting, as one does"
            f" whose security mechanism is not {self.mechanism}, or that wants another version"
        )

    def _check(self) -> None:
        received = self._received
        if received and received[0] != 0xFF:
            raise RemoteProtocolError(
                ProtocolFault.NOT_ZMTP,
                f"the peer does not speak ZMTP 3: it begins with {bytes(received[:16])!r}",
            )
        # An even tenth byte is the flags byte of a ZMTP 1.0 frame whose length came before it.
        if len(received) > 9 and not received[9] & 1:
            raise _too_old("1.0")
        if len(received) > 10 and received[10] < 3:
            raise _too_old("1.0" if received[10] == 0 else "2.0" if received[10] == 1 else "2.1")
        if len(received) >= _MECHANISM.stop and self._theirs != self._ours:
            raise MechanismMismatch(
                f"the peer's security mechanism is {_name(self._theirs)}, ours is {self.mechanism}:"
                " configure both ends alike"
            )

    @property
    def _theirs(self) -> bytes:
        return bytes(self._received[_MECHANISM])

    @property
    def _ours(self) -> bytes:
        return self.mechanism.encode("ascii").ljust(20, b"\x00")

    def _greeting(self) -> Greeting:
        major, minor = self._received[_SIGNATURE_SIZE : _MECHANISM.start]
        # as-server is never judged: libzmq sends 0 whatever it is.
        return Greeting(
            version=(major, minor), mechanism=self.mechanism, as_server=self._received[32] == 1
        )


@attrs.define(eq=False, repr=False)
class OurGreeting:
    """Says our greeting, step by step.

    Args:
        unsaid: The 64 bytes, and later what is left of them.
        theirs: What the peer has said.
        version_first: Say our version to a peer that has not said its own.
    """

    unsaid: bytes
    theirs: GreetingReader
    version_first: bool

    @property
    def withholds_version(self) -> bool:
        """Whether we wait for the peer's version while it may be waiting for ours."""
        return self.theirs.version_missing and not self.version_first

    def due(self) -> bytes:
        """Return what a peer that has said this much is ready for, once."""
        size = _SIGNATURE_SIZE
        if self.theirs.speaks_ours:
            size = GREETING_SIZE
        elif self.version_first and self.theirs.version_missing:
            size = _WITH_MAJOR
        due = max(0, size - GREETING_SIZE + len(self.unsaid))
        data, self.unsaid = self.unsaid[:due], self.unsaid[due:]
        return data


def _too_old(version: str) -> RemoteProtocolError:
    return RemoteProtocolError(
        ProtocolFault.VERSION,
        f"the peer speaks ZMTP {version}, which has no security: 3.0 is the least we accept",
    )


def _name(field: bytes) -> str:
    name = field.rstrip(b"\x00")
    if name.isalnum() and name.isupper():
        return name.decode("ascii")
    return repr(name)
