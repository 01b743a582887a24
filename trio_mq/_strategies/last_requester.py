"""Route-to-last-requester: a reply goes where the last request came from, in its envelope."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from trio_mq._errors import StateError
from trio_mq._message import Frames, Message, to_message

if TYPE_CHECKING:
    from trio_mq._peer import Peer


class Requester(NamedTuple):
    """Where an answer goes: to the connection that asked, by the return path through routers."""

    peer: Peer
    envelope: Frames


def split_envelope(message: Message) -> tuple[Frames, Message] | None:
    """Return the envelope with its empty delimiter, and the body; ``None`` if there is none.

    The envelope is everything up to and including the first empty frame (RFC 28).
    """
    # Nearly every request comes straight from a Req: the delimiter is the first frame.
    try:
        end = message.index(b"") + 1
    except ValueError:
        return None
    body = message[end:]
    return (message[:end], to_message(body)) if body else None


class LastRequester:
    """Remembers whom to answer, between one request and its reply."""

    __slots__ = ("_requester",)

    def __init__(self) -> None:
        self._requester: Requester | None = None

    @property
    def pending(self) -> bool:
        """A request waits for its reply."""
        return self._requester is not None

    def asked(self, requester: Requester) -> None:
        """A request was received."""
        self._requester = requester

    def answer(self) -> Requester:
        """Return whom to answer, and forget it.

        Raises:
            StateError: No request was received since the last reply.
        """
        requester = self._requester
        if requester is None:
            raise StateError(
                "a Rep sends one reply per request: receive a request first; what requests() "
                "brings is answered by its own reply()"
            )
        self._requester = None
        return requester
