"""PyNaCl is loaded when the first key is made, and missed in plain words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from trio_mq import auth
from trio_mq.zmtp.boxes import load_boxes


@pytest.fixture
def without_pynacl(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make PyNaCl as good as not installed."""
    monkeypatch.setitem(sys.modules, "nacl", None)
    load_boxes.cache_clear()
    yield
    load_boxes.cache_clear()


@pytest.mark.usefixtures("without_pynacl")
def test_keys_without_pynacl_name_the_extra() -> None:
    """Where they are made, not where the first peer comes."""
    with pytest.raises(ImportError, match=r"trio-mq\[curve\]"):
        auth.CurveKeys.generate()
    with pytest.raises(ImportError, match=r"trio-mq\[curve\]"):
        auth.CurveKeys(secret=b"s" * 32)
    with pytest.raises(ImportError, match=r"trio-mq\[curve\]"):
        auth.CurveClient(server=b"s" * 32)


@pytest.mark.usefixtures("without_pynacl")
async def test_all_but_keys_works_without_pynacl() -> None:
    """Public keys can be listed, passwords asked for."""
    judge = auth.either(auth.Keys({"a": b"k" * 32}), auth.Passwords({"a": "b"}))
    request = auth.Request(mechanism="PLAIN", username="a", password="b")  # noqa: S106  # a test's
    assert await judge(request) == auth.Granted("a")


def test_importing_the_package_loads_no_pynacl() -> None:
    """Whoever has no use for CURVE does not wait for it."""
    program = "import sys, trio_mq.auth, trio_mq.zmtp; sys.exit('nacl' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=100)


def test_the_protocol_needs_neither_pynacl_nor_trio() -> None:
    """Also with the mechanisms imported."""
    program = (
        "import sys, trio_mq.zmtp, trio_mq.zmtp.curve, trio_mq.zmtp.plain;"
        "sys.exit(bool({'nacl', 'trio'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=100)


@pytest.mark.parametrize("size", [0, 15, 16, 40, 40_000])
def test_what_is_no_box_does_not_open(size: int) -> None:
    """However short or long it is."""
    boxes, key = load_boxes(), b"k" * 32
    assert boxes.open(bytes(size), bytes(24), key) is None
    assert boxes.open(boxes.seal(bytes(size), bytes(24), key), bytes(24), key) == bytes(size)
