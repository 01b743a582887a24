"""A search for bugs: one program, under many seeds and the faults that they choose."""

from __future__ import annotations

import random
import traceback
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

import trio
import trio.testing

from trio_mq._errors import leaves
from trio_mq.testing.network import Network
from trio_mq.testing.trouble import KINDS, Trouble

#: Lines of the history that are printed.
_LAST_LINES: Final = 60


class Found(AssertionError):
    """`explore` has found a seed under which the program fails; its cause is what the program met.

    Attributes:
        seed: Repeats it.
        history: What happened in the network, in order.
    """

    def __init__(self, seed: int, history: list[str], error: BaseException) -> None:
        super().__init__(f"seed {seed}: {type(error).__name__}: {error}")
        self.seed: int = seed
        self.history: list[str] = history


def explore(
    program: Callable[[Network], Awaitable[object]],
    *,
    seeds: Iterable[int] = range(1000),
    faults: Sequence[str] = tuple(KINDS),
    trouble: float = 60.0,
    patience: float = 3600.0,
) -> int:
    """Run a program under random faults, once per seed, until it fails.

    Each run is a trio run of its own in virtual time, with a new `Network`. In the first seconds
    the seed makes trouble there; then everything is healed, and the program should come to a good
    end. The seed decides the order of tasks as well, so races are found too.

    Args:
        program: An async function that is given the network. It makes hosts, does its work, and
            raises if something is wrong: ``assert``, `assert_nothing_lost`.
        seeds: One run each. To see a failure again, give ``seeds=[seed]``.
        faults: The kinds that there may be: ``"cut"``, ``"silence"``, ``"reset"``, ``"crash"``,
            ``"slow_reader"`` and ``"link"``, which changes delay, jitter, rate and buffers.
        trouble: Seconds of trouble.
        patience: Seconds after which a program that has not ended hangs.

    Returns:
        The number of runs, all of which went well.

    Raises:
        Found: The first failure, whose seed and history were printed.
        ValueError: There is no such kind of fault, or none is given.

    Both times are in virtual seconds. Call it from a test that is a plain function: it runs trio.
    """
    unknown = [fault for fault in faults if fault not in KINDS]
    if unknown or not faults:
        raise ValueError(f"faults={faults!r}: give some of {', '.join(KINDS)}")
    count = 0
    for seed in seeds:
        run = _Run(program, seed, faults, trouble, patience)
        trio.run(run.play, clock=trio.testing.MockClock(autojump_threshold=0))
        if run.error is not None:
            _print(seed, run)
            raise Found(seed, run.history, run.error) from run.error
        count += 1
    return count


class _Run:
    """One run of a program.

    Args:
        program: The program.
        seed: Decides everything.
        faults: The kinds that there may be.
        trouble: Seconds of trouble.
        patience: Seconds that the program may take.
    """

    def __init__(
        self,
        program: Callable[[Network], Awaitable[object]],
        seed: int,
        faults: Sequence[str],
        trouble: float,
        patience: float,
    ) -> None:
        self._program = program
        self._seed = seed
        self._faults = faults
        self._trouble = trouble
        self._patience = patience
        self.error: BaseException | None = None
        self.history: list[str] = []

    async def play(self) -> None:
        """Run it, and keep what it meets."""
        chance = random.Random(f"trouble {self._seed}")  # noqa: S311  # it must be repeatable
        async with Network(self._seed) as net:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(Trouble(net, chance, self._faults).make, self._trouble)
                    with trio.move_on_after(self._patience) as patience:
                        await self._program(net)
                    nursery.cancel_scope.cancel()
                if patience.cancelled_caught:
                    hangs = f"the program has not ended after {self._patience:g} seconds"
                    self.error = TimeoutError(hangs)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is what we look for
                self.error = _first(error)
            self.history = net.history


def _first(error: Exception) -> BaseException:
    """Return what a program raised, taken out of the groups of nurseries."""
    found = list(leaves(error))
    return found[0] if len(found) == 1 else error


def _print(seed: int, run: _Run) -> None:
    print(f"seed {seed} fails; explore(program, seeds=[{seed}]) repeats it")  # noqa: T201  # promised
    traceback.print_exception(run.error)
    left_out = len(run.history) - _LAST_LINES
    if left_out > 0:
        print(f"... {left_out} earlier lines")  # noqa: T201  # as above
    print("\n".join(run.history[-_LAST_LINES:]))  # noqa: T201  # as above
