"""The fixture ``mq_network``, which pytest finds by itself where trio_mq is installed.

pytest loads this module in every run, so the module itself loads nothing before it is used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import trio

    from trio_mq.testing import Network


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", "mq_network(seed=0): the seed of the network that `mq_network` gives to a test"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let a test of pytest-trio's that uses the network run in virtual time."""
    names: Sequence[str] = getattr(item, "fixturenames", ())
    marker = item.get_closest_marker("trio")
    if "mq_network" in names and marker is not None:
        item.add_marker(pytest.mark.trio(run=_run_in_virtual_time), append=False)


def _run_in_virtual_time(
    test: Callable[[], Awaitable[object]],
    *,
    clock: trio.abc.Clock | None = None,
    instruments: Sequence[trio.abc.Instrument] = (),
) -> Any:  # noqa: ANN401  # whatever the test returns
    import trio.testing  # noqa: PLC0415  # see above

    clock = clock or trio.testing.MockClock(autojump_threshold=0)
    return trio.run(test, clock=clock, instruments=instruments)


@pytest.fixture
async def mq_network(request: pytest.FixtureRequest) -> AsyncIterator[Network]:
    """Give a test a `trio_mq.testing.Network`.

    With pytest-trio, the test runs in virtual time. The marker ``mq_network(seed=…)`` chooses the
    seed; when the test fails, what happened in the network is part of the report.
    """
    from trio_mq.testing import Network  # noqa: PLC0415  # see above

    marker = request.node.get_closest_marker("mq_network")
    seed: int = 0 if marker is None else marker.kwargs.get("seed", 0)
    async with Network(seed=seed) as network:
        request.node.stash[_NETWORK] = network
        yield network


_NETWORK: pytest.StashKey[Network] = pytest.StashKey()
#: Lines of the history that a report shows.
_LAST_LINES = 100


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:  # noqa: ANN401  # a generator of pluggy's
    """Show with a failed test what happened in its network."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    network = item.stash.get(_NETWORK, None)
    if network is not None and report.failed:
        text = "\n".join(network.history[-_LAST_LINES:])
        report.sections.append((f"trio_mq network, seed {network.seed}", text))
