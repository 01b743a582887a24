"""Fair-queue: one message from each peer that has some, in turn.

An example. Peer A has a thousand messages unread, and B sends one. The rotation is ``A``, then ``A
B``. ``receive`` returns one of A's and puts A at the end, then B's, whose pipe is empty now and
leaves the rotation, and then A's until somebody else sends.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import trio

from trio_mq._message import Message
from trio_mq._pipes.pipe import Hold, Pipe

if TYPE_CHECKING:
    from trio_mq._peer import Peer


#: Messages that a pipe may give in one turn, where that is asked for: the replies to them go
#: together, and everybody else still has a turn soon.
_MOST_IN_A_ROW: Final = 4


class FairQueue:
    """Takes messages from the pipes that have some, one each in turn (RFC 28 and 30).

    A pipe is in the rotation only while it has messages, so a noisy peer can't starve a quiet one,
    and ten thousand silent peers cost nothing.

    While only one pipe has messages there are no turns to take, and `direct` is its current batch:
    ``receive`` takes from there without asking anybody, which halves the cost of a small message.
    A pipe that was emptied in that way stays in the rotation until the next `take` finds it empty.
    """

    __slots__ = (
        "_in_a_row",
        "_may_go_direct",
        "_no_direct",
        "_ready",
        "_tentative",
        "current",
        "direct",
        "source",
    )

    def __init__(self, *, direct: bool = True) -> None:
        #: Pipes with unread messages; the next one to serve is the first.
        self._ready: deque[Pipe] = deque()
        self._may_go_direct = direct
        self._no_direct: deque[Message] = deque()
        #: Messages that can simply be taken from the left. It is often empty; `take` never replaces
        #: it.
        self.direct: deque[Message] = self._no_direct
        #: The pipe of the message that was taken last, and the peer that sent it.
        self.current: Pipe | None = None
        self.source: Peer | None = None
        #: Messages that were taken from it in one turn.
        self._in_a_row = 0
        #: What is taken now may be put back: its room stays reserved.
        self._tentative = False

    def __bool__(self) -> bool:
        return bool(self._ready)

    def holds_some(self) -> bool:
        """Tell whether there is a message, without asking the links for more."""
        return any(pipe.inbound.count for pipe in self._ready)

    def readable(self) -> tuple[Pipe, ...]:
        """Return the pipes that have messages, and perhaps one that has just been emptied."""
        return tuple(self._ready)

    def use_direct(self, *, use: bool) -> None:
        """Allow or forbid `direct`: a pattern that looks at each message can't have it."""
        self._may_go_direct = use
        self._choose_direct()

    def messages_arrived(self, pipe: Pipe) -> None:
        """A pipe that was empty has messages; it goes last."""
        if not pipe.inbound.readable:
            pipe.inbound.readable = True
            self._ready.append(pipe)
            self._choose_direct()

    def remove(self, pipe: Pipe) -> None:
        """Take the pipe out of the rotation, whatever it holds."""
        if pipe.inbound.readable:
            pipe.inbound.readable = False
            self._ready.remove(pipe)
            self._choose_direct()

    def take(self) -> Message:
        """Return the next message, or raise `trio.WouldBlock`; `current` is its pipe."""
        ready = self._ready
        while ready:
            pipe = ready[0]
            inbound = pipe.inbound
            if not (inbound.batch or inbound.count or inbound.refill()):
                self._emptied(pipe)
                continue
            self.current = pipe
            self._in_a_row = 1
            if self._tentative:
                inbound.reserve()
            message = inbound.take()
            self.source = inbound.source
            # Taking may have let new messages in, so the count decides, and comes last.
            if not (inbound.batch or inbound.count or inbound.refill()):
                self._emptied(pipe)
            elif len(ready) > 1:
                ready.rotate(-1)
            return message
        raise trio.WouldBlock

    def take_another(self) -> Message | None:
        """Return one more message of the pipe whose turn it was, if it has one at hand.

        ``None``: it has none, or has had as many in a row as may be.
        """
        pipe = self.current
        if pipe is None or self._in_a_row == _MOST_IN_A_ROW:
            return None
        inbound = pipe.inbound
        batch = inbound.batch
        if not batch or not inbound.readable:
            return None
        self._in_a_row += 1
        self.source = inbound.source
        if len(batch) > 1:
            return batch.popleft()
        message = inbound.take()
        # Taking may have let new messages in, so the count decides, and comes last.
        if not inbound.count and not inbound.refill():
            self._emptied(pipe)
        return message

    def reserve(self) -> None:
        """Keep the room of what is taken from now on, which may be put back, until `release`."""
        self._tentative = True

    def release(self) -> None:
        """The message that was taken is gone for good, or has been put back."""
        self._tentative = False
        inbound = self.current.inbound if self.current is not None else None
        if inbound is not None and inbound.reserved:
            inbound.release()

    def put_back(self, message: Message) -> None:
        """Make the message that was taken last the next one again."""
        pipe = self.current
        assert pipe is not None  # noqa: S101  # something was taken
        pipe.inbound.put_back(message)
        if pipe.inbound.readable:
            self._ready.remove(pipe)
        pipe.inbound.readable = True
        self._ready.appendleft(pipe)
        self._choose_direct()

    def _emptied(self, pipe: Pipe) -> None:
        self.remove(pipe)
        pipe.inbound.look_for_room()
        if pipe.outbound.hold is Hold.RETIRED:
            pipe.owner.emptied(pipe)

    def _choose_direct(self) -> None:
        ready = self._ready
        if self._may_go_direct and len(ready) == 1:
            self.direct = ready[0].inbound.batch
        else:
            self.direct = self._no_direct
