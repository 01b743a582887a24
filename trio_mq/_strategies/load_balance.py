"""Load-balance: one message to one peer, in turn, skipping those whose queue is full.

An example, with three pipes in the rotation ``A B C``. A send chooses A, and the rotation is ``B C
A``. The next send finds B full: B leaves the rotation, C gets the message, and the rotation is ``A
C``. The next ones go to A, C, A, C without a look at B. When B's writer has made room, B comes back
at the end. If every pipe is full the rotation is empty, and a send waits until one comes back. If
only one is left, its queue is the `sole_outbound`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable

import trio

from trio_mq._message import Frames
from trio_mq._pipes.item import Item, frames_of, payload_of, payload_of_all
from trio_mq._pipes.outbound import Outbound
from trio_mq._pipes.pipe import Pipe


class LoadBalance:
    """Chooses the next pipe with room, in turn (RFC 28 and 30, "round-robin").

    A full pipe leaves the rotation and comes back at its end when it has room again, so a choice
    costs the same for ten peers and for ten thousand.

    While only one pipe can be chosen there are no turns to keep, and `sole_outbound` is its queue:
    ``send`` appends to it without asking anybody, which saves a sixth of the cost of a send.

    What a lost peer did not get comes back into the *return queue*. It is given out before
    anything new, in the order in which it was accepted; new messages wait meanwhile.

    Args:
        give: Queues a message of the return queue for the pipe that was chosen for it.
    """

    __slots__ = ("_give", "_ready", "returned", "returned_bytes", "sole", "sole_outbound")

    def __init__(self, give: Callable[[Pipe, Item], None]) -> None:
        #: Pipes that may have room; the next one to choose is the first.
        self._ready: deque[Pipe] = deque()
        self._give = give
        #: The only pipe that can be chosen, and its queue; ``None`` if there are more, or none.
        self.sole: Pipe | None = None
        self.sole_outbound: Outbound[Pipe] | None = None
        #: The return queue.
        self.returned: deque[Item] = deque()
        self.returned_bytes: int = 0

    def add(self, pipe: Pipe) -> None:
        """Count a peer as a target, last in turn."""
        self._ready.append(pipe)
        self.dispatch()
        self._find_sole()

    def remove(self, pipe: Pipe) -> None:
        """Count it no longer."""
        if pipe.outbound.blocked:
            pipe.outbound.unblock()
        elif pipe in self._ready:
            self._ready.remove(pipe)
            self._find_sole()

    def room_opened(self, pipe: Pipe) -> None:
        """A pipe that was full has room again."""
        self._ready.append(pipe)
        if self.returned:
            self.dispatch()
        self._find_sole()

    def choose(self) -> Pipe:
        """Return the pipe for the next message, or raise `trio.WouldBlock`.

        The caller puts its message into that pipe.
        """
        ready = self._ready
        while ready:
            pipe = ready[0]
            outbound = pipe.outbound
            if (
                len(outbound.queue) < outbound.hwm and outbound.size < outbound.hwm_bytes
            ) or outbound.has_room():
                ready.rotate(-1)
                return pipe
            outbound.block()
            ready.popleft()
            self._find_sole()
        raise trio.WouldBlock

    def choose_idle(self, has_work: Callable[[Pipe], bool]) -> Pipe:
        """Do as `choose`, but prefer the first in turn that has no work yet."""
        ready = self._ready
        if len(ready) > 1 and has_work(ready[0]):
            for pipe in ready:
                if not has_work(pipe) and pipe.outbound.has_room():
                    ready.remove(pipe)
                    ready.append(pipe)
                    return pipe
        return self.choose()

    def choose_other(self, avoid: Collection[Pipe], has_work: Callable[[Pipe], bool]) -> Pipe:
        """Do as `choose_idle`, but take one of those to avoid only if no other has room."""
        ready = self._ready
        others = [pipe for pipe in ready if pipe not in avoid and pipe.outbound.has_room()]
        if not others:
            return self.choose_idle(has_work)
        pipe = next((pipe for pipe in others if not has_work(pipe)), others[0])
        ready.remove(pipe)
        ready.append(pipe)
        return pipe

    def take_out(self, pipe: Pipe) -> None:
        """Leave the pipe out of the rotation until its `room_opened`.

        It costs the same for any number of pipes if this one was chosen just now.
        """
        if self._ready and self._ready[-1] is pipe:
            self._ready.pop()
            self._find_sole()
        else:
            self.remove(pipe)

    def send(self, frames: Frames) -> None:
        """Give the message to the next peer with room, or raise `trio.WouldBlock`."""
        if self.returned:
            raise trio.WouldBlock
        # The turn of a pipe that has room, without the call to `choose`.
        ready = self._ready
        if ready:
            outbound = ready[0].outbound
            if len(outbound.queue) < outbound.hwm and outbound.size < outbound.hwm_bytes:
                ready.rotate(-1)
                outbound.put(frames)
                return
        self.choose().outbound.put(frames)

    def has_room(self) -> bool:
        """Tell whether `send` would take a message now."""
        return not self.returned and any(pipe.outbound.has_room() for pipe in self._ready)

    def look(self) -> None:
        """Raise `trio.WouldBlock` if `send` would; the turns stay as they are."""
        if self.returned:
            raise trio.WouldBlock
        self.choose()
        self._ready.rotate(1)

    def reclaim(self, items: Iterable[Item]) -> None:
        """Take back what a lost peer did not get, and give it to others as far as possible."""
        for item in items:
            self.returned.append(item)
            self.returned_bytes += payload_of(item)
        self.dispatch()
        self._find_sole()

    def dispatch(self) -> None:
        """Give out the return queue, as far as there is room."""
        while self.returned:
            try:
                pipe = self.choose()
            except trio.WouldBlock:
                return
            item = self.returned.popleft()
            self.returned_bytes -= payload_of(item)
            self._give(pipe, item)

    def forget_returned(self) -> int:
        """Drop the return queue, and return how many messages that was."""
        count = len(self.returned)
        self.returned.clear()
        self.returned_bytes = 0
        self._find_sole()
        return count

    def sort_out(self, unwanted: Callable[[Item], bool]) -> list[Item]:
        """Remove some messages from the return queue, and return them."""
        removed = [item for item in self.returned if unwanted(item)]
        if removed:
            kept = [item for item in self.returned if not unwanted(item)]
            self.returned.clear()
            self.returned.extend(kept)
            self.returned_bytes -= payload_of_all(removed)
            self._find_sole()
        return removed

    def withdraw(self, message: Frames) -> bool:
        """Remove one message from the return queue, by its very tuple; False if it is not there."""
        for index, waiting in enumerate(self.returned):
            if frames_of(waiting) is message:
                del self.returned[index]
                self.returned_bytes -= payload_of(waiting)
                self._find_sole()
                return True
        return False

    def targets(self) -> Collection[Pipe]:
        """Return the pipes that a message may go to next."""
        return self._ready

    def _find_sole(self) -> None:
        ready = self._ready
        alone = len(ready) == 1 and not self.returned
        self.sole = ready[0] if alone else None
        self.sole_outbound = self.sole.outbound if self.sole is not None else None
