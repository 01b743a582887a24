"""What workers write down of what they received: records that a kill leaves whole."""

from __future__ import annotations

import os
import struct
import sys
import time
from typing import Final

#: Seconds without a message after which a worker that is asked to end believes that all has come.
QUIET: Final = 1.5

_NUMBER: Final = struct.Struct(">Q")
_PUBLICATION: Final = struct.Struct(">QQ")


def log(record: bytes) -> None:
    """Write a record to the end of the standard output, with one system call."""
    os.write(sys.stdout.fileno(), record)


def number(value: int) -> bytes:
    """Return the record of a number."""
    return _NUMBER.pack(value)


def numbers(records: bytes) -> list[int]:
    """Return the numbers of records."""
    return [value for (value,) in _NUMBER.iter_unpack(records)]


def stamp() -> int:
    """Return a number that grows from one life of a program to the next."""
    return time.time_ns()


def publication(life: int, value: int) -> bytes:
    """Return the record of a number in one life of a publisher."""
    return _PUBLICATION.pack(life, value)


def publications(records: bytes) -> list[tuple[int, int]]:
    """Return lives and numbers of records."""
    return list(_PUBLICATION.iter_unpack(records))
