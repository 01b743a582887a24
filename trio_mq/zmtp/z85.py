"""Z85: four bytes as five printable characters, the form in which people see keys (RFC 32)."""

from __future__ import annotations

import struct
from typing import Final

_ALPHABET: Final = (
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
)
_DIGITS: Final = {character: digit for digit, character in enumerate(_ALPHABET)}
_POWERS: Final = (85**4, 85**3, 85**2, 85, 1)


def z85_encode(data: bytes) -> str:
    """Return the text for the bytes.

    Raises:
        ValueError: Their number is not a multiple of four.
    """
    if len(data) % 4:
        raise ValueError(f"{len(data)} bytes have no Z85 form: give a multiple of four")
    numbers = struct.unpack(f">{len(data) // 4}I", data)
    return "".join(_ALPHABET[number // power % 85] for number in numbers for power in _POWERS)


def z85_decode(text: str) -> bytes:
    """Return the bytes for the text.

    Raises:
        ValueError: It is not Z85. The error does not show it, for it may be a secret.
    """
    if len(text) % 5:
        raise ValueError(f"{len(text)} characters are not Z85: give a multiple of five")
    numbers = [_number(text[start : start + 5]) for start in range(0, len(text), 5)]
    return struct.pack(f">{len(numbers)}I", *numbers)


def _number(group: str) -> int:
    number = 0
    for character in group:
        digit = _DIGITS.get(character)
        if digit is None:
            raise ValueError("a character is not one of the 85 of Z85")
        number = number * 85 + digit
    if number > 0xFFFF_FFFF:
        raise ValueError("five characters are more than Z85 has for four bytes")
    return number
