"""Measurements of real processes, as short as they can be: that they work, not how fast."""

from __future__ import annotations

import sys
from contextlib import ExitStack

import pytest

from benchmarks import works
from benchmarks.job import Job
from benchmarks.loops.addresses import unused_endpoint
from benchmarks.measure import MeasurementFailed, Part, measure
from benchmarks.peers import PEERS
from benchmarks.runner import Plan, run_work

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc of Linux")


async def run(peer: str, server: str, client: str) -> dict[str, float]:
    """Run a measurement of two rounds."""
    with ExitStack() as stack:
        job = Job(endpoint=unused_endpoint("tcp", stack), rounds=2)
        return await measure([Part(peer, server), Part(peer, client)], job)


@pytest.mark.parametrize("peer", ["bare_sockets", "bare_trio", "pyzmq_blocking", "trio_mq_many"])
async def test_a_stream_of_messages_is_measured(peer: str) -> None:
    """Two rounds of 512 messages arrive, and the second is what counts."""
    figures = await run(peer, "receiver", "sender")
    assert figures["messages"] == 1024
    assert figures["per_second"] == pytest.approx(512 / figures["seconds"])


async def test_round_trips_are_measured() -> None:
    """The client keeps the clock, the server's processor time is told apart."""
    figures = await run("trio_mq_each", "replier", "requester")
    assert figures["messages"] == 1024
    assert 0 < figures["server_cpu_seconds"] < figures["cpu_seconds"]


async def test_a_worker_that_fails_is_named_with_its_last_words() -> None:
    """A role that a library does not play is a KeyError there."""
    with pytest.raises(MeasurementFailed, match="bare_sockets as juggler ended early: KeyError"):
        await run("bare_sockets", "juggler", "sender")


async def test_a_library_that_is_not_installed_is_named_as_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The comparison goes on without it."""
    absent = works.Work(name="w", title="W", roles=("receiver", "sender"), peers=("absent",))
    peer = type(PEERS["bare_trio"])("absent", "Absent", ("no-such-distribution",))
    monkeypatch.setitem(PEERS, "absent", peer)
    plan = Plan(repetitions=1, seconds=0.01, progress=print, peers=frozenset({"absent"}))
    outcomes = await run_work(absent, plan)
    assert outcomes["absent"].problem == "missing: no-such-distribution"


@pytest.mark.parametrize("work", works.WORKS, ids=lambda work: work.name)
def test_every_work_names_libraries_that_exist(work: works.Work) -> None:
    """A misspelt name would be found only after an hour."""
    assert set(work.peers) <= set(PEERS)
    assert all(part.peer for peer in work.peers for part in work.parts(peer))
