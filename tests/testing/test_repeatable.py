"""The same seed is the same story, in every process; another seed is another."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trio
import trio.testing

import trio_mq
from tests.testing.programs import history
from trio_mq._chance import current_chance
from trio_mq._waiting import current_slice
from trio_mq.testing import Network

ROOT = Path(__file__).parent.parent.parent


def test_the_same_seed_gives_the_same_order_of_everything() -> None:
    """Every event of the network, and every line of the program's own, with its time."""
    first = history(7)
    assert first == history(7)
    assert len(first) > 500
    assert any("answered" in line for line in first)


def test_another_seed_is_another_story() -> None:
    """Or the test above would show nothing."""
    assert history(1) != history(2)


def test_a_seed_is_the_same_in_every_process() -> None:
    """Whatever the hashes of strings, which order sets, and wherever objects lie."""
    place = str(Path(trio_mq.__file__).parent.parent)
    path = os.pathsep.join([place, str(ROOT)])
    digests = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path}
        command = [sys.executable, "-m", "tests.testing.programs", "11"]
        run = subprocess.run(command, capture_output=True, check=True, env=environment, cwd=ROOT)
        digests.add(run.stdout)
    assert len(digests) == 1


async def test_nothing_of_the_kernel_is_used(
    mq_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No socket, no thread, no waiting for a descriptor."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("this is not for a network in memory")

    for module, name in (
        ("socket", "socket"),
        ("trio.lowlevel", "wait_readable"),
        ("trio.lowlevel", "wait_writable"),
        ("trio.to_thread", "run_sync"),
    ):
        monkeypatch.setattr(f"{module}.{name}", refuse)
    threads = threading.active_count()
    lab = mq_network.host("lab")
    async with (
        trio_mq.Pull(bind=["tcp://*:80", "ipc://*"], context=lab) as pull,
        trio_mq.Push(connect=["tcp://lab:80", "tcp://localhost:80"], context=lab) as push,
    ):
        await push.send(b"a")
        await pull.receive()
    assert threading.active_count() == threads


def test_the_run_is_as_before_after_the_network() -> None:
    """Chance, the clock of the time slice and trio's own order are given back."""

    async def use() -> None:
        before = (current_chance(), current_slice().clock)
        async with Network(seed=1):
            assert (current_chance(), current_slice().clock) != before
        assert (current_chance(), current_slice().clock) == before

    allowed = trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING
    trio.run(use)
    assert trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING is allowed


async def test_it_works_in_real_time_too() -> None:
    """On whatever clock trio has: then its delays are real."""
    async with Network() as net:
        lab = net.host("lab")
        async with (
            trio_mq.Pull(bind="tcp://*:80", context=lab) as pull,
            trio_mq.Push(connect="tcp://lab:80", context=lab) as push,
        ):
            await push.send(b"a")
            assert await pull.receive() == (b"a",)
