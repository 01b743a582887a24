"""What the command line asks of a verb."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import attrs
import trio

from trio_mq import EndpointState, Socket, SocketType, open_socket
from trio_mq._cli.formats import Format, Frames
from trio_mq._cli.outcome import Exit, Stop


@attrs.frozen(kw_only=True)
class Plan:
    """The command line of a verb, read."""

    kind: SocketType
    binds: Sequence[str]
    connects: Sequence[str]
    options: dict[str, object]
    format_: Format
    #: The message to send, or to answer with; ``None``: those on stdin.
    payload: Frames | None = None
    count: int | None = None
    interval: float | None = None
    #: Seconds for each wait.
    timeout: float | None = None
    topics: Sequence[bytes] = ()
    to: bytes | None = None
    echo: bool = False
    command: str | None = None
    #: Commands that may run at once.
    jobs: int = 1
    wait_peers: int = 0
    verbose: bool = False

    def open(self) -> Socket:
        """Return the socket, not yet open.

        Raises:
            TypeError: This type has no such option.
        """
        topics: dict[str, object] = {}
        if self.kind is SocketType.SUB:
            topics["topics"] = list(self.topics) or [b""]
        return open_socket(self.kind, **self.options, **topics)

    @contextmanager
    def patience(self, socket: Socket, what: str) -> Iterator[None]:
        """End the verb if a wait takes longer than the user said.

        Args:
            socket: Whose endpoints may know why.
            what: What is waited for.
        """
        if self.timeout is None:
            yield
            return
        with trio.move_on_after(self.timeout) as scope:
            yield
        if scope.cancelled_caught:
            text = f"{what} took longer than {self.timeout:g} s{_reason(socket)}"
            raise Stop(Exit.TIME_OUT, text)


def _reason(socket: Socket) -> str:
    """Say why nothing came of a wait, as far as the endpoints know."""
    for status in socket.endpoints:
        if status.last_error is not None:
            return f": {getattr(status.last_error, 'strerror', None) or status.last_error}"
        if status.state is EndpointState.CONNECTING:
            return f": nobody answers; `trio-mq probe {status.endpoint}` says what is there"
    return ""
