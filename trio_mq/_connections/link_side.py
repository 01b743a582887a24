"""A link as its two halves see it: what the reader and the writer tell it."""

from __future__ import annotations

from typing import Protocol

from trio_mq._contract import AnyLink
from trio_mq._peer import HangsUp
from trio_mq.zmtp import Event


class ReadersLink(AnyLink, HangsUp, Protocol):
    """A link as its reader sees it."""

    def handle(self, event: Event) -> None:
        """Take what is not a message."""


class WritersLink(Protocol):
    """A link as its writer sees it."""

    def writer_failed(self, error: Exception) -> None:
        """A bug has ended the writer."""

    def all_written(self, *, peer_knows: bool) -> None:
        """All is written, after `Writer.finish`.

        Args:
            peer_knows: Our direction is shut: the peer can see that nothing follows.
        """
