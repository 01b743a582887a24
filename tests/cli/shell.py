"""Running the command as a shell does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.programs import ENVIRONMENT, new_group

SECONDS = 100
COMMAND = [sys.executable, "-m", "trio_mq"]


def run(*arguments: str, stdin: bytes | str = b"") -> tuple[int, bytes, str]:
    """Run the command to its end; return its exit code, its output and what it complained about."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=data,
        capture_output=True,
        check=False,
        env=ENVIRONMENT,
        timeout=SECONDS,
    )
    return done.returncode, done.stdout, done.stderr.decode()


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command beside the test, and leave no process behind."""
    pipe = subprocess.PIPE
    with (
        new_group() as group,
        subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=ENVIRONMENT,
            process_group=group,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def finish(process: subprocess.Popen[bytes], stdin: bytes = b"") -> tuple[int, bytes, str]:
    """Wait for the end of a command; return the same as `run`."""
    output, errors = process.communicate(stdin, timeout=SECONDS)
    return process.returncode, output, errors.decode()
