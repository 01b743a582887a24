"""Frames are sealed and opened in memory that is used again, and nobody can tell."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from nacl import _sodium, bindings

from trio_mq.zmtp.boxes import FrameBoxes, OrdinaryFrames, load_boxes
from trio_mq.zmtp.workbench import Workbench

KEY = b"k" * 32
NONCE = b"n" * 24
HEAD = b"head"
#: Around the sizes of a piece of memory, and of the largest that is kept.
SIZES = (0, 1, 255, 65_518, 65_519, 65_520, 70_000, 1_048_623, 1_048_624, 2_000_000)


@pytest.fixture
def ordinary(monkeypatch: pytest.MonkeyPatch) -> Iterator[FrameBoxes]:
    """Let PyNaCl have its libsodium somewhere else."""
    monkeypatch.setitem(sys.modules, "nacl._sodium", None)
    load_boxes.cache_clear()
    yield load_boxes().frames
    load_boxes.cache_clear()


def box_of(flags: int, body: bytes, nonce: bytes = NONCE) -> bytes:
    """Return what PyNaCl makes of a frame."""
    return bindings.crypto_box_easy_afternm(bytes((flags,)) + body, nonce, KEY)


def test_the_quick_way_is_the_usual_one() -> None:
    """With the PyNaCl that is installed."""
    assert isinstance(load_boxes().frames, Workbench)


def test_a_pynacl_that_is_made_differently_will_do(ordinary: FrameBoxes) -> None:
    """By its public functions, with the same results."""
    assert isinstance(ordinary, OrdinaryFrames)
    sealed = ordinary.seal(HEAD, 1, b"body", NONCE, KEY)
    assert sealed == HEAD + box_of(1, b"body")
    assert ordinary.open(sealed, len(HEAD), NONCE, KEY) == (1, b"body")
    assert ordinary.open(sealed + b"x", len(HEAD), NONCE, KEY) is None


@pytest.mark.parametrize("missing", ["crypto_box_easy_afternm", "crypto_box_open_easy_afternm"])
def test_a_libsodium_without_what_is_needed_is_left_alone(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One name is not enough."""
    names = {"crypto_box_easy_afternm": None, "crypto_box_open_easy_afternm": None}
    del names[missing]
    monkeypatch.setattr(_sodium, "lib", SimpleNamespace(**names))
    load_boxes.cache_clear()
    try:
        assert isinstance(load_boxes().frames, OrdinaryFrames)
    finally:
        load_boxes.cache_clear()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("flags", [0, 1, 2])
def test_a_frame_becomes_the_box_of_pynacl(size: int, flags: int) -> None:
    """Behind what is to be before it; and it opens again."""
    frames, body = load_boxes().frames, random.randbytes(size)
    sealed = frames.seal(HEAD, flags, body, NONCE, KEY)
    assert sealed == HEAD + box_of(flags, body)
    assert frames.open(sealed, len(HEAD), NONCE, KEY) == (flags, body)


def test_nothing_of_a_larger_frame_comes_out_with_a_smaller_one() -> None:
    """Though both were in the same memory."""
    frames = load_boxes().frames
    large = frames.seal(b"", 2, b"x" * 5000, NONCE, KEY)
    for body in (b"", b"small"):
        assert frames.seal(b"", 0, body, NONCE, KEY) == box_of(0, body)
        assert frames.open(large, 0, NONCE, KEY) == (2, b"x" * 5000)
        assert frames.open(box_of(1, body), 0, NONCE, KEY) == (1, body)


@pytest.mark.parametrize("size", SIZES)
def test_a_box_that_was_changed_stays_shut(size: int) -> None:
    """At its beginning, at its end, by another nonce, or by another key."""
    frames = load_boxes().frames
    sealed = box_of(0, bytes(size))
    for changed in (bytes((sealed[0] ^ 1,)) + sealed[1:], sealed[:-1] + bytes((sealed[-1] ^ 1,))):
        assert frames.open(changed, 0, NONCE, KEY) is None
    assert frames.open(sealed, 0, b"m" * 24, KEY) is None
    assert frames.open(sealed, 0, NONCE, b"l" * 32) is None
    assert frames.open(sealed, 0, NONCE, KEY) == (0, bytes(size))


def test_threads_do_not_disturb_each_other() -> None:
    """Libsodium works while another thread's frame is put together."""
    frames, together = load_boxes().frames, threading.Barrier(8)

    def work(seed: int) -> bool:
        body, nonce = random.Random(seed).randbytes(40_000), bytes((seed,)) * 24
        expected = box_of(1, body, nonce)
        together.wait()
        return all(
            frames.seal(b"", 1, body, nonce, KEY) == expected
            and frames.open(expected, 0, nonce, KEY) == (1, body)
            for _ in range(50)
        )

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [True] * 8


class Interrupted:
    """A libsodium during which something else is sealed, as by the handler of a signal."""

    def __init__(self) -> None:
        self.meanwhile: Callable[[], object] | None = None

    def _interrupt(self) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()

    def crypto_box_easy_afternm(self, *arguments: object) -> int:
        """Do something else, then seal."""
        self._interrupt()
        return int(_sodium.lib.crypto_box_easy_afternm(*arguments))

    def crypto_box_open_easy_afternm(self, *arguments: object) -> int:
        """Open, then do something else."""
        shut = int(_sodium.lib.crypto_box_open_easy_afternm(*arguments))
        self._interrupt()
        return shut


def test_a_frame_that_is_sealed_meanwhile_disturbs_nothing() -> None:
    """Each is sealed in memory of its own."""
    sodium = Interrupted()
    frames = Workbench(_sodium.ffi, sodium)
    for _ in range(3):
        sodium.meanwhile = lambda: frames.seal(b"", 0, b"other", NONCE, KEY)
        assert frames.seal(b"", 0, b"mine", NONCE, KEY) == box_of(0, b"mine")
        sodium.meanwhile = lambda: frames.open(box_of(0, b"other"), 0, NONCE, KEY)
        assert frames.open(box_of(1, b"mine"), 0, NONCE, KEY) == (1, b"mine")


def test_little_memory_is_kept() -> None:
    """A few pieces, none of them larger than a megabyte."""
    sodium = Interrupted()
    frames = Workbench(_sodium.ffi, sodium)

    def nested(depth: int) -> bytes:
        if depth:
            sodium.meanwhile = lambda: nested(depth - 1)
        return frames.seal(b"", 0, bytes(10), NONCE, KEY)

    nested(10)
    frames.seal(b"", 0, bytes(3_000_000), NONCE, KEY)
    for size in (100_000, 10):
        frames.seal(b"", 0, bytes(size), NONCE, KEY)
    kept = [len(piece.memory) for piece in frames._pieces]
    assert 0 < len(kept) <= 4
    assert max(kept) < 1_100_000


def test_what_could_not_be_sealed_does_not_go_out() -> None:
    """It would be in the clear."""
    sodium = SimpleNamespace(
        crypto_box_easy_afternm=lambda *_: -1, crypto_box_open_easy_afternm=lambda *_: -1
    )
    with pytest.raises(RuntimeError, match="could not seal"):
        Workbench(_sodium.ffi, sodium).seal(HEAD, 0, b"secret", NONCE, KEY)
