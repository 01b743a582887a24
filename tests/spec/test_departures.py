"""The list of departures and the tests that show them belong together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spec.departures import Departure

SOURCES = "\n".join(path.read_text() for path in Path(__file__).parent.glob("test_*_*.py"))


@pytest.mark.parametrize("row", Departure, ids=lambda row: row.name)
def test_every_departure_is_shown_by_a_test(row: Departure) -> None:
    """A row that nothing shows may have ceased to be true."""
    assert f"@departs(Departure.{row.name})" in SOURCES


def test_every_departure_gives_its_reason() -> None:
    """A row without one is an excuse."""
    for row in Departure:
        assert all((row.value.source, row.value.demand, row.value.instead, row.value.why)), row
