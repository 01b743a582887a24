"""Where a task waits: one FIFO wait list, and one time slice per run.

Theory of operation
-------------------

A socket has many queues (one pipe per peer) and many callers. trio's channels have no ``select``,
and waking every caller whenever anything changes would be unfair and slow. So a caller that cannot
proceed leaves its *operation* behind: a synchronous function that either completes and returns the
result, or raises `trio.WouldBlock` and has changed nothing. The list is strictly first come, first
served.

Whoever makes an operation possible (a link that decoded a message, a writer that freed room, a
handshake that added a peer) calls `WaitList.serve`. It runs the oldest operation *in the task that
made it possible*, and reschedules the waiter with the result in its hand. Three things follow:

* Nobody can snatch the message between the wake-up and the waiter's next step: there is no such
  moment. A newcomer queues up behind the waiters, because `WaitList.wait` is only entered after a
  look at the list.
* Cancellation is exact. While a task is in the list, its operation has not run; a cancelled task
  leaves the list and nothing happened. Once its operation has run the task is no longer in the
  list, so trio can't cancel that wait any more, and the result is delivered.
* Closing needs no flag to be polled: it completes every waiter with the error.

An example. Tasks A and B wait in ``receive``, A first. A link decodes one message and calls
`serve`. A's operation, "take a message", runs there and then and returns the message. A leaves the
list and will run with the message as its result. B's operation runs too, raises `trio.WouldBlock`,
and B stays the first in line. If A's timeout expires in that same moment, A still gets its message,
because trio cannot cancel a wait that is over. If it had expired a moment earlier, A would have
been out of the list, and the message would have gone to B.

The alternative, an event per caller and a loop of "try, else wait", loses messages to
cancellation between the wake-up and the retry, or lets newcomers overtake, and wakes callers for
nothing. `trio.ParkingLot` would do for the order, but it hands over no result.

Schedule points
---------------

A full trip through trio's scheduler costs about as much as sending six small messages. trio
allows a library to take one only now and then, and so do we: a call always notices cancellation,
and yields when it must wait, or when the `TimeSlice` that all sockets of the run share is spent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import perf_counter, thread_time
from typing import Final, Generic, Literal, TypeAlias, TypeVar

import attrs
import trio

Result = TypeVar("Result")

CheckpointMode: TypeAlias = Literal["sliced", "always"]
"""When calls that need not wait yield to the scheduler; see `set_checkpoint_mode`."""

_SLICE_MESSAGES: Final = 64
_SLICE_SECONDS: Final = 0.001


@attrs.frozen(eq=False)
class Closed:
    """Why calls on a closed socket raise: all that they wait for is told of it by this object."""

    #: The class of the socket.
    name: str

    def error(self) -> trio.ClosedResourceError:
        """Return an error for one call: each gets its own, so that their tracebacks don't mix."""
        return trio.ClosedResourceError(f"this {self.name} was closed")


@attrs.define(eq=False, repr=False)
class _Waiter(Generic[Result]):
    task: trio.lowlevel.Task
    operation: Callable[[], Result]
    line: WaitList[Result]
    result: Result | None = None
    error: BaseException | None = None


class WaitList(Generic[Result]):
    """The tasks that wait for one kind of thing, oldest first, each with its operation."""

    __slots__ = ("_again", "_serving", "waiters")

    def __init__(self) -> None:
        self.waiters: deque[_Waiter[Result]] = deque()
        """Others may only ask whether it is empty; that is quicker than a call of the list."""

        self._serving = False
        self._again = False

    def __len__(self) -> int:
        return len(self.waiters)

    async def wait(self, operation: Callable[[], Result]) -> Result:
        """Wait at the end of the list until the operation succeeds, and return its result.

        The caller has found that the operation would block now, or that others wait already.
        Cancelled: the operation has not happened.
        """
        waiter = _Waiter(trio.lowlevel.current_task(), operation, self)
        self.waiters.append(waiter)

        def leave(_: object) -> trio.lowlevel.Abort:
            line = waiter.line
            was_oldest = line.waiters[0] is waiter
            line.waiters.remove(waiter)
            if was_oldest:
                # The next one may wait for less, such as the room of another subscriber.
                line.serve()
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)
        if waiter.error is not None:
            raise waiter.error
        return waiter.result  # type: ignore[return-value]  # set by serve()

    def serve(self) -> None:
        """Complete operations, oldest first, for as long as the oldest one can be completed."""
        # An operation may free room or produce a message and so call us again: note that and go
        # round once more, instead of completing a younger waiter inside an older one.
        if self._serving:
            self._again = True
            return
        self._serving = True
        try:
            self._again = True
            while self._again:
                self._again = False
                while self.waiters and self._complete(self.waiters[0]):
                    pass
        finally:
            self._serving = False

    def _complete(self, waiter: _Waiter[Result]) -> bool:
        try:
            waiter.result = waiter.operation()
        except trio.WouldBlock:
            return False
        except Exception as error:  # noqa: BLE001  # the waiter's own, for it to raise
            waiter.error = error
        self.waiters.remove(waiter)
        trio.lowlevel.reschedule(waiter.task)
        return True

    def serve_all(self) -> None:
        """Complete whatever can be completed, for operations that don't compete for anything."""
        for waiter in tuple(self.waiters):
            self._complete(waiter)

    def move_to(self, line: WaitList[Result]) -> None:
        """Let everybody wait at the end of another line, in their order."""
        while self.waiters:
            waiter = self.waiters.popleft()
            waiter.line = line
            line.waiters.append(waiter)

    def fail(self, closed: Closed) -> None:
        """Complete every waiter with an error of its own: how closing is delivered."""
        while self.waiters:
            waiter = self.waiters.popleft()
            waiter.error = closed.error()
            trio.lowlevel.reschedule(waiter.task)


