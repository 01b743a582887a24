"""Keys as text (RFC 32)."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from trio_mq.zmtp.z85 import z85_decode, z85_encode


def test_the_example_of_the_rfc() -> None:
    """Eight bytes are two words."""
    assert z85_encode(bytes.fromhex("864fd26fb559f75b")) == "HelloWorld"
    assert z85_decode("HelloWorld").hex() == "864fd26fb559f75b"


@hypothesis.given(st.binary(max_size=40).filter(lambda data: len(data) % 4 == 0))
def test_bytes_come_back(data: bytes) -> None:
    """Whatever they are."""
    assert z85_decode(z85_encode(data)) == data


@pytest.mark.parametrize(
    "text", ["0000", "000000", "0000 ", "0000~", "000\u00e4", "#####", "%nSc1", "0000\0", '0000"']
)
def test_text_that_is_no_z85_is_refused_and_not_shown(text: str) -> None:
    """A wrong length, a foreign character, a number over four bytes."""
    with pytest.raises(ValueError, match="Z85") as caught:
        z85_decode(text)
    assert text not in str(caught.value)


def test_the_largest_number_fits() -> None:
    """And one more does not, as above."""
    assert z85_decode("%nSc0") == b"\xff\xff\xff\xff"


def test_bytes_that_are_no_groups_of_four_have_no_text() -> None:
    """Keys have 32."""
    with pytest.raises(ValueError, match="multiple of four"):
        z85_encode(b"12345")
