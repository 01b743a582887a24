"""What a link asks of the endpoint that made it, a dialer or a listener, and tells it."""

from __future__ import annotations

from typing import Protocol, TypeVar

from trio_mq._connections.doorkeeper import Doorkeeper
from trio_mq._options import Options

#: The kind of link: a protocol of links need not know `Link`, which imports it.
LinkT_contra = TypeVar("LinkT_contra", contravariant=True)


class LinkOrigin(Protocol[LinkT_contra]):
    """The endpoint that made a link."""

    @property
    def endpoint(self) -> str:
        """As the user knows it."""

    @property
    def options(self) -> Options:
        """Those of this endpoint."""

    @property
    def keeper(self) -> Doorkeeper:
        """Limits what the peer may cost until its handshake is done."""

    def established(self, link: LinkT_contra) -> None:
        """A handshake succeeded.

        It learns that before the socket does, because the socket may ask it at once to dial again.
        """

    def redial(self) -> None:
        """Dial again at once after the present connection, if this dials."""
