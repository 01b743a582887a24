"""The quick way through a chunk that is one small message, as each is where one asks and waits.

What the decoder keeps of a chunk, and how it judges each frame, takes five times as many steps as
such a message is worth.
"""

from __future__ import annotations

from typing import Final

from trio_mq._message import Message

from .frames import MORE

_new = tuple.__new__

SHORT: Final = 1024
"""A chunk of more bytes than this is not looked at: it is hardly just one message."""


def whole_message(data: bytes, harmless: int) -> Message | None:
    """Return what a chunk is, if it is one message in the clear; ``None``: it is anything else.

    Args:
        data: The chunk; nothing that is not decoded came before it.
        harmless: This many bytes break no limit if they are one message.
    """
    end = len(data)
    if end > harmless or end > SHORT:
        return None
    frames: list[bytes] = []
    pos = 0
    while pos + 1 < end:
        flags, first = data[pos], pos + 2
        pos = first + data[pos + 1]
        if flags > MORE or pos > end:
            return None
        frames.append(data[first:pos])
        if not flags:
            return _new(Message, frames) if pos == end else None
    return None
