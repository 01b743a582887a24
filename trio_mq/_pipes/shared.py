"""The outbound queue of a publisher's pipe, which may have an edition at its end.

See `trio_mq._pipes.edition` for the theory. Whoever looks at ``queue`` or ``size`` makes the queue
take over what was added to its edition since it last did. That costs a call for each look, which
is why other sockets' pipes have a plain `Outbound`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final, cast

from trio_mq._message import Frames
from trio_mq._pipes.edition import Edition
from trio_mq._pipes.gathering import EndsTurn
from trio_mq._pipes.item import WRAPPED, Item, payload_of_all
from trio_mq._pipes.outbound import SMALL, Outbound
from trio_mq._pipes.owner import PipeT
from trio_mq.zmtp.frames import encode_messages

#: What is written in one piece has fewer bytes.
_ENOUGH_BYTES: Final = 64 * 1024


class SharedOutbound(Outbound[PipeT]):
    """An outbound queue, some of whose messages may be kept once for many."""

    __slots__ = ("_edition", "_line", "_line_size", "_most_passed", "_taken")

    def __attrs_post_init__(self) -> None:
        #: The edition at the end of the queue, if there is one; and how many messages of it the
        #: queue has taken over.
        self._edition: Edition[PipeT] | None = None
        self._taken = 0
        #: The most messages of an edition that was written whole and is not counted yet.
        self._most_passed = 0
        super().__attrs_post_init__()

    # -- for everybody: a queue like any other --

    @property
    def queue(self) -> deque[Item]:
        """What waits, oldest first."""
        if self._edition is not None:
            self._take_over()
        return self._line

    @queue.setter
    def queue(self, line: deque[Item]) -> None:
        self._line: deque[Item] = line

    @property
    def size(self) -> int:
        """The payload bytes of what waits."""
        if self._edition is not None:
            self._take_over()
        return self._line_size

    @size.setter
    def size(self, size: int) -> None:
        self._line_size: int = size

    def as_it_is(self) -> tuple[Sequence[Item], int]:
        """Return what waits and its payload bytes, without taking anything over."""
        rest = self._rest()
        return list(chain(self._line, rest)), self._line_size + payload_of_all(rest)

    @property
    def rests(self) -> bool:
        """Nothing waits here, and nothing can come without being put."""
        return self._edition is None and super().rests

    def _rest(self) -> Sequence[Item]:
        """Return what the edition has and the queue has not."""
        return () if self._edition is None else self._edition.items[self._taken :]

    def _take_over(self) -> None:
        edition = self._edition
        assert edition is not None  # noqa: S101  # who calls has looked
        rest = self._rest() if self._taken else edition.items
        if rest:
            self._line_size += payload_of_all(rest) if self._taken else edition.size
            self._taken += len(rest)
            self._line.extend(rest)
            if self._borrower is not None and not self.announced:
                self._borrower.queued()

    def _leave(self) -> None:
        """Take over what is left, and have nothing more to do with the edition.

        Nothing can be added to it then, or it would not come here.
        """
        if self._edition is not None:
            self._take_over()
            self._edition.room = 0
            self._edition = None

    def append_small(self, item: Item, size: int) -> bool:
        """Do as a plain queue does, with one look at the edition instead of four."""
        if self._edition is not None:
            self._take_over()
        if len(self._line) >= self.append_below:
            return False
        self._line.append(item)
        self._line_size += size
        return True

    def join_round(self, item: Item, size: int) -> bool:
        """Queue a first message of up to `SMALL` bytes, to be written with those that follow.

        False if it should be written at once, or there is more to it.
        """
        borrower = self._borrower
        if (
            borrower is None
            or self.announced
            or self.conflate
            or len(self._line) >= self.hwm
            or self._line_size >= self.hwm_bytes
            or not (borrower.writes_later and self._ledger.printer.gathers())
        ):
            return False
        self._line.append(item)
        self._line_size += size
        borrower.gather()
        return True

    # -- for the writer --

    def tell(self, who: EndsTurn) -> None:  # noqa: ARG002  # it is the borrower, or was
        """Tell the writer when the round ends."""
        self._ledger.printer.gather(self)

    def will_tell(self, who: EndsTurn) -> bool:  # noqa: ARG002  # as above
        """Tell whether the end of the round is still to be told to the writer."""
        return self._ledger.printer.has_in_round(self)

    # -- for the printer --

    def room_for_edition(self) -> int:
        """Return how many small messages an edition may hold without exceeding a limit of ours."""
        if self.conflate or (self._borrower is not None and not self._borrower.writes_later):
            return 0
        self._leave()
        return min(self.hwm - len(self._line), (self.hwm_bytes - self._line_size) // SMALL)

    def has_joined(self, edition: Edition[PipeT]) -> bool:
        """Tell whether an edition is at the end of the queue."""
        return self._edition is edition

    def join(self, edition: Edition[PipeT]) -> None:
        """Have an edition at the end of the queue."""
        self._leave()
        self._edition = edition
        self._taken = 0
        self._ledger.busy[self._pipe] = None

    def write_edition(self, edition: Edition[PipeT], wire: bytes) -> None:
        """Write an edition, to which nothing is added any more, or take it over.

        Args:
            edition: Which; nothing happens if that is not ours any more.
            wire: All its messages as they are written in the clear.
        """
        if self._edition is not edition:
            return
        borrower = self._borrower
        if (
            borrower is not None
            and not (self._taken or self._line or self.announced)
            and borrower.write_for_many(wire, len(edition.items), edition.size)
        ):
            self._edition = None
            self._count_whole(len(edition.items), edition.size)
        else:
            self._leave()

    def room_for_round(self) -> int:
        """Return how many more small messages may simply be appended."""
        return self.append_below - len(self._line) - len(self._rest())

    def round_ended(self) -> None:
        """Have what waits written: in the short way, or as the end of a turn has it written."""
        borrower = self._borrower
        if borrower is None:
            return  # the next one begins with what is here
        line, size = self._line, self._line_size
        if self._edition is None and not self._counted and line and self._is_plain(line, size):
            wire = b"".join(encode_messages(cast("deque[bytes | Frames]", line)))
            if borrower.write_for_many(wire, len(line), size):
                count = len(line)
                line.clear()
                self._line_size = 0
                self.writer_is_idle()
                self._count_whole(count, size)
                return
        borrower.turn_ended()

    def _is_plain(self, line: deque[Item], size: int) -> bool:
        return size < _ENOUGH_BYTES and WRAPPED.isdisjoint(map(type, line))

    def _count_whole(self, count: int, payload: int) -> None:
        """The kernel has taken all of an edition; as in `passed`, the books can wait."""
        ledger = self._ledger
        if not self._passed:
            ledger.late[self._pipe] = None
        self._passed += count
        self._passed_bytes += payload
        self._most_passed = max(self._most_passed, count)
        self.gone += count
        ledger.busy.pop(self._pipe, None)
        self._after_removing(count)

    # -- what a plain queue does, with an edition in mind --

    def writer_is_idle(self) -> None:
        """The writer has seen an empty queue."""
        super().writer_is_idle()
        if self._edition is not None:
            self._ledger.busy[self._pipe] = None

    def give_back(self, *, partly_written: bool) -> None:
        """Take the queue back, with what waited in an edition."""
        self._leave()
        super().give_back(partly_written=partly_written)

    def retire(self) -> None:
        """Let nothing be queued here any more."""
        self._leave()
        super().retire()

    def _count_passed(self) -> None:
        for tally in (self._tally, self._ledger.total):
            tally.peak_out = max(tally.peak_out, self._most_passed)
        self._most_passed = 0
        super()._count_passed()

    def faults(self) -> Iterator[str]:
        """Say whether the edition exceeds a limit of ours."""
        edition = self._edition
        if edition is not None and len(self._line) + len(edition.items) - self._taken > self.hwm:
            yield f"{self._pipe!r} has more messages than its mark in an edition"
