"""Waiting for a line of the log, as for any other event."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import trio


class LogLines(logging.Handler):
    """Keeps what is logged below ``trio_mq``, and lets a task wait for a line of it."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self._news = trio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; it comes from the trio thread."""
        self.records.append(record)
        self._news.set()

    def matching(self, pattern: str) -> list[logging.LogRecord]:
        """Return the lines in which the pattern is found."""
        return [record for record in self.records if re.search(pattern, record.getMessage())]

    async def wait_for(self, pattern: str) -> logging.LogRecord:
        """Return the first line in which the pattern is found, as soon as there is one."""
        while not (found := self.matching(pattern)):
            self._news = trio.Event()
            await self._news.wait()
        return found[0]


@contextmanager
def log_lines(level: int = logging.WARNING) -> Iterator[LogLines]:
    """Keep the lines of that level and above."""
    lines, logger = LogLines(), logging.getLogger("trio_mq")
    before = logger.level
    logger.addHandler(lines)
    logger.setLevel(level)
    try:
        yield lines
    finally:
        logger.removeHandler(lines)
        logger.setLevel(before)
