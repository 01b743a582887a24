"""What the command line of the comparison chooses."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import chosen_works, is_whole, parse


@pytest.mark.parametrize(("cores", "apart"), [("own", {True}), ("any", {False})])
def test_each_end_can_be_given_a_core_of_its_own(
    cores: str,
    apart: set[bool],  # pytest passes it
) -> None:
    """Or none, whatever each work says; the documentation shows neither."""
    options = parse(["--only", "req-rep/*", "--cores", cores])
    assert {work.apart for work in chosen_works(options)} == apart
    assert not is_whole(parse(["--cores", cores]))


def test_without_a_choice_each_work_says_it_and_the_documentation_shows_it() -> None:
    """Everything, as it stands."""
    options = parse([])
    assert {work.apart for work in chosen_works(options)} == {True, False}
    assert is_whole(options)
