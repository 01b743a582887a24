"""The look at small requests beside large boxes works, so that its figures can be taken again."""

from __future__ import annotations

import pytest

from benchmarks import boxes
from trio_mq._connections import elsewhere


@pytest.mark.parametrize("threads", [True, False])
def test_requests_are_answered_beside_large_boxes(threads: bool) -> None:  # noqa: FBT001  # pytest passes it
    """Wherever these are worked on; and the size that counts as large is what it was."""
    before = elsewhere.LARGE
    figures = boxes.measure(before, streams=2, requests=5, threads=threads)
    assert 0 < figures.p50 <= figures.p99
    assert figures.cpu_seconds > 0
    assert before == elsewhere.LARGE
