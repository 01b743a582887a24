"""What a connection asks of a security mechanism, and NULL, which does nothing.

A mechanism is given as an option: a small value that knows the keys or passwords and starts one
`Mechanism` per connection. That object writes and reads the commands of the handshake, in the
order that its table in `handshake` says, and afterwards may transform every frame.
"""

from __future__ import annotations

from typing import ClassVar, Final, Protocol, runtime_checkable

import attrs

from trio_mq._errors import LocalProtocolError
from trio_mq._limits import Limits

from .commands import Command
from .handshake import NULL_TABLES, Role, Table
from .large_boxes import LargeBox, SealedBox

INNER_MORE: Final = 0x01
"""Bits of the flags byte *inside* a sealed frame. They differ from those of a frame on the wire
(RFC 26)."""

INNER_COMMAND: Final = 0x02


class MechanismFactory(Protocol):
    """The option: what is the same for all connections."""

    @property
    def name(self) -> str:
        """The name in the greeting, at most 20 upper-case letters and digits."""
        ...

    @property
    def as_server(self) -> bool:
        """Whether the greeting says that we are the server of this mechanism."""
        ...

    def start(self, role: Role, metadata: bytes, limits: Limits) -> Mechanism:
        """Return the state of one new connection.

        Args:
            role: Who opened the connection.
            metadata: How we introduce ourselves, ready for READY or INITIATE.
            limits: What a peer may make us hold.
        """
        ...


class Mechanism(Protocol):
    """One connection's share: its table, the data of its commands, its seal."""

    @property
    def table(self) -> Table:
        """The order of the handshake."""
        ...

    @property
    def clear(self) -> bool:
        """Whether messages travel as they are, so that one encoding serves many connections."""
        ...

    @property
    def overhead(self) -> int:
        """Bytes by which `seal` makes a frame's body longer."""
        ...

    @property
    def metadata(self) -> bytes:
        """How the peer introduced itself; asked for once the table reaches JUDGING."""
        ...

    @property
    def credentials(self) -> tuple[bytes, ...]:
        """What an authenticator is to judge; asked for once the table reaches AUTHENTICATING."""
        ...

    def write(self, command: Command) -> bytes:
        """Return the data of a command that the table tells us to send (never ERROR)."""
        ...

    def read(self, command: Command, data: bytes) -> None:
        """Take the data of a command that the table allowed (never ERROR).

        Raises:
            RemoteProtocolError: The data is not what this mechanism asks for.
            HandshakeError: The peer could not prove what it had to.
        """
        ...

    def seal(self, flags: int, body: bytes, /) -> bytes:
        """Return the body that goes on the wire for an inner frame; not called when clear."""
        ...

    def open(self, body: bytes, /) -> tuple[int, bytes]:
        """Return the flags and the body that the peer gave to `seal`; not called when clear.

        Raises:
            RemoteProtocolError: It was not sealed by our peer, or not in this order.
        """
        ...


@runtime_checkable
class DeferringMechanism(Mechanism, Protocol):
    """A mechanism whose boxes may be sealed and opened in other threads; see `large_boxes`."""

    @property
    def boxes_counted(self) -> int:
        """The count of the last box of ours, whether it is sealed already or not."""
        ...

    def seal_later(self, flags: int, body: bytes, /) -> SealedBox:
        """Take the next count, and return a box that makes of the frame what `seal` would."""
        ...

    def open_later(self, body: bytes, /) -> LargeBox:
        """Judge the count of what the peer has sent, and return its box.

        Raises:
            RemoteProtocolError: It was not sealed in this order.
        """
        ...

    def opened(self, box: LargeBox, /) -> tuple[int, bytes]:
        """Return what `open` would have returned.

        Raises:
            RemoteProtocolError: It was not sealed by our peer.
        """
        ...


@attrs.frozen
class Null:
    """No security: anyone may connect, anyone on the way may read and change (RFC 23, "NULL").

    Use it within one machine, on a network that you trust, or inside a tunnel.
    """

    name: ClassVar[str] = "NULL"
    """Its name in the greeting."""

    as_server: ClassVar[bool] = False
    """Whether the greeting says that we are the server."""

    def start(self, role: Role, metadata: bytes, limits: Limits) -> NullMechanism:
        """Return the state of one new connection."""
        del limits
        return NullMechanism(NULL_TABLES[role], metadata)


@attrs.define(eq=False, repr=False)
class NullMechanism:
    """READY each way, then everything in the clear."""

    table: Table
    _ours: bytes
    metadata: bytes = attrs.field(default=b"", init=False)
    clear: ClassVar[bool] = True
    overhead: ClassVar[int] = 0
    credentials: ClassVar[tuple[bytes, ...]] = ()

    def write(self, command: Command) -> bytes:
        """Return the data of our READY."""
        del command
        return self._ours

    def read(self, command: Command, data: bytes) -> None:
        """Keep the data of the peer's READY."""
        del command
        self.metadata = data

    def seal(self, _flags: int, _body: bytes, /) -> bytes:
        """Refuse: nothing is sealed in the clear."""
        raise LocalProtocolError("NULL seals nothing: send frames as they are")

    def open(self, _body: bytes, /) -> tuple[int, bytes]:
        """Refuse: nothing is sealed in the clear."""
        raise LocalProtocolError("NULL opens nothing: take frames as they are")
