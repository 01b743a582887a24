"""Where the sockets of these tests meet: inside the process, and over the kernel's loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.spec.meeting import reserved_tcp


@pytest.fixture(params=["inproc://meeting", "tcp://127.0.0.1:*"], ids=["inproc", "tcp"])
def place(request: pytest.FixtureRequest) -> str:
    """Return an endpoint to bind; ``bind`` returns the one to connect to."""
    return str(request.param)


@pytest.fixture(params=["inproc", "tcp"])
def unbound(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return an endpoint that nobody is bound to yet."""
    if request.param == "inproc":
        yield "inproc://later"
    else:
        with reserved_tcp() as endpoint:
            yield endpoint
