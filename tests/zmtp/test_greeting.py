"""The greeting: what we say, and every way in which a peer's can be wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from tests.zmtp.pair import DOCUMENTED, GREETING
from trio_mq import MechanismMismatch
from trio_mq.zmtp import ProtocolFault, RemoteProtocolError
from trio_mq.zmtp.greeting import Greeting, GreetingReader

SIGNATURE = GREETING[:10]

#: Rows of a greeting, the version that we see in it, and a comment.
READABLE = [
    (GREETING, (3, 1), "what libzmq sends"),
    (SIGNATURE + b"\3\0" + GREETING[12:], (3, 0), "3.0"),
    (SIGNATURE + b"\3\7" + GREETING[12:], (3, 7), "a later minor version"),
    (SIGNATURE + b"\4\0" + GREETING[12:], (4, 0), "a later major version"),
    (SIGNATURE + b"\xff\xff" + GREETING[12:], (255, 255), "the last version"),
    (b"\xff" + b"\xaa" * 8 + GREETING[9:], (3, 1), "any padding"),
    (GREETING[:9] + b"\1" + GREETING[10:], (3, 1), "any odd tenth byte"),
    (GREETING[:32] + b"\1" + b"z" * 31, (3, 1), "as-server and a filler that is not zero"),
]

#: Rows of bytes, how many of them it takes to know, the fault, a word of the message.
UNREADABLE = [
    (b"GET / HTTP/1.1\r\n\r\n", 1, ProtocolFault.NOT_ZMTP, "b.G"),
    (b"\x16\x03\x01\x00\x7b\x01", 1, ProtocolFault.NOT_ZMTP, "ZMTP"),
    (b"SSH-2.0", 1, ProtocolFault.NOT_ZMTP, "b.S"),
    (b"\5\1\0", 1, ProtocolFault.NOT_ZMTP, "ZMTP"),
    (bytes(64), 1, ProtocolFault.NOT_ZMTP, "ZMTP"),
    (b"\xff" + bytes(7) + b"\5\x7eabcd", 10, ProtocolFault.VERSION, "1.0"),
    (SIGNATURE + b"\0\5", 11, ProtocolFault.VERSION, "1.0"),
    (SIGNATURE + b"\1\5\0\0", 11, ProtocolFault.VERSION, "2.0"),
    (SIGNATURE + b"\2\0", 11, ProtocolFault.VERSION, "2.1"),
]


def read(data: bytes, size: int) -> tuple[Greeting | None, bytes]:
    """Read the bytes in pieces of a size; return the greeting and what came after it."""
    reader, found = GreetingReader("NULL"), None
    for at in range(0, len(data), size):
        greeting, rest = reader.receive(data[at : at + size])
        if greeting is not None:
            return greeting, rest + data[at + size :]
    return found, b""


def test_ours_is_the_greeting_that_libzmq_sends() -> None:
    """Byte for byte, so that nothing on the way can tell us apart."""
    assert Greeting().encode() == GREETING


def test_ours_names_the_mechanism_and_the_server() -> None:
    """The mechanism is padded to 20 bytes; as-server is said honestly."""
    data = Greeting(mechanism="CURVE", as_server=True).encode()
    assert len(data) == 64
    assert data[12:33] == b"CURVE" + bytes(15) + b"\1"


@pytest.mark.parametrize(("data", "version", "comment"), READABLE)
@pytest.mark.parametrize("size", [1, 7, 64, 100])
def test_a_good_greeting_is_read_in_any_pieces(
    data: bytes, version: tuple[int, int], comment: str, size: int
) -> None:
    """The version is what the peer says, and the bytes after the greeting are kept."""
    greeting, rest = read(data + b"more", size)
    assert greeting is not None, comment
    assert greeting.version == version
    assert rest == b"more"


@pytest.mark.parametrize(("data", "known_at", "fault", "word"), UNREADABLE)
def test_a_bad_greeting_fails_at_its_first_impossible_byte(
    data: bytes, known_at: int, fault: ProtocolFault, word: str
) -> None:
    """Not a byte later, so that a stranger does not hold a connection until the deadline."""
    reader = GreetingReader("NULL")
    assert reader.receive(data[: known_at - 1]) == (None, b"")
    with pytest.raises(RemoteProtocolError, match=word) as caught:
        reader.receive(data[known_at - 1 : known_at])
    assert caught.value.fault is fault


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"PLAIN", "PLAIN"),
        (b"CURVE", "CURVE"),
        (b"null", "b'null'"),
        (b"NULL\0X", r"b'NULL\\x00X'"),
        (b"NULLX", "NULLX"),
        (b"", "b''"),
        (b"\xff" * 20, r"\\xff"),
    ],
)
def test_another_mechanism_is_named_together_with_ours(name: bytes, shown: str) -> None:
    """The comparison is of all twenty bytes, as libzmq's is; the text is always printable."""
    data = GREETING[:12] + name.ljust(20, b"\0") + GREETING[32:]
    with pytest.raises(MechanismMismatch, match=rf"{shown}.*ours is NULL"):
        read(data, 1)


@pytest.mark.parametrize(("count", "words"), [(0, "after 0"), (9, "after 9"), (10, "mechanism")])
def test_an_end_after_ten_bytes_hints_at_the_mechanism(count: int, words: str) -> None:
    """That is all one sees of a libzmq peer that wants another one."""
    reader = GreetingReader("NULL")
    reader.receive(GREETING[:count])
    assert words in reader.explain_end()


@given(st.binary(max_size=100), st.integers(1, 64))
def test_any_bytes_give_a_greeting_or_a_documented_error(data: bytes, size: int) -> None:
    """And a greeting only of 64 bytes or more."""
    try:
        greeting, _ = read(data, size)
    except DOCUMENTED:
        return
    assert (greeting is not None) == (len(data) >= 64)
