"""How much the next read of a connection asks the kernel for.

Every read costs a turn of the scheduler, so where much comes one read asks for much: with half a
megabyte, messages of 64 KiB pass half again as fast as with a quarter. Where little comes it asks
for little, since memory for large reads is dear (`allocator`): it made a round trip a quarter
slower. The size follows what the reads bring, upwards at once, and back after many that brought
little, since a stream of large messages has small reads in between.

A large frame is read by itself, first its header and then its body. If one read brings the whole
body, that is what the program gets, without a copy. Smaller frames are read together and copied,
which costs less than a read for each. So are all frames of a stream that encrypts, or is not ours:
it copies anyway, and may take nine bytes from the kernel where nine are asked for.
"""

from __future__ import annotations

import enum
from typing import Final

from trio_mq._pipes.budget import SMALL_READ
from trio_mq._transports.allocator import keep_large_blocks

#: Where little comes.
FEW_BYTES: Final = SMALL_READ
#: Where a request or a reply comes that is tiny: to take memory of about its own size, and not of
#: thousands of bytes, spares a read of twenty bytes a fifth of its time.
TINY_BYTES: Final = 64
#: Where much comes.
MANY_BYTES: Final = 512 * 1024
#: Inside a large frame, at most.
MOST_BYTES: Final = 1024 * 1024
#: What a frame that is read by itself has more than.
LARGE_FRAME: Final = 256 * 1024
#: A header takes no more.
HEADER_BYTES: Final = 9
#: How few bytes become many: by this factor, and back after so many reads in a row.
_STEP: Final = 8
_IN_A_ROW: Final = 16


class Asked(enum.Enum):
    """What the last read was for."""

    WHATEVER = enum.auto()
    #: The rest of a large frame, and nothing else.
    BODY = enum.auto()
    #: The header behind a large frame, and nothing else.
    HEADER = enum.auto()


# Names of the module: to look one up in the class takes as long as the rest of a comparison.
WHATEVER: Final = Asked.WHATEVER
_BODY: Final = Asked.BODY
_HEADER: Final = Asked.HEADER


class ReadSize:
    """Chooses the size of each read of one connection, and learns from what it brought."""

    __slots__ = ("_small_reads", "asked", "wanted")

    def __init__(self) -> None:
        self.asked: Asked = WHATEVER
        self._small_reads = 0
        self.wanted: int = FEW_BYTES
        """What a read asks for where nothing is known of the frame that comes."""

    def next(self, missing: int, *, alone: bool) -> int:
        """Return what the next read should ask for: `wanted`, if nothing is known of anything.

        Args:
            missing: Bytes that are missing of the frame at hand; 0 if its header is not known.
            alone: Read large frames by themselves.
        """
        if not alone:
            pass
        elif missing > LARGE_FRAME or (missing and self.asked is _BODY):
            self.asked = _BODY
            # A header may lie. Memory for much of what it promises is there for a moment, and only
            # for a peer that has filled large reads before.
            return min(missing, MOST_BYTES if self.wanted == MANY_BYTES else MANY_BYTES)
        elif self.asked is _BODY:
            self.asked = _HEADER
            return HEADER_BYTES
        self.asked = WHATEVER
        return self.wanted if missing <= self.wanted else MANY_BYTES

    def body_follows(self, missing: int) -> bool:
        """Tell whether the last read was for the header of what turned out to be a large frame."""
        return self.asked is _HEADER and missing > LARGE_FRAME

    def learn(self, size: int) -> None:
        """A read has brought so many bytes."""
        wanted = self.wanted
        if size >= wanted:
            self._small_reads = 0
            if wanted < MANY_BYTES:
                self.wanted = min(wanted * _STEP, MANY_BYTES)
                if self.wanted == MANY_BYTES:
                    keep_large_blocks()
        elif size * _STEP < wanted and self.asked is not _HEADER:
            self._small_reads += 1
            if self._small_reads >= _IN_A_ROW:
                self.wanted = max(wanted // _STEP, FEW_BYTES)
                self._small_reads = 0
        else:
            self._small_reads = 0
