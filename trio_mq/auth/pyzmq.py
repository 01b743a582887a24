"""Let an authenticator of pyzmq judge our peers."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from itertools import count
from typing import Any, Final, cast

from trio_mq.auth.request import Authenticator, Request, Verdict
from trio_mq.auth.zap import decode_reply, encode_request


class _Replies:
    """Takes the place of the authenticator's socket, and keeps what is sent there."""

    def __init__(self) -> None:
        self._replies: dict[bytes, list[bytes]] = {}

    def send_multipart(self, frames: Sequence[bytes], *_: object, **__: object) -> None:
        """Keep a reply for whoever asked."""
        self._replies[bytes(frames[1])] = [bytes(frame) for frame in frames]

    def take(self, request_id: bytes) -> list[bytes]:
        """Return the reply to a request; no frames if there was none."""
        return self._replies.pop(request_id, [])

    def close(self) -> None:
        """Do nothing: this is what ``stop`` of the authenticator calls."""


class _Adapted:
    # Any: pyzmq is no dependency, and what counts is that the methods are there.
    def __init__(self, authenticator: Any) -> None:  # noqa: ANN401  # as above
        self._authenticator = authenticator
        self._replies: Final = _Replies()
        self._numbers = count(1)
        authenticator.zap_socket = self._replies

    def __repr__(self) -> str:
        return f"from_pyzmq({self._authenticator!r})"

    async def __call__(self, request: Request) -> Verdict:
        if self._authenticator.zap_socket is not self._replies:
            raise RuntimeError(f"{self._authenticator!r} was started or stopped: it answers others")
        request_id = b"%d" % next(self._numbers)
        answer = self._authenticator.handle_zap_message(encode_request(request, request_id))
        # Before pyzmq 25 it was an ordinary method.
        if inspect.isawaitable(answer):
            await answer
        return decode_reply(self._replies.take(request_id), request_id)


def from_pyzmq(authenticator: object) -> Authenticator:
    """Return an authenticator that asks one of pyzmq, such as ``zmq.auth.Authenticator``.

    So a program keeps what it has configured with ``allow``, ``configure_plain``,
    ``configure_curve`` and ``configure_curve_callback``. Don't start the authenticator: it needs no
    socket and no thread here, and is called in trio's thread. A callback of its own may be async if
    it is so for trio.

    Args:
        authenticator: Has the method ``handle_zap_message`` of pyzmq's class.

    Raises:
        TypeError: It has no such method.
        ValueError: It was started, and answers others.
    """
    if not callable(getattr(authenticator, "handle_zap_message", None)):
        raise TypeError(
            f"{authenticator!r} is not an authenticator of pyzmq: it has no handle_zap_message"
        )
    if getattr(authenticator, "zap_socket", None) is not None:
        raise ValueError(f"{authenticator!r} was started: give one that was not, or stop it first")
    return cast("Authenticator", _Adapted(authenticator))
