"""The table of everything that is logged: it is whole, it is used, and no peer can write in it."""

from __future__ import annotations

import ast
import logging
import re
from pathlib import Path

import pytest
import trio
import trio.testing

import trio_mq
from tests.log_lines import log_lines
from trio_mq import Pull, Push
from trio_mq._log import RECORDS, REFUSED, REPLY_ASTRAY, UNDELIVERED, Record, Sparingly

PACKAGE = Path(trio_mq.__file__).parent
SOURCES = {path: path.read_text("utf-8") for path in PACKAGE.rglob("*.py")}
LEVELS = {logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR}


def imports_logging(source: str) -> bool:
    """Tell whether a source has the means to log by itself."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import) and any(name.name == "logging" for name in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "logging":
            return True
    return False


def test_nothing_is_logged_but_what_is_in_the_table() -> None:
    """Only one file knows the logging module, but for the command, which sets it up."""
    knowing = {
        str(path.relative_to(PACKAGE))
        for path, source in SOURCES.items()
        if imports_logging(source)
    }
    assert {name for name in knowing if not name.startswith("_cli/")} == {"_log.py"}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_is_told_somewhere_and_explained(name: str) -> None:
    """What nothing tells any more leaves the table."""
    used = [
        path
        for path, source in SOURCES.items()
        if path.name != "_log.py" and re.search(rf"\b{name}\b", source)
    ]
    record = RECORDS[name]
    assert used
    assert record.when.endswith(".")
    assert record.level in LEVELS
    assert record.concern.isidentifier()


def test_the_table_is_not_empty() -> None:
    """The tests above would pass then."""
    assert len(RECORDS) > 25
    assert {record.level for record in RECORDS.values()} == LEVELS


def test_a_value_can_not_begin_a_line_of_its_own() -> None:
    """Nor colour a terminal, or go back in the line; what people write in stays as it is."""
    with log_lines(logging.INFO) as lines:
        REPLY_ASTRAY.tell("a\nERROR root\x1b[31m\r\x85\u2028", "Zoë, 本")
    (record,) = lines.records
    assert record.getMessage().count("a\\nERROR root\\x1b[31m\\r\\x85\\u2028") == 1
    assert record.getMessage().isprintable()
    assert "Zoë, 本" in record.getMessage()


def test_a_record_has_the_logger_of_its_concern_and_the_place_of_its_teller() -> None:
    """Each can be turned off alone, and found in the code."""
    with log_lines() as lines:
        UNDELIVERED.tell("Push", 1, "message", "tcp://x")
        logging.getLogger("trio_mq.messages").setLevel(logging.ERROR)
        try:
            UNDELIVERED.tell("Push", 2, "messages", "tcp://x")
        finally:
            logging.getLogger("trio_mq.messages").setLevel(logging.NOTSET)
    (record,) = lines.records
    assert (record.name, record.levelno) == ("trio_mq.messages", logging.WARNING)
    assert record.filename == Path(__file__).name


async def test_what_others_can_cause_at_will_becomes_rarer_while_it_goes_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A second between two lines, then two, and so on to a minute; no line is uncounted."""
    sparing = Sparingly(REFUSED, "tcp://x")
    with log_lines() as lines:
        for number in range(6000):
            sparing.tell("Pull", f"visitor {number}")
            await trio.sleep(0.1)
        told = len(lines.records)
        await trio.sleep(200)
        sparing.tell("Pull", "later")
        await trio.sleep(1.1)
        sparing.tell("Pull", "and later")
    assert 10 <= told <= 20
    left_out = [int(n) for n in re.findall(r"and (\d+) more", " ".join(map(said, lines.records)))]
    assert told + sum(left_out) == 6000
    assert said(lines.records[-1]) == "Pull: and later"


def said(record: logging.LogRecord) -> str:
    """Return the text of a line."""
    return record.getMessage()


async def test_a_filter_that_raises_ends_no_socket(capsys: pytest.CaptureFixture[str]) -> None:
    """It is the program's own fault, and told on stderr as one of a handler is."""

    def broken(_: logging.LogRecord) -> bool:
        raise ZeroDivisionError

    logger = logging.getLogger("trio_mq.endpoints")
    logger.addFilter(broken)
    try:
        with log_lines(logging.INFO):
            async with Pull() as pull, Push() as push:
                await push.connect(await pull.bind("tcp://127.0.0.1:*"), wait=True)
                await push.send(b"hello")
                assert await pull.receive() == (b"hello",)
    finally:
        logger.removeFilter(broken)
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_record_that_is_not_wanted_is_not_written() -> None:
    """Its values are not even looked at."""

    class Loud:
        def __str__(self) -> str:
            raise AssertionError

    with log_lines(logging.WARNING):
        Record("messages", logging.DEBUG, "%s", "Never.").tell(Loud())
