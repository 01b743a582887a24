"""The command: start the parts, show how it goes, ask for the result, and check it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import attrs
import trio

import trio_mq

from .identifiers import count_identifiers, find_sources, standard_library
from .processes import DemoFailed, Part, how_it_ended, run_part
from .screen import MEGABYTE, Screen, Top, open_screen, rate
from .tally import Progress, Tally, Totals, differences

INTERRUPTED = 130


@attrs.frozen
class Settings:
    """What the user asked for."""

    folder: Path
    files: list[str]
    workers: int
    kill_worker: bool
    top: int


@attrs.define(eq=False)
class Crew:
    """Starts the parts, and notices when one ends that should not."""

    nursery: trio.Nursery
    say: Callable[[str], None]
    workers: list[Part] = attrs.field(factory=list)

    async def start(self, role: str, name: str, *arguments: str) -> Part:
        """Start a part, and return it when it is ready."""
        part: Part = await self.nursery.start(run_part, role, name, arguments, self.say)
        return part

    async def start_worker(self, number: int, *endpoints: str) -> None:
        """Start a worker, and go on without it if it ends."""
        name = f"worker-{number}"
        part = await self.start("worker", name, name, *endpoints)
        self.workers.append(part)
        self.nursery.start_soon(self._lose, part)

    async def _lose(self, part: Part) -> None:
        await part.ended.wait()
        self.workers.remove(part)
        self.say(f"{part.name} (process {part.process.pid}) {how_it_ended(part.process)}")
        if not self.workers:
            raise DemoFailed("every worker is gone, and nobody is left to do the rest")

    async def need(self, part: Part) -> None:
        """Give up when this part ends."""
        await part.ended.wait()
        raise DemoFailed(f"the {part.name} {how_it_ended(part.process)}")


@attrs.define(eq=False)
class Watch:
    """Follows the progress that the sink publishes."""

    settings: Settings
    screen: Screen
    crew: Crew
    questions: trio_mq.Req
    started: float = attrs.field(factory=trio.current_time)
    _percent: int = -1
    killed: bool = False

    async def follow(self, progress: trio_mq.Sub) -> None:
        """Show every new per cent, and kill a worker half way if that is asked for."""
        async for _topic, figures in progress:
            await self.see(json.loads(figures))

    async def see(self, progress: Progress) -> None:
        """Show how far it is."""
        percent = 100 * progress["files"] // len(self.settings.files)
        if percent >= 50 and self.settings.kill_worker and not self.killed:
            self.killed = True
            self.kill()
        if percent > self._percent:
            self._percent = percent
            self.screen.show(progress, await self.top(5), self.seconds)

    def kill(self) -> None:
        """Kill a worker in the middle of its work."""
        victim = self.crew.workers[0]
        self.screen.say(f"killing {victim.name} (process {victim.process.pid}) with SIGKILL")
        victim.process.kill()

    async def top(self, number: int) -> Top:
        """Ask for the most frequent identifiers."""
        reply = await self.questions.request(b"top %d" % number)
        top: Top = json.loads(bytes(reply))
        return top

    async def totals(self) -> Totals:
        """Ask for everything."""
        reply = await self.questions.request(b"totals")
        totals: Totals = json.loads(bytes(reply))
        return totals

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return trio.current_time() - self.started


async def count_in_parallel(settings: Settings, screen: Screen) -> Totals:
    """Run the pipeline, and return its result."""
    async with trio.open_nursery() as nursery:
        crew = Crew(nursery, screen.say)
        sink = await crew.start("sink", "sink")
        nursery.start_soon(crew.need, sink)
        async with (
            trio_mq.Sub(connect=sink.endpoints["progress"], topics="progress") as progress,
            trio_mq.Req(connect=sink.endpoints["questions"]) as questions,
        ):
            ventilator = await start_work(settings, crew, sink)
            watch = Watch(settings, screen, crew, questions)
            totals = await follow_to_the_end(watch, progress, ventilator)
        nursery.cancel_scope.cancel()
    return totals


async def start_work(settings: Settings, crew: Crew, sink: Part) -> Part:
    """Start the ventilator, which has to be there first, and all workers at once."""
    count, finished = str(settings.workers), sink.endpoints["finished"]
    ventilator = await crew.start("ventilator", "ventilator", str(settings.folder), count, finished)
    tasks, results = ventilator.endpoints["tasks"], sink.endpoints["results"]
    async with trio.open_nursery() as starting:
        for number in range(1, settings.workers + 1):
            starting.start_soon(crew.start_worker, number, tasks, results)
    return ventilator


async def follow_to_the_end(watch: Watch, progress: trio_mq.Sub, ventilator: Part) -> Totals:
    """Watch until the ventilator ends, which it does when all is done; ask for the result."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.follow, progress)
        await ventilator.ended.wait()
        nursery.cancel_scope.cancel()
    if ventilator.process.returncode != 0:
        raise DemoFailed(f"the ventilator {how_it_ended(ventilator.process)}")
    seconds = watch.seconds
    totals = await watch.totals()
    watch.screen.show(totals["progress"], await watch.top(5), seconds)
    if watch.settings.kill_worker and not watch.killed:
        watch.screen.say("everything was done before a worker could be killed: give it more files")
    watch.screen.say(f"{watch.settings.workers} workers: {speed(totals, seconds)}")
    return totals


