"""Each question of `docs/questions.toml` has its answer, two clicks from the front page at most."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

DOCS: Final = Path(__file__).parent.parent / "docs"
QUESTIONS: Final = tomllib.loads((DOCS / "questions.toml").read_text("utf-8"))["question"]
#: Two lines, the second of which underlines the first.
TITLE: Final = re.compile(r"^(\S.*)\n([=~.^-])\2+$", re.MULTILINE)


def source(page: str) -> str:
    """Return the text of a page."""
    return (DOCS / f"{page}.rst").read_text("utf-8")


def titles(page: str) -> list[str]:
    """Return the titles of a page and of its sections."""
    return [match[1] for match in TITLE.finditer(source(page))]


def linked(page: str) -> Iterator[str]:
    """Yield the pages that a page lists in its contents."""
    for block in re.findall(r"\.\. toctree::\n((?:\s+.*\n|\n)+)", source(page)):
        for line in block.splitlines():
            name = line.strip()
            if name and not name.startswith(":"):
                yield str((Path(page).parent / name).as_posix())


def within_two_clicks() -> set[str]:
    """Return what the front page links, and what those pages link."""
    first = set(linked("index"))
    return first | {page for section in first for page in linked(section)}


REACHED: Final = within_two_clicks()


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: str(question["ask"]))
def test_a_question_has_its_answer_where_it_says(question: dict[str, str]) -> None:
    """The page exists and is near, and the section is on it; Sphinx checks the link itself."""
    assert question["page"] in REACHED
    assert question["section"] in titles(question["page"])
    assert 30 < len(question["answer"]) < 450


def test_the_questions_are_all_there() -> None:
    """No two are the same, and those that people asked are not fewer one day."""
    asked = [question["ask"] for question in QUESTIONS]
    assert len(asked) == len(set(asked)) >= 48


@pytest.mark.parametrize("page", sorted(path for path in DOCS.rglob("*.rst")), ids=str)
def test_each_page_is_two_clicks_away(page: Path) -> None:
    """What the contents don't list, nobody finds."""
    name = page.relative_to(DOCS).with_suffix("").as_posix()
    assert name == "index" or name.startswith("_generated/") or name in REACHED
