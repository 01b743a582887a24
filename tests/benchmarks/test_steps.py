"""The steps of a message are counted by layer and by function, and counting repeats."""

from __future__ import annotations

import pytest

from benchmarks.steps import WORKS, count, function_of, layer_of, main


@pytest.mark.parametrize("work", WORKS)
def test_each_work_is_counted(work: str) -> None:
    """Layers and functions are two views of the same steps."""
    steps = count(work, messages=20)
    by_layer, by_function = steps.rows(20, layer_of), steps.rows(20, function_of)
    assert {"trio", "trio_mq._sockets", "this program"} <= {row.name for row in by_layer}
    assert all(row.bytecodes > 0 and row.calls > 0 for row in by_function)
    assert sum(row.bytecodes for row in by_layer) == pytest.approx(
        sum(row.bytecodes for row in by_function)
    )


def test_the_table_says_what_each_message_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """All of it first, and then the largest part."""
    main(["round-trip", "--messages", "20"])
    head, total, largest, *_ = capsys.readouterr().out.splitlines()
    assert head.split() == ["bytecodes", "calls", "round-trip,", "each"]
    assert total.split()[-1] == "all"
    assert float(total.split()[0]) > float(largest.split()[0])
