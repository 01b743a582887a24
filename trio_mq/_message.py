"""What travels: an immutable message of one or more frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from trio_mq._absent import refuse_names

if TYPE_CHECKING:
    from typing_extensions import Buffer

    BytesLike: TypeAlias = Buffer
    """One frame to send: whatever Python can look into as bytes, such as ``bytes``, ``bytearray``,
    ``memoryview``, ``array.array``, ``mmap.mmap`` or an array of numpy."""

else:
    # From Python 3.12 on there is a type for any buffer; these are the usual ones.
    BytesLike = bytes | bytearray | memoryview
Sendable: TypeAlias = BytesLike | Sequence[BytesLike]
"""What ``send`` takes: one bytes-like is one frame, a sequence of bytes-like is a message."""

Frames: TypeAlias = tuple[bytes, ...]
"""A message on its way out: a `Message` or a bare tuple, which is cheaper to make and never
shown."""

_SHOWN_BYTES: Final = 24
_SHOWN_FRAMES: Final = 6
_POINTERS: Final = "OPX&"
"""Letters in the format of a buffer that mean addresses in memory (see `struct`, and PEP 3118)."""


class Message(tuple[bytes, ...]):
    """One message: an immutable tuple of ``bytes`` frames, at least one.

    A tuple, so that ``topic, body = message`` takes it apart, ``len(message)`` counts frames and
    ``message == (b"a", b"b")`` compares them. A message of one frame is also equal to the bytes of
    that frame: ``message == b"stop"``. It has their hash, so as a key it is found by the bytes.
    It is also equal to the list of its frames, which is what pyzmq's ``recv_multipart`` returns.

    Args:
        frames: One bytes-like for a message of one frame, or a sequence of bytes-like.

    Raises:
        TypeError: A frame is text or not bytes-like.
        ValueError: There are no frames.
    """

    __slots__ = ()

    def __new__(cls, frames: Sendable) -> Self:
        """Copy mutable buffers, so that the message cannot change under its owner."""
        return tuple.__new__(cls, to_frames(frames))

    def __bytes__(self) -> bytes:
        """Return the only frame, or raise ValueError if there are several."""
        return self._only_frame("bytes() of a message")

    def _only_frame(self, what: str) -> bytes:
        if len(self) != 1:
            raise ValueError(
                f"{what} needs one frame, this one has {len(self)}; "
                "unpack it (first, second = message) or join its frames yourself"
            )
        return self[0]

    def __eq__(self, other: object) -> bool:
        """Compare frames; with bytes, the only frame."""
        # With text too: like bytes it equals none, and ``python -b`` warns of the comparison.
        if isinstance(other, (bytes, bytearray, memoryview, str)):
            return len(self) == 1 and self[0] == other
        return tuple.__eq__(self, tuple(other) if isinstance(other, list) else other)

    def __ne__(self, other: object) -> bool:
        """Tell the opposite of ``==``."""
        return not self == other

    def __hash__(self) -> int:
        """Return what equal bytes have, or for several frames, what an equal tuple has."""
        return hash(self[0]) if len(self) == 1 else tuple.__hash__(self)

    @property
    def text(self) -> str:
        """The only frame, decoded as UTF-8.

        Raises:
            ValueError: There are several frames; or the frame is not UTF-8 (`UnicodeDecodeError`).
        """
        frame = self._only_frame(".text of a message")
        try:
            return frame.decode()
        except UnicodeDecodeError as error:
            error.reason += "; if it is no text, take the bytes: message[0]"
            raise

    def json(self) -> object:
        """Return the only frame, parsed as JSON.

        Raises:
            ValueError: There are several frames; or the frame is not JSON (`json.JSONDecodeError`).
        """
        import json  # noqa: PLC0415  # many programs need none

        return json.loads(self._only_frame(".json() of a message"))

    @property
    def subscription(self) -> tuple[bool, bytes] | None:
        """``(True, topic)`` or ``(False, topic)`` if an XPub received this as news of a topic.

        ``None`` for any other message. The wire form is one frame: ``01`` or ``00``, then the
        topic (RFC 29).
        """
        if len(self) != 1 or self[0][:1] not in (b"\x00", b"\x01"):
            return None
        return self[0][0] == 1, self[0][1:]

    def __repr__(self) -> str:
        """Show the frames shortened: a message may hold megabytes."""
        shown = [_shorten(frame) for frame in self[:_SHOWN_FRAMES]]
        if len(self) > _SHOWN_FRAMES:
            shown.append(f"… {len(self) - _SHOWN_FRAMES} more frames")
        return f"<Message {', '.join(shown)}>"


_OF_BYTES: Final = (
    *("endswith", "find", "hex", "lower", "partition", "replace", "rpartition", "rstrip", "split"),
    *("splitlines", "startswith", "strip", "translate", "upper"),
)
_OF_LISTS: Final = (
    "append",
    "clear",
    "copy",
    "extend",
    "insert",
    "pop",
    "remove",
    "reverse",
    "sort",
)
refuse_names(
    Message,
    {
        **{
            name: f"a message is the tuple of its frames: message[0].{name}(…)"
            for name in _OF_BYTES
        },
        **dict.fromkeys(
            _OF_LISTS, "a message never changes: take it apart, first, *rest = message"
        ),
        "buffer": "use bytes(message), or message[0] of several",
        "bytes": "use bytes(message), or message[0] of several",
        "decode": "use message.text, or message[0].decode(…)",
        "more": "a message is the tuple of its frames: there is never more to come",
    },
)


def to_frames(message: Sendable) -> Frames:
    """Return the frames of what a user gave to ``send``, owned by us from now on.

    Raises:
        TypeError: The value, or one of its frames, is not bytes-like (text must be encoded).
        ValueError: The sequence is empty.
    """
    # The first two tests are all that nearly every send ever sees; comparing classes is twice as
    # fast as isinstance, and a subclass merely takes the longer way below.
    kind = message.__class__
    if kind is bytes:
        return (message,)  # type: ignore[return-value]
    if kind is Message:
        return message  # type: ignore[return-value]
    if isinstance(message, (bytes, bytearray)):
        return (bytes(message),)
    if isinstance(message, str):
        raise TypeError(f"a message is bytes, not text: encode {message[:40]!r} first")
    if not isinstance(message, (tuple, list)):
        content = _content("the message", message)
        if content is not None:
            return (content,)
    if not isinstance(message, Sequence):
        raise TypeError(
            "a message is one bytes-like or a sequence of bytes-like, not "
            f"{type(message).__name__}: encode it first, with json.dumps(…).encode() for instance"
        )
    if not message:
        raise ValueError("a message has at least one frame; send b'' for an empty one")
    return tuple([_to_frame(index, frame) for index, frame in enumerate(message)])


def to_message(frames: Frames) -> Message:
    """Return the frames as what a receiver gets, without looking at them again."""
    return frames if isinstance(frames, Message) else tuple.__new__(Message, frames)


def size_of(frames: Frames) -> int:
    """Return the payload size in bytes, as high-water marks and limits count it."""
    if len(frames) == 1:
        return len(frames[0])
    return sum(map(len, frames))


def is_buffer(thing: object) -> bool:
    """Tell whether Python can look into a thing as bytes."""
    try:
        memoryview(thing).release()  # type: ignore[arg-type]  # whether it is one is the question
    except TypeError:
        return False
    except (ValueError, BufferError):
        pass  # it is one that is closed, or has no format of C's
    return True


def _to_frame(index: int, frame: object) -> bytes:
    if isinstance(frame, (bytes, bytearray)):
        return bytes(frame)
    content = _content(f"frame {index}", frame)
    if content is not None:
        return content
    several = isinstance(frame, (tuple, list))
    hint = "unpack it, as in [first, *others]" if several else "encode it first"
    raise TypeError(f"frame {index} is {type(frame).__name__}, not bytes-like: {hint}")


def _content(what: str, thing: object) -> bytes | None:
    """Return a copy of what a buffer holds, element by element; ``None`` if it is no buffer.

    Raises:
        TypeError: It holds references to objects, which mean nothing elsewhere.
        ValueError: It can't be looked into: it was closed, or its format is not one of C's.
    """
    try:
        view = memoryview(thing)  # type: ignore[arg-type]  # whether it is one is the question
    except TypeError:
        return None
    except (ValueError, BufferError) as error:
        can = hasattr(thing, "tobytes") and not isinstance(thing, memoryview)
        remedy = (
            "send its tobytes()" if can else "send it while it is open, or bytes made of it then"
        )
        raise ValueError(
            f"{what}, a {type(thing).__name__}, gives no bytes ({error}): {remedy}"
        ) from error
    with view:
        if set(view.format) & set(_POINTERS):
            raise TypeError(
                f"{what}, a {type(thing).__name__}, holds references to objects and not bytes: "
                "encode the objects first"
            )
        return view.tobytes()


def _shorten(frame: bytes) -> str:
    if len(frame) <= _SHOWN_BYTES:
        return repr(frame)
    return f"{frame[:_SHOWN_BYTES]!r}… ({len(frame)} bytes)"
