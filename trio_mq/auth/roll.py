"""Who may come in, by what they show: a list that can be replaced while sockets use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

import attrs

from trio_mq.auth.request import Granted, Revocation

Shown = TypeVar("Shown")
"""What somebody shows: a key, or a name."""

Known = TypeVar("Known")
"""What is known of them."""


@attrs.define(eq=False, repr=False)
class Roll(Generic[Shown, Known]):
    """People and what is known of them."""

    _known: dict[Shown, tuple[Known, Revocation]] = attrs.field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self._known)

    def replace(self, known: Mapping[Shown, Known]) -> None:
        """Let these people in from now on; end the connections of those who changed or left."""
        before, self._known = self._known, {}
        for shown, about in known.items():
            old = before.get(shown)
            same = old is not None and old[0] == about
            self._known[shown] = old if old is not None and same else (about, Revocation())
        for shown, entry in before.items():
            if self._known.get(shown) is not entry:
                entry[1].revoke()

    def find(self, shown: Shown) -> Known | None:
        """Return what is known of somebody, if anything is."""
        entry = self._known.get(shown)
        return None if entry is None else entry[0]

    def grant(
        self, shown: Shown, user_id: str, metadata: Mapping[str, bytes | str] | None = None
    ) -> Granted:
        """Let somebody in who is on the list, for as long as they are."""
        return Granted(user_id, metadata or {}, revocations=(self._known[shown][1],))
