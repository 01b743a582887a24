"""One random program, from its seed to the verdict."""

from __future__ import annotations

import enum
import random
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import attrs
import trio
import trio.testing

import trio_mq
from fuzz.programs.chance import Chance, Transport
from fuzz.programs.sealed import slow_boxes
from fuzz.programs.story import Account, Story
from fuzz.programs.trace import tasks_of
from fuzz.programs.user import User
from trio_mq._context import default_context, shared_by
from trio_mq.lowlevel import CheckpointMode, set_checkpoint_mode
from trio_mq.testing import Network
from trio_mq.testing.trouble import Trouble

#: Seconds after which a program hangs: all that it waits for takes less than one.
_PATIENCE: Final = 20.0
#: Seconds in which the network in memory breaks now and then.
_TROUBLE: Final = 0.3
_DESCRIPTORS: Final = Path("/proc/self/fd")


class BrokenPromise(AssertionError):
    """A random program has found something."""


class _Boom(Exception):
    """What the body of a program raises."""


class _Leave(enum.Enum):
    """How a socket's block is left."""

    NORMALLY = "normally"
    CANCELLED = "cancelled"
    WITH_AN_ERROR = "with an error"
    WITH_A_CHILDS_ERROR = "with an error of a child"
    CLOSED_BY_OTHERS = "closed by others"
    CLOSED_IMPATIENTLY = "closed by others, impatiently"


@attrs.frozen
class Program:
    """A program, by what chooses it."""

    seed: int
    transport: Transport
    mode: CheckpointMode
    #: Keep every step, and say with a failure what led to it.
    trace: bool = False

    def run(self) -> Story:
        """Run it, and return what happened.

        Raises:
            BrokenPromise: Something did not hold.
        """
        before = _open_descriptors()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            stage = _Stage(Chance(self.seed, self.transport, folder))
            try:
                with stage.story.trace.listening(to_everything=self.trace):
                    self._play(stage)
            except Exception as error:
                causes = "".join(f", because of {each!r}" for each in _causes_of(error))
                stage.story.fault(f"it raised {error!r}{causes}")
                raise self._broken(stage.story) from error
            stage.story.faults += [f"{path.name} was left" for path in folder.iterdir()]
        stage.story.faults += [f"{name} was left open" for name in _open_descriptors() - before]
        if stage.story.faults:
            raise self._broken(stage.story)
        return stage.story

    def _play(self, stage: _Stage) -> None:
        # Only what has no bytes in the kernel can run in virtual time, and repeat every step.
        if self.transport in ("inproc", "network", "curve"):
            clock = trio.testing.MockClock(autojump_threshold=0)
            with ExitStack() as stack:
                if self.transport == "curve":
                    stack.enter_context(slow_boxes(self.seed, stage.story.fault))
                trio.run(stage.play_in_memory, self.seed, self.mode, clock=clock)
        else:
            _repeat_schedule(self.seed)
            trio.run(stage.play, self.mode)

    def _broken(self, story: Story) -> BrokenPromise:
        traced = story.trace.lines() if self.trace else ()
        return BrokenPromise("\n".join([*traced, f"{self}:", *story.faults[:5]]))


