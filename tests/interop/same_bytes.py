"""Where libzmq and we judge the same bytes differently: what each does, and why we do as we do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import attrs


@attrs.frozen
class Seen:
    """What could be seen from outside of what some bytes did."""

    #: The connection went on, and its PING was answered.
    goes_on: bool
    #: The stranger was told an ERROR.
    error: bool
    #: What the program got.
    received: tuple[tuple[bytes, ...], ...]


@attrs.frozen
class Difference:
    """A case that the two see differently, on purpose."""

    libzmq: Seen
    ours: Seen
    why: str


_AFTER: Final = (b"after it",)
_GOOD: Final = (b"good",)


def _rows(
    why: str,
    names: Iterable[str],
    libzmq: Seen,
    ours: Seen,
) -> dict[str, Difference]:
    return dict.fromkeys(names, Difference(libzmq, ours, why))


_PASSED_OVER: Final = Seen(goes_on=True, error=False, received=(_AFTER,))
_ENDED: Final = Seen(goes_on=False, error=False, received=())
_TOLD: Final = Seen(goes_on=False, error=True, received=())
_ENDED_LATER: Final = Seen(goes_on=False, error=False, received=(_GOOD,))


def _taken(*received: bytes) -> Seen:
    return Seen(goes_on=True, error=False, received=tuple((frame,) for frame in received))


DIFFERENCES: Final[dict[str, Difference]] = {
    **_rows(
        "libzmq ends without a word; we say in an ERROR that the metadata is wrong",
        [
            "handshake: B36 value of 2^32 - 1",
            "handshake: B36 value of 2^31",
            "handshake: B36 value one too long",
            "handshake: B37 a zero after it",
            "handshake: B37 half a name after it",
            "handshake: B38 name over the end",
        ],
        _ENDED,
        _TOLD,
    ),
    **_rows(
        "libzmq asks for no socket type, and then checks no pair: a mistaken peer goes unnoticed",
        ["handshake: B32 no Socket-Type", "handshake: B32 only an Identity"],
        _PASSED_OVER,
        _TOLD,
    ),
    **_rows(
        "of two values libzmq takes the first for one purpose and the last for another",
        [
            "handshake: B35 Socket-Type twice",
            "handshake: B35 Socket-Type in two spellings",
            "handshake: B35 Identity twice",
            "handshake: B35 identity and Identity",
        ],
        _PASSED_OVER,
        _TOLD,
    ),
    **_rows(
        "RFC 23 says what a name consists of, and libzmq takes anything",
        [
            "handshake: B38 empty name",
            "handshake: B38 zero in a name",
            "handshake: B38 ff in a name",
            "handshake: B38 space in a name",
            "handshake: B38 equals in a name",
        ],
        _PASSED_OVER,
        _TOLD,
    ),
    **_rows(
        "libzmq has no limit for metadata: it keeps whatever a stranger sends",
        [
            "handshake: B41 65 properties",
            "handshake: B41 value of 4097 bytes",
            "handshake: B41 more than 8 KiB",
        ],
        _PASSED_OVER,
        _TOLD,
    ),
    **_rows(
        "a routing id has 255 bytes at most; with a zero first it could be one of a Router's own",
        ["handshake: B42 Identity of 256 bytes", "handshake: B42 Identity with a zero"],
        _PASSED_OVER,
        _TOLD,
    ),
    **_rows(
        "libzmq does not look at the flags of a frame in the handshake",
        ["handshake: B31 READY as a message"],
        _PASSED_OVER,
        _ENDED,
    ),
    **_rows(
        "libzmq passes over commands that have no place there; a peer that sends them is lost",
        [
            "afterwards: B43 READY",
            "afterwards: B43 HELLO",
            "afterwards: B43 WELCOME",
            "afterwards: B43 INITIATE",
            "afterwards: B43 ERROR",
            "afterwards: B43 ERROR, malformed",
        ],
        _PASSED_OVER,
        _ENDED,
    ),
    **_rows(
        "libzmq looks at the flags it knows, and takes the frame",
        ["frames: B22 reserved bit 3", "frames: B22 reserved bit 7"],
        _taken(b"good", b"", b"after it"),
        _ENDED_LATER,
    ),
    **_rows(
        "libzmq looks at the flags it knows, and takes the frame",
        ["frames: B22 all reserved bits"],
        _taken(b"good", b"abc", b"after it"),
        _ENDED_LATER,
    ),
    **_rows(
        "libzmq passes over commands that are malformed; whoever sends one can't be understood",
        [
            "frames: B23 command with more",
            "frames: B23 long command with more",
            "frames: B24 empty command",
            "frames: B24 empty name",
            "frames: B24 name over the end",
            "frames: B24 empty long command",
            "frames: a name that is none",
        ],
        _taken(b"good", b"after it"),
        _ENDED_LATER,
    ),
    **_rows(
        "libzmq answers a PING that is too short with bytes of its memory, and cuts a long one",
        [
            "traffic: B60 PING without ttl",
            "traffic: B60 PING with half a ttl",
            "traffic: B60 context of 17 bytes",
            "traffic: PONG with 17 bytes",
        ],
        _PASSED_OVER,
        _ENDED,
    ),
    **_rows(
        "libzmq bounds neither PINGs nor commands that it does not know",
        ["traffic: B61 PINGs without end", "traffic: B72 unknown commands"],
        _PASSED_OVER,
        _ENDED,
    ),
    **_rows(
        "libzmq knows JOIN at a RADIO only; RFC 37 says what a group is",
        ["traffic: B67 JOIN of 256 bytes", "traffic: B67 JOIN with a zero"],
        _PASSED_OVER,
        _ENDED,
    ),
    **_rows(
        "libzmq hands the command to the program as if it were a message",
        ["traffic: B63 SUBSCRIBE"],
        _taken(b"\x09SUBSCRIBEA", b"after it"),
        _PASSED_OVER,
    ),
    **_rows(
        "libzmq hands the command to the program as if it were a message",
        ["traffic: B63 CANCEL"],
        _taken(b"\x06CANCELA", b"after it"),
        _PASSED_OVER,
    ),
    **_rows(
        "libzmq lets numbers be missing, and so does not see that somebody took a message away",
        ["curve: B55 a number is missing"],
        _taken(b"b", b"after it"),
        _ENDED,
    ),
    **_rows(
        "libzmq believes outer flags, which nothing protects: two messages become one",
        ["curve: B57 outer MORE"],
        Seen(goes_on=True, error=False, received=((b"hello", *_AFTER),)),
        _taken(b"hello", b"after it"),
    ),
    **_rows(
        "libzmq believes outer flags, which nothing protects: the message is lost",
        ["curve: B57 outer COMMAND"],
        _PASSED_OVER,
        _taken(b"hello", b"after it"),
    ),
    **_rows(
        "libzmq looks at the flags it knows, and takes the frame",
        ["curve: B58 inner flags fc"],
        _taken(b"hello", b"after it"),
        _ENDED,
    ),
    **_rows(
        "libzmq passes over commands that are malformed; whoever sends one can't be understood",
        ["curve: B58 inner command and more", "curve: B58 malformed command"],
        _PASSED_OVER,
        _ENDED,
    ),
    **_rows(
        "libzmq hands the command to the program as if it were a message",
        ["curve: SUBSCRIBE"],
        _taken(b"\x09SUBSCRIBEA", b"after it"),
        _PASSED_OVER,
    ),
}

PLAIN_DIFFERENCES: Final[dict[str, Difference]] = {
    **_rows(
        "libzmq ends without a word; we say in an ERROR what does not suit us",
        ["server: B33 a type that does not suit", "server: B36 value one too long"],
        _ENDED,
        _TOLD,
    ),
    **_rows(
        "libzmq asks for no socket type, and then checks no pair: a mistaken peer goes unnoticed",
        ["server: B32 no Socket-Type", "client: B32 no Socket-Type"],
        _PASSED_OVER,
        _TOLD,
    ),
    **_rows(
        "of two values libzmq takes the first for one purpose and the last for another",
        ["server: B35 Socket-Type twice", "client: B35 Socket-Type twice"],
        _PASSED_OVER,
        _TOLD,
    ),
    **_rows(
        "libzmq passes over commands that have no place there; a peer that sends them is lost",
        ["server: B43 HELLO again", "server: B43 INITIATE again", "server: B43 ERROR"],
        _PASSED_OVER,
        _ENDED,
    ),
}
