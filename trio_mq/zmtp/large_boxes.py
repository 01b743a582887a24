"""Large boxes, which whoever owns a connection may seal and open in other threads.

To seal or open a megabyte takes a millisecond or more, in which a program does nothing else,
although libsodium needs no lock of Python's. But the cipher is broken if two boxes have one nonce,
and a peer ends a connection whose boxes don't come in the order of their counts.

So it is done in three steps. Whoever owns the connection takes the count of a box, or judges it; in
any thread, the box is sealed or opened; and the owner goes on with what came of that. The middle
step knows its nonce, its key and its bytes, and nothing of the connection: no thread can take a
count, and to do that step twice makes the same bytes twice. After
``connection.leave_large_boxes(256 * 1024)``::

    sealing = connection.encode_later(messages)  # all counts are taken, small frames sealed
    for box in sealing.boxes: await trio.to_thread.run_sync(box.work)
    await stream.send_all(b"".join(sealing.wire()))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

import attrs

from trio_mq._errors import LocalProtocolError

T = TypeVar("T")


@attrs.define(eq=False, repr=False)
class Box(Generic[T]):
    """A box whose count is settled, and that has yet to be sealed or opened."""

    size: int
    """Bytes that it takes on the wire, without the header of its frame."""

    _work: Callable[[], T]
    _outcome: list[T] = attrs.field(factory=list, init=False)

    @property
    def done(self) -> bool:
        """Whether it has been sealed or opened."""
        return bool(self._outcome)

    def work(self) -> None:
        """Seal or open it, in any thread; once that is done, nothing happens."""
        if not self._outcome:
            self._outcome.append(self._work())

    def outcome(self) -> T:
        """Return what came of it.

        Raises:
            LocalProtocolError: Nobody has sealed or opened it.
        """
        if not self._outcome:
            raise LocalProtocolError("this box is not sealed or opened yet: call its work() first")
        return self._outcome[0]


class LargeBox(Box["tuple[int, bytes] | None"]):
    """A large frame has arrived, sealed: call `work`, in another thread if you like.

    It comes only after `Connection.leave_large_boxes`. `Connection.next_event` returns it until it
    is open, and then what was in it.
    """


SealedBox: TypeAlias = Box[bytes]
"""A large frame that has its count, and has yet to be sealed."""