@attrs.define(eq=False, repr=False)
class _Conditional:
    task: trio.lowlevel.Task
    condition: Callable[[], bool]
    error: BaseException | None = None


class Conditions:
    """The tasks that wait for a condition each, such as a number of peers, and compete for nothing.

    Whoever changes what conditions are about calls `look`, which costs one plain call for each.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[_Conditional, None] = {}

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds. Cancelled, it only stops waiting."""
        if condition():
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        waiter = _Conditional(trio.lowlevel.current_task(), condition)
        self._waiting[waiter] = None

        def leave(_: object) -> trio.lowlevel.Abort:
            del self._waiting[waiter]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(leave)
        if waiter.error is not None:
            raise waiter.error

    async def sleep(self, seconds: float) -> None:
        """Sleep for so long, or until the socket is closed, which raises."""
        with trio.move_on_after(seconds):
            await self.wait_until(lambda: False)

    def look(self) -> None:
        """Let those go on whose condition holds now."""
        if self._waiting:
            for waiter in [each for each in self._waiting if each.condition()]:
                del self._waiting[waiter]
                trio.lowlevel.reschedule(waiter.task)

    def fail(self, closed: Closed) -> None:
        """Raise an error of its own in every task that waits."""
        while self._waiting:
            waiter, _ = self._waiting.popitem()
            waiter.error = closed.error()
            trio.lowlevel.reschedule(waiter.task)


_NO_TRIO: Final = (
    "trio_mq runs on trio, and there is no trio here: call this from trio.run(main), or beside "
    "another event loop with trio's guest mode (trio.lowlevel.start_guest_run)"
)


async def begin_in_trio() -> None:
    """Notice cancellation, as `trio.lowlevel.checkpoint_if_cancelled`, or that there is no trio.

    Raises:
        RuntimeError: This is no task of trio's.
    """
    try:
        await trio.lowlevel.checkpoint_if_cancelled()
    except RuntimeError:
        raise RuntimeError(_NO_TRIO) from None


class TimeSlice:
    """How long the calls of one run may go on without a schedule point.

    64 messages or 1 ms, whichever comes first, counted over all sockets of the run, so that a
    program that moves messages from one socket to another is held to the same bound.
    """

    __slots__ = ("_mode", "_whole", "clock", "deadline", "flooded", "left", "processor")

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self.clock = clock
        """Where the slice reads the time; if that is a constant, only the count decides."""

        self.processor: Callable[[], float] = thread_time
        """The processor's time: a peer that lags may be waiting for the processor, as we may."""

        self._mode: CheckpointMode = "sliced"
        #: The messages of a whole slice.
        self._whole = self.left = _SLICE_MESSAGES
        """Messages that are left of this slice.

        The calls count down by themselves: one call less is a tenth of what a small message costs.
        """

        self.deadline = 0.0
        """When the slice ends by the clock."""

        self.flooded = False
        """The last slice was used up: somebody moves messages without ever waiting."""

        self.restart()

    @property
    def mode(self) -> CheckpointMode:
        """When calls yield."""
        return self._mode

    @mode.setter
    def mode(self, mode: CheckpointMode) -> None:
        self._mode = mode
        self._whole = _SLICE_MESSAGES if mode == "sliced" else 0
        self.restart()

    def restart(self) -> None:
        """Begin a new slice: the task has just been resumed after waiting."""
        self.left = self._whole
        self.deadline = self.clock() + _SLICE_SECONDS
        self.flooded = False

    def spent(self, messages: int = 1) -> bool:
        """Count messages; True when the caller must now yield with `end`."""
        self.left -= messages
        return self.left <= 0 or self.clock() > self.deadline

    def is_spent(self) -> bool:
        """Tell whether the caller must now yield with `end`; its messages are counted already."""
        return self.left <= 0 or self.clock() > self.deadline

    async def end(self) -> None:
        """Let the other tasks run. Not cancellable: what was done before it is done."""
        await trio.lowlevel.cancel_shielded_checkpoint()
        flooded = self.left <= 0
        self.restart()
        self.flooded = flooded


_slice_of_run: trio.lowlevel.RunVar[TimeSlice] = trio.lowlevel.RunVar("trio_mq time slice")


def current_slice() -> TimeSlice:
    """Return the time slice of this run."""
    try:
        return _slice_of_run.get()
    except LookupError:
        time_slice = TimeSlice()
        _slice_of_run.set(time_slice)
        return time_slice


def set_checkpoint_mode(mode: CheckpointMode) -> None:
    """Choose when calls of this trio run that need not wait yield to the scheduler.

    ``"sliced"``, the default, yields once per 64 messages or 1 ms over all sockets of the run.
    ``"always"`` yields in every call, as trio's own operations do: for tests that use
    `trio.testing.assert_checkpoints`. Every call notices cancellation in both modes.

    Raises:
        ValueError: The mode is neither of the two.
        RuntimeError: Called outside a trio run.
    """
    if mode not in ("sliced", "always"):
        raise ValueError(f"checkpoint mode {mode!r} is not known: give 'sliced' or 'always'")
    current_slice().mode = mode