@attrs.define
class _Stage:
    """Three sockets, which meet or don't, and their users."""

    chance: Chance
    story: Story = attrs.field(factory=Story)
    _sockets: int = attrs.field(init=False, default=0)

    async def play_in_memory(self, seed: int, mode: CheckpointMode) -> None:
        """Run it on one host of a network in memory, which decides the order of all tasks."""
        async with Network(seed) as network:
            trouble = Trouble(network, random.Random(seed), ("reset", "link"))  # repeatable
            host = network.host("host")
            with host.as_default():
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_make, trouble)
                    await self.play(mode)
                    nursery.cancel_scope.cancel()

    async def play(self, mode: CheckpointMode) -> None:
        """Run the program, and look what it leaves behind."""
        set_checkpoint_mode(mode)
        trio.lowlevel.spawn_system_task(self._guard)
        tasks = trio.lowlevel.current_statistics().tasks_living
        one, other = self.chance.pair()
        casts = [(one, other, True), (other, one, False)]
        casts.append((*self.chance.random.choice(((one, other), (other, one))), False))
        with trio.move_on_after(_PATIENCE) as patience:
            async with trio.open_nursery() as nursery:
                for cast in casts:
                    nursery.start_soon(self._live, *cast)
        if patience.cancelled_caught:
            self.story.fault(f"it hangs: {one} and {other}")
        await trio.testing.wait_all_tasks_blocked()
        left = trio.lowlevel.current_statistics().tasks_living - tasks
        if left:
            self.story.fault(f"{left} tasks were left")
        context = default_context()
        if context.sockets or shared_by(context).names:
            self.story.fault(f"{context!r} still knows sockets or names")

    async def _guard(self) -> None:
        """End a program that waits where it can't be cancelled."""
        await trio.sleep(2 * _PATIENCE)
        root = trio.lowlevel.current_root_task()
        assert root is not None  # a run has one
        raise BrokenPromise("\n".join(["it hangs, and can't be cancelled:", *tasks_of(root)]))

    async def _live(self, kind: str, partner: str, binds: bool) -> None:  # noqa: FBT001  # by cast
        """Open a socket, let it be used, and leave it in some way."""
        options = self.chance.options(kind)
        self._sockets += 1
        leave = self.chance.random.choice(list(_Leave))
        self.story.calls[f"left {leave.value}"] += 1
        self.story.trace.note(f"{kind} {self._sockets}: {options}, will be left {leave.value}")
        account = Account(trio_mq.open_socket(kind, **options), kind, self._sockets)
        try:
            with trio.CancelScope() as scope:
                async with account.socket:
                    await self._take_places(account.socket, binds=binds)
                    await self._be_used(account, partner, leave)
                    if leave is _Leave.CANCELLED:
                        scope.cancel()
        except* _Boom:
            pass
        self.story.check_closed(account, opens=bool({"probe", "hello_message"} & options.keys()))

    async def _take_places(self, socket: trio_mq.Socket, *, binds: bool) -> None:
        for _ in range(2):
            try:
                if binds:
                    await socket.bind(self.chance.endpoint(), **self.chance.bind_options())
                else:
                    await socket.connect(self.chance.endpoint(), **self.chance.connect_options())
            except (OSError, trio.ClosedResourceError):
                self.story.calls["no place"] += 1

    async def _be_used(self, account: Account, partner: str, leave: _Leave) -> None:
        # The envelope of a request belongs to the task that took it.
        users = 1 if account.kind == "Rep" else self.chance.random.randrange(1, 5)
        async with trio.open_nursery() as nursery:
            for _ in range(users):
                user = User(account, partner, self.chance, self.story)
                nursery.start_soon(user.run, self.chance.random.randrange(5, 40))
            await trio.sleep(self.chance.random.uniform(0.02, 0.25))
            match leave:
                case _Leave.WITH_AN_ERROR:
                    raise _Boom
                case _Leave.WITH_A_CHILDS_ERROR:
                    nursery.start_soon(_raise)
                    await trio.sleep_forever()
                case _Leave.CLOSED_BY_OTHERS:
                    async with trio.open_nursery() as closers:
                        closers.start_soon(account.socket.aclose)
                        closers.start_soon(account.socket.aclose)
                case _Leave.CLOSED_IMPATIENTLY:
                    with trio.move_on_after(self.chance.random.choice((0, 0.001))):
                        await account.socket.aclose()
            nursery.cancel_scope.cancel()


async def _make(trouble: Trouble) -> None:
    """Make trouble, and stay, so that the tasks can be counted."""
    await trouble.make(_TROUBLE)
    await trio.sleep_forever()


def _causes_of(error: BaseException) -> Iterator[BaseException]:
    """Return what lies behind an error, as behind trio's when the debug mode finds something."""
    while (cause := error.__cause__ or error.__context__) is not None:
        yield cause
        error = cause


async def _raise() -> None:
    await trio.lowlevel.checkpoint()
    raise _Boom


def _repeat_schedule(seed: int) -> None:
    """Let trio run the tasks that are ready in an order that the seed decides."""
    # As trio's own plugin for hypothesis does.
    run = trio._core._run  # noqa: SLF001
    setattr(run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)  # noqa: B010  # final for type checkers
    run._r.seed(seed)  # noqa: SLF001


def _open_descriptors() -> set[str]:
    """Name the sockets, pipes and files of this process, where the system tells."""
    if not _DESCRIPTORS.is_dir():
        return set()
    found = set()
    for descriptor in _DESCRIPTORS.iterdir():
        try:
            found.add(str(descriptor.readlink()))
        except OSError:
            continue  # the descriptor of this very listing
    return found
