"""The quick comparison runs, and counts something."""

from __future__ import annotations

import json

from tests.cli.shell import run


def test_both_libraries_are_measured_in_both_works() -> None:
    """Two processes each; the figures are positive."""
    status, output, errors = run("bench", "--seconds", "0.1", "--against", "pyzmq", "--json")
    assert status == 0, errors
    figures = json.loads(output)["per_second"]
    assert set(figures) == {"round-trips", "messages"}
    for rates in figures.values():
        assert set(rates) == {"trio_mq", "pyzmq"}
        assert all(rate > 0 for rate in rates.values())


def test_people_get_a_line_for_each_work() -> None:
    """With the size of the messages."""
    status, output, _ = run("bench", "--seconds", "0.1", "--size", "100")
    assert status == 0
    assert output.count(b"of 100 bytes   trio_mq") == 2