async def count_alone(settings: Settings, screen: Screen) -> Totals:
    """Do the same work in this process, one file after another."""
    began = trio.current_time()
    tally = Tally()
    for file in settings.files:
        source = (settings.folder / file).read_bytes()
        tally.add(file, "alone", len(source), count_identifiers(source))
        screen.compare(len(tally.done), tally.size, trio.current_time() - began)
        await trio.lowlevel.checkpoint()
    totals = tally.totals()
    screen.say(f"one process: {speed(totals, trio.current_time() - began)}")
    return totals


def speed(totals: Totals, seconds: float) -> str:
    """Say how much was done in which time."""
    progress = totals["progress"]
    return (
        f"{progress['files']} files, {progress['size'] / MEGABYTE:.1f} MB in {seconds:.1f} s "
        f"({rate(progress['size'], seconds)})"
    )


def verdict(together: Totals, alone: Totals, screen: Screen) -> int:
    """Say whether the pipeline's result is right, and return the exit status."""
    repeated = together["progress"]["repeated"]
    if repeated:
        screen.say(f"tables that came once more, and were ignored: {repeated}")
    if together["unreadable"]:
        screen.say(f"can't be tokenised: {some_of(together['unreadable'])}")
    wrong = differences(together, alone)
    for difference in wrong[:10]:
        screen.say(f"WRONG  {difference}")
    if wrong:
        screen.say(f"the totals differ in {len(wrong)} places from those of one process")
        return 1
    names = together["identifiers"]
    screen.say(
        f"the totals agree with those of one process: "
        f"{sum(names.values()):,} identifiers, {len(names):,} different"
    )
    return 0


def some_of(files: list[str]) -> str:
    """Name a few files, and say how many more there are."""
    rest = f" and {len(files) - 5} more" if len(files) > 5 else ""
    return ", ".join(files[:5]) + rest


async def demonstrate(settings: Settings) -> int:
    """Run everything, and return the exit status."""
    with open_screen(len(settings.files)) as screen:
        screen.say(f"{len(settings.files)} files in {settings.folder}")
        together = await count_in_parallel(settings, screen)
        alone = await count_alone(settings, screen)
        names = together["identifiers"]
        screen.conclude(sorted(names.items(), key=lambda item: -item[1])[: settings.top])
        return verdict(together, alone, screen)


def read_arguments(arguments: Sequence[str] | None = None) -> Settings:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}",
        description="Count the identifiers of Python files with a pipeline of processes.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=standard_library(),
        help="where the files are (default: the standard library of this Python)",
    )
    parser.add_argument("--workers", type=int, default=4, metavar="N", help="default: 4")
    parser.add_argument("--kill-worker", action="store_true", help="kill one worker half way")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="rows of the final table")
    given = parser.parse_args(arguments)
    files = find_sources(given.folder)
    if not files:
        parser.error(f"there is no .py file in {given.folder}")
    if given.workers < 1 + given.kill_worker:
        parser.error(f"--workers {given.workers} leaves nobody to work: give a larger number")
    return Settings(given.folder, files, given.workers, given.kill_worker, given.top)


def main() -> int:
    """Run the demonstration, and return the exit status."""
    settings = read_arguments()
    status = INTERRUPTED
    try:
        status = trio.run(partial(demonstrate, settings))
    except* KeyboardInterrupt:
        print("interrupted: every process has ended")
    except* DemoFailed as failures:
        status = 1
        for failure in leaves(failures):
            print(f"failed: {failure}")
    return status


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """Return the exceptions of a group, without the groups inside it."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
