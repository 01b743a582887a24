"""Programs of the guide that take real processes: one is killed, or there is one for each core."""

from __future__ import annotations

import itertools
import re
import runpy
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import coredis
import pytest
import trio

import trio_mq
from tests.programs import ENVIRONMENT, Program, running

GUIDE: Final = Path(__file__).parent.parent / "examples" / "guide"
SECONDS: Final = 100


# -- the durable queue --


def durable(role: str, folder: Path) -> tuple[str, ...]:
    """Return the command that runs a part of the durable queue."""
    return (sys.executable, str(GUIDE / "durable_queue.py"), role, str(folder))


@asynccontextmanager
async def redis(folder: Path) -> AsyncIterator[None]:
    """Run a Redis that has everything on the disk before it says so."""
    on_disk = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
    place = ("--port", "0", "--unixsocket", f"{folder}/redis", "--dir", str(folder))
    async with running("redis-server", *place, *on_disk) as program:
        while "ready to accept connections" not in await program.line():
            pass
        yield


async def hand_in(folder: Path, tasks: Iterable[str]) -> None:
    """Ask until each task was taken."""
    always = trio_mq.Retry(attempts=None, patience=5)
    async with trio_mq.Req(connect=f"ipc://{folder}/new") as new:
        for task in tasks:
            await new.request(task.encode(), retry=always)


class Log:
    """Who has done what, as the workers say it."""

    def __init__(self) -> None:
        self.done: dict[str, Program] = {}
        self._news = trio.Condition()

    async def read(self, worker: Program) -> None:
        """Note what a worker says, and pass over its log."""
        while True:
            _, _, task = (await worker.line()).partition(" has done ")
            if task:
                async with self._news:
                    self.done.setdefault(task, worker)
                    self._news.notify_all()

    async def wait_for(self, tasks: Collection[str], count: int, by: Program | None = None) -> None:
        """Wait until so many of the tasks were done, by somebody or by that worker."""
        async with self._news:
            while sum(by in {None, self.done[task]} for task in tasks if task in self.done) < count:
                await self._news.wait()


async def wait_until_struck_off(folder: Path) -> None:
    """Wait until the stream is empty: what a worker has said is on its way to there."""
    async with coredis.Redis(unix_socket_path=f"{folder}/redis") as client:
        while await client.xlen("tasks"):  # noqa: ASYNC110  # Redis tells nobody
            await trio.sleep(0.01)


@pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed")
async def test_no_task_is_lost_when_the_queue_or_a_worker_is_killed(tmp_path: Path) -> None:
    """Each is done, at least once; the worker has some in hand, and the queue is started again."""
    log = Log()
    first, last = ([f"{name} {number}" for number in range(30)] for name in ("first", "last"))
    between = (f"between {number}" for number in itertools.count())
    with trio.fail_after(SECONDS):
        async with (
            redis(tmp_path),
            running(*durable("work", tmp_path)) as ada,
            running(*durable("work", tmp_path)) as grace,
            trio.open_nursery() as nursery,
        ):
            for worker in (ada, grace):
                nursery.start_soon(log.read, worker)
            async with running(*durable("queue", tmp_path)) as queue:
                nursery.start_soon(hand_in, tmp_path, first)
                await log.wait_for(first, 10)
                await queue.kill()
            async with running(*durable("queue", tmp_path)):
                await log.wait_for(first, len(first))
                while ada not in {log.done.get(task) for task in log.done if "between" in task}:
                    task = next(between)
                    await hand_in(tmp_path, [task])
                    await log.wait_for([task], 1)
                ada.process.send_signal(signal.SIGSTOP)  # it is given tasks, and can't do them
                await hand_in(tmp_path, last)
                await log.wait_for(last, 5, by=grace)
                await ada.kill()
                await log.wait_for(last, len(last))
                await wait_until_struck_off(tmp_path)
            nursery.cancel_scope.cancel()


# -- many processes on one port --


@contextmanager
def shared_port() -> Iterator[str]:
    """Hold a port that processes can share, without listening there."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield f"tcp://127.0.0.1:{holder.getsockname()[1]}"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the last one gets all connections")
async def test_all_processes_of_a_port_work() -> None:
    """It waits until each of the two has answered."""
    program = str(GUIDE / "many_processes.py")
    with shared_port() as endpoint, trio.fail_after(SECONDS):
        finished = await trio.run_process(
            [sys.executable, program, endpoint, "1", "2"],
            env=ENVIRONMENT,
            capture_stdout=True,
            capture_stderr=True,
        )
    printed = finished.stdout.decode()
    assert re.fullmatch(r"2 processes: \d+ requests a second\n", printed)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the last one gets all connections")
async def test_forwarders_of_a_port_share_subscribers() -> None:
    """Each subscriber hears the news, from whichever forwarder has its connection.

    In one process here: the kernel shares a port among sockets, wherever they are.
    """
    forward = runpy.run_path(str(GUIDE / "many_processes.py"))["forward"]
    forwarders: set[trio_mq.Peer] = set()
    subscribers: dict[bytes, trio_mq.Sub] = {}
    with shared_port() as endpoint, trio.fail_after(SECONDS):
        async with (
            trio_mq.XPub(bind="inproc://news") as news,
            trio.open_nursery() as nursery,
            AsyncExitStack() as stack,
        ):
            for _ in range(2):
                nursery.start_soon(forward, "inproc://news", endpoint)
            while len(forwarders) < 2:
                topic = b"%04d" % len(subscribers)
                sub = trio_mq.Sub(connect=endpoint, topics=topic)
                subscribers[topic] = await stack.enter_async_context(sub)
                message, forwarder = await news.receive_from()
                assert message.subscription == (True, topic)
                forwarders.add(forwarder)
            for topic, sub in subscribers.items():
                await news.send(topic)
                assert bytes(await sub.receive()) == topic
            nursery.cancel_scope.cancel()
