"""What one link writes: control frames and batches of its pipe, one non-blocking write at a time.

The pipe owns the messages until the kernel has taken their last byte; the outbox only remembers
how far into the batch in hand the kernel has got. It is synchronous throughout, so that the writer
task and the caller of ``send`` (write-through) use the same steps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import accumulate, islice
from operator import attrgetter
from typing import Final, cast

from trio_mq._message import Frames
from trio_mq._pipes.item import WRAPPED, Item, Outgoing, frames_of, payload_of, payload_of_all
from trio_mq._pipes.outbound import Outbound
from trio_mq._pipes.pipe import Pipe
from trio_mq._transports.stream import ByteStream
from trio_mq.zmtp import Connection, Sealing, encode_message
from trio_mq.zmtp.frames import count_frames, encode_each

#: One write offers at most this much, so that a huge queue can't hold up the other tasks.
_BATCH_MESSAGES: Final = 1000
_BATCH_BYTES: Final = 512 * 1024
#: And the kernel is offered at most this much of one huge frame at a time. It is more than a
#: mebibyte, so that the last bytes of a message of that size take no write of their own.
_OFFER_BYTES: Final = 1088 * 1024
#: More bytes than any batch has.
_NEVER: Final = 1 << 62
_made_wire = attrgetter("wire")

#: What has nothing in it, for everybody: an idle connection needs no lists of its own.
_NO_BUFFERS: Final[list[bytes | memoryview]] = []
_NO_ITEMS: Final[list[Item]] = []
_NO_FRAMES: Final[list[bytes]] = []
#: Shared encodings from this size on are written from where they are.
LARGE: Final = 32 * 1024


class Outbox:
    """The unwritten part of a link's output.

    Args:
        stream: Where to write.
        connection: Encodes, in its mechanism.
        outbound: Where the messages wait.
        large: Bytes of a frame that is left to be sealed elsewhere; ``None``: none is.
    """

    __slots__ = (
        "_batch",
        "_batch_messages",
        "_buffers",
        "_connection",
        "_control",
        "_done",
        "_ends",
        "_large",
        "_left",
        "_outbound",
        "_payload",
        "_stream",
        "unsealed",
    )

    def __init__(
        self,
        stream: ByteStream,
        connection: Connection,
        outbound: Outbound[Pipe],
        large: int | None,
    ) -> None:
        self._stream = stream
        self._connection = connection
        self._outbound = outbound
        # What is sealed can't be put back: others have to be sealed after it.
        sealed_in_advance = 1 if outbound.perishes and not connection.clear else _BATCH_MESSAGES
        self._batch_messages = sealed_in_advance
        #: Control frames that go before the next batch.
        self._control = _NO_FRAMES
        #: What is left of what was loaded, and how many bytes that is.
        self._buffers = _NO_BUFFERS
        self._left = 0
        #: The messages in it that are not wholly written, and their payload bytes.
        self._batch = _NO_ITEMS
        self._payload = 0
        #: Bytes of the load that the kernel has, and where in it each message of the batch ends;
        #: both only kept once a write was cut short.
        self._done = 0
        self._ends: deque[int] | None = None
        #: A batch has frames of at least so many bytes only if it has at least as many itself.
        self._large = _NEVER if large is None else large
        #: What was loaded and is not sealed yet; then all of the load is left, and in no buffer.
        self.unsealed: Sealing | None = None

    def control(self, frame: bytes) -> None:
        """Queue a control frame; it goes before every message that is not loaded yet."""
        if self._control:
            self._control.append(frame)
        else:
            self._control = [frame]

    @property
    def empty(self) -> bool:
        """Nothing is left to write, here or in the pipe."""
        return not (self._left or self._control or self._outbound.queue)

    @property
    def partly_written(self) -> bool:
        """The first message of the batch is partly written."""
        if self._ends is None or not self._batch:
            return False
        first_start = self._ends[0] - self._wire_size(self._batch[0])
        return self._done > first_start

    def load(self, *, one: bool = False) -> bool:
        """Encode the next batch unless one is still being written; False if there is nothing.

        Args:
            one: A batch of one message.
        """
        if self._left:
            return True
        outbound = self._outbound
        count = 1 if one else self._batch_messages
        batch = self._batch = outbound.next_fresh_batch(count, _BATCH_BYTES)
        if len(batch) == len(outbound.queue):
            self._payload = outbound.size
        else:
            self._payload = payload_of_all(batch)
        if self._payload < self._large:
            buffers = self._encode(batch) if batch else []
        else:
            buffers = self._encode_but_large(batch)
        if self._control:
            # They were made before, and so their boxes are counted before.
            buffers.insert(0, b"".join(self._control))
            self._control = _NO_FRAMES
        self._buffers = buffers
        self._left = len(buffers[0]) if len(buffers) == 1 else sum(map(len, buffers))
        if self.unsealed is not None:
            self._left += self.unsealed.size
        self._done = 0
        self._ends = None
        return self._left > 0

    def write(self) -> bool:
        """Offer the kernel what is loaded, once; False if it did not take everything.

        Raises:
            trio.BrokenResourceError: The connection failed.
        """
        offer = self._buffers if self._left <= _OFFER_BYTES else self._first_part()
        taken = self._stream.try_write(offer) or 0
        if taken == self._left:
            self._all_taken()
            return True
        if taken:
            self._cut_short(taken)
        if self._outbound.perishes and self._connection.clear:
            self._put_back_what_has_not_begun()
        return False

    def sealed(self) -> None:
        """Every box of `unsealed` is sealed now; once that was said, nothing happens."""
        if self.unsealed is not None:
            self._buffers = [*self._buffers, *self.unsealed.wire()]
            self.unsealed = None

    def seal(self) -> None:
        """Seal at once what was left to others, who may be at it: it makes the same bytes."""
        if self.unsealed is not None:
            for box in self.unsealed.boxes:
                box.work()
            self.sealed()

    def faults(self) -> Iterator[str]:
        """Say what is wrong with the order of the boxes; the debug mode asks."""
        if self.unsealed is not None:
            counted, last = self._connection.boxes_counted, self.unsealed.last
            behind = sum(map(count_frames, self._control))
            if counted - last != behind:
                yield (
                    f"{counted - last} boxes have a count after {last}, which is being sealed, "
                    f"and {behind} wait behind it"
                )

    def write_for_many(self, wire: bytes, count: int, payload: int) -> bool:
        """Offer the kernel the edition that is all that waits; False if something is left of it.

        Args:
            wire: Its bytes in the clear.
            count: How many messages it is.
            payload: Their payload bytes.
        """
        if self._left or self._control or not self._connection.clear:
            return False
        taken = self._stream.try_write((wire,)) or 0
        if taken == len(wire):
            return True
        self.go_on_with(wire, taken, count, payload)
        return False

    def go_on_with(self, wire: bytes, taken: int, count: int, payload: int) -> None:
        """Load messages of which the kernel has taken the first bytes already, if it has."""
        if taken:
            self._batch = self._outbound.next_batch(count, payload)
            self._buffers, self._left = [wire], len(wire)
            self._payload, self._done, self._ends = payload, 0, None
            self._cut_short(taken)

    def take(self) -> bytes:
        """Return what is loaded, counted as written: for streams that can't say how much it was."""
        data = b"".join(self._buffers)
        self._all_taken()
        return data

    def _encode(self, batch: list[Item]) -> list[bytes | memoryview]:
        if self._payload < LARGE and isinstance(batch[0], Outgoing) and self._connection.clear:
            # What a publisher's other links have made already, in one step of C.
            try:
                return [b"".join(map(_made_wire, batch))]
            except (AttributeError, TypeError):
                pass  # something is not shared, or not made yet
        kinds = set(map(type, batch))
        if kinds == {Outgoing} and self._connection.clear:
            wires = _shared_wires(cast("list[Outgoing]", batch))
            return [b"".join(wires)] if self._payload < LARGE else list(wires)
        if not kinds.isdisjoint(WRAPPED):
            return list(self._connection.encode([frames_of(item) for item in batch]))
        return list(self._connection.encode(cast("list[bytes | Frames]", batch)))

    def _encode_but_large(self, batch: list[Item]) -> list[bytes | memoryview]:
        """Encode it all if no frame is large; otherwise leave it in `unsealed`."""
        sealing = self._connection.encode_later([frames_of(item) for item in batch])
        if not sealing.boxes:
            return list(sealing.wire())
        self.unsealed = sealing
        return []

    def _all_taken(self) -> None:
        batch = self._batch
        self._buffers = _NO_BUFFERS
        self._batch = _NO_ITEMS
        self._left = 0
        self._ends = None
        if batch:
            self._outbound.written(len(batch), self._payload)

    def _measure(self) -> deque[int]:
        """Return where in the load each message of the batch ends."""
        if self._ends is None:
            wire = [self._wire_size(item) for item in self._batch]
            lead = self._left - sum(wire)
            self._ends = deque(accumulate(wire, initial=lead))
            self._ends.popleft()
        return self._ends

    def _put_back_what_has_not_begun(self) -> None:
        """Keep the message that the kernel has a part of, if there is one, and what goes before.

        Nothing of the others has left, and while they only wait they may come to be too late.
        """
        ends = self._measure()
        if not ends:
            return
        begun = int(self.partly_written)
        until = ends[0] if begun else ends[0] - self._wire_size(self._batch[0])
        del self._batch[begun:]
        self._ends = deque(islice(ends, begun))
        self._payload = payload_of_all(self._batch)
        self._left = until - self._done
        self._buffers = _first(self._buffers, self._left)
        self._outbound.keep_in_hand(begun)

    def _cut_short(self, taken: int) -> None:
        self._measure()
        self._buffers = _after(self._buffers, taken)
        self._left -= taken
        self._done += taken
        self._count_taken()

    def _count_taken(self) -> None:
        ends = self._ends
        count = payload = 0
        while ends and ends[0] <= self._done:
            ends.popleft()
            payload += payload_of(self._batch[count])
            count += 1
        if count:
            del self._batch[:count]
            self._payload -= payload
            self._outbound.written(count, payload)

    def _wire_size(self, item: Item) -> int:
        return self._connection.wire_size(frames_of(item))

    def _first_part(self) -> list[bytes | memoryview]:
        """Return as much of the buffers as is offered at a time."""
        return _first(self._buffers, _OFFER_BYTES)


