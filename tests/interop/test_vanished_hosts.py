"""A host that vanishes says nothing: who has data on the way to it finds out in a bounded time."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

_PROGRAM: Final = Path(__file__).with_name("vanishing.py")
_OWN_NETWORK: Final = ["unshare", "--net"]


def _may_have_a_network() -> bool:
    try:
        probe = subprocess.run([*_OWN_NETWORK, "ip", "rule"], capture_output=True, check=False)
    except OSError:
        return False
    return probe.returncode == 0


needs_own_network = pytest.mark.skipif(
    not _may_have_a_network(), reason="only root, with unshare and ip, can make a host vanish"
)


@needs_own_network
@pytest.mark.parametrize("peer", ["reads", "busy"])
def test_it_is_given_up_after_the_time_of_its_keep_alive(peer: str) -> None:
    """Also behind a shut window, which alone is no reason: its probes were answered till then."""
    ended = subprocess.run(
        [*_OWN_NETWORK, sys.executable, str(_PROGRAM), peer],
        capture_output=True,
        check=True,
        text=True,
    )
    assert ended.stdout.split() == ["connection-lost", str(errno.ETIMEDOUT)]
