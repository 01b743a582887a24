"""The outbox on a stream that takes any part of a write, and dies at any byte."""

from __future__ import annotations

from collections.abc import Sequence

import trio
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.property.pipes import Books, NoLink, assert_adds_up, new_pipe, no_peer, waiting_in
from tests.zmtp.pair import established
from trio_mq import DropReason
from trio_mq._connections.outbox import Outbox
from trio_mq._pipes.edition import Edition
from trio_mq._pipes.item import Item, Outgoing
from trio_mq._pipes.shared import SharedOutbound
from trio_mq._transports.stream import ByteStream
from trio_mq.zmtp import SocketType, encode_message


class Kernel(ByteStream):
    """Takes as many bytes of each write as it is told to."""

    def __init__(self) -> None:
        self.peer_address = self.local_address = "kernel"
        self.room = 0
        self.taken = b""

    def try_write(self, buffers: Sequence[bytes | memoryview]) -> int:
        """Take what there is room for."""
        part = b"".join(buffers)[: self.room]
        self.room -= len(part)
        self.taken += part
        return len(part)

    async def receive_some(self, max_bytes: int) -> bytes:
        """Nobody reads here."""
        raise NotImplementedError

    async def write_all(self, data: bytes) -> None:
        """The outbox never waits."""
        raise NotImplementedError

    async def wait_writable(self) -> None:
        """The outbox never waits."""
        raise NotImplementedError

    async def shutdown_write(self) -> bool:
        """The outbox never ends."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing is open."""
        await trio.lowlevel.checkpoint()


class Through(NoLink):
    """Lets an outbox write what goes to many."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def write_for_many(self, wire: bytes, count: int, payload: int) -> bool:
        """Do as a writer whose stream can be written without waiting."""
        return self._outbox.write_for_many(wire, count, payload)


class OutboxMachine(RuleBasedStateMachine):
    """The model is a list of messages and how many bytes of the first one the kernel has."""

    def __init__(self) -> None:
        super().__init__()
        self.books = Books(sends_to_many=True)
        self.pipe = new_pipe(self.books)
        self.queue: list[bytes] = []
        self.once_torn: set[bytes] = set()
        self.written = self.offset = self.sent = self.lost = 0
        self.connect()

    def connect(self) -> None:
        """Begin on a new stream."""
        self.kernel = Kernel()
        connection = established(SocketType.PUSH)
        self.outbox = Outbox(self.kernel, connection, self.pipe.outbound, None)
        self.pipe.lend(no_peer(), Through(self.outbox))
        self.expected = b""

    @rule(size=st.integers(0, 300), shared=st.booleans())
    def put(self, size: int, shared: bool) -> None:  # noqa: FBT001  # hypothesis passes it
        """Queue one more message, bare or shared with other peers."""
        message = b"%06d" % self.sent + bytes(size)
        self.sent += 1
        item: Item = Outgoing((message,)) if shared else (message,)
        self.pipe.outbound.put(item)
        self.queue.append(message)

    @rule(
        sizes=st.lists(st.integers(0, 300), min_size=1, max_size=5),
        room=st.one_of(st.integers(0, 900), st.just(1 << 30)),
    )
    def write_for_many(self, sizes: list[int], room: int) -> None:
        """Write an edition that stands behind what waits, or let the queue take it over."""
        messages = [b"%06d" % (self.sent + index) + bytes(size) for index, size in enumerate(sizes)]
        outbound = self.pipe.outbound
        assert isinstance(outbound, SharedOutbound)
        edition = Edition([self.pipe], room=100, members=[outbound])
        outbound.join(edition)
        edition.items.extend(messages)
        edition.size = sum(map(len, messages))
        self.sent += len(messages)
        self.queue += messages
        self.kernel.room = room
        before = len(self.kernel.taken)
        edition.deliver()
        self._count(len(self.kernel.taken) - before)

    @rule(room=st.integers(0, 400), one=st.booleans())
    def write_some(self, room: int, one: bool) -> None:  # noqa: FBT001  # hypothesis passes it
        """Any part of a batch."""
        self.write(room=room, one=one)

    def write(self, *, room: int, one: bool) -> None:
        """Offer a batch to a kernel with that much room."""
        self.kernel.room = room
        before = len(self.kernel.taken)
        if self.outbox.load(one=one):
            self.outbox.write()
        self._count(len(self.kernel.taken) - before)

    @precondition(lambda self: self.queue)
    @rule(messages=st.integers(1, 3))
    def write_to_a_boundary(self, messages: int) -> None:
        """The kernel's room ends exactly between two messages."""
        wire = [len(encode_message((message,))) for message in self.queue[:messages]]
        self.write(room=sum(wire) - self.offset, one=False)

    @rule()
    def write_everything(self) -> None:
        """Until nothing is left."""
        self.kernel.room = 1 << 30
        before = len(self.kernel.taken)
        while self.outbox.load():
            self.outbox.write()
        self._count(len(self.kernel.taken) - before)
        assert self.outbox.empty

    @rule()
    def connection_dies(self) -> None:
        """The rest goes to the next stream; one partly written for the second time goes nowhere."""
        self.pipe.give_back(partly_written=self.outbox.partly_written)
        if self.offset:
            first = self.queue[0]
            if first in self.once_torn:
                self.queue.pop(0)
                self.lost += 1
            self.once_torn.add(first)
        self.offset = 0
        self.connect()

    def _count(self, taken: int) -> None:
        self.offset += taken
        while self.queue and self.offset >= len(encode_message((self.queue[0],))):
            self.offset -= len(encode_message((self.queue[0],)))
            self.expected += encode_message((self.queue.pop(0),))
            self.written += 1

    @invariant()
    def nothing_is_counted_before_its_last_byte(self) -> None:
        """Written, waiting and partly written are as the kernel's bytes say."""
        assert self.pipe.figures().written == self.written
        assert waiting_in(self.pipe) == self.queue
        assert self.outbox.partly_written is (self.offset > 0)
        assert self.books.dropped_counts[DropReason.CONNECTION_LOST] == self.lost
        assert_adds_up(self.pipe)

    @invariant()
    def bytes_are_those_of_the_messages_in_order(self) -> None:
        """On each stream, whole messages and the beginning of the next one."""
        begun = encode_message((self.queue[0],))[: self.offset] if self.queue else b""
        assert self.kernel.taken == self.expected + begun


TestOutbox = OutboxMachine.TestCase