def _shared_wires(batch: list[Outgoing]) -> list[bytes]:
    """Return the wire forms, in the clear, of messages for many; each is made only once."""
    # All but the first of a publisher's links find them made, and get them in steps of C.
    wires = list(map(_made_wire, batch))
    if None not in wires:
        return cast("list[bytes]", wires)
    new = [item for item in batch if item.wire is None]
    for item, wire in zip(new, encode_each([item.message for item in new]), strict=True):
        item.wire = wire
    return cast("list[bytes]", list(map(_made_wire, batch)))


def wire_of(item: Item) -> bytes:
    """Return the wire form in the clear; made once for a message that goes to many."""
    if isinstance(item, Outgoing):
        (wire,) = _shared_wires([item])
        return wire
    return encode_message(item if isinstance(item, bytes) else frames_of(item))


def _first(buffers: list[bytes | memoryview], size: int) -> list[bytes | memoryview]:
    """Return the first bytes of the buffers, without copying any."""
    part: list[bytes | memoryview] = []
    for buffer in buffers:
        if len(buffer) >= size:
            if size:
                part.append(memoryview(buffer)[:size])
            break
        part.append(buffer)
        size -= len(buffer)
    return part


def _after(buffers: list[bytes | memoryview], taken: int) -> list[bytes | memoryview]:
    """Return what is left of the buffers after the first bytes, without copying any."""
    for index, buffer in enumerate(buffers):
        if taken < len(buffer):
            return [memoryview(buffer)[taken:], *buffers[index + 1 :]]
        taken -= len(buffer)
    return []
