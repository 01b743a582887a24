"""What a pipe offers to a task that waits for something that only its peer can bring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, TypeVar

_Pipe = TypeVar("_Pipe")
_Pipe_co = TypeVar("_Pipe_co", covariant=True)

TakeBody: TypeAlias = Callable[[_Pipe, bytes], bool]
"""Takes the body of a plain request, or of a reply to one, that came alone, past every queue.

False: it was not taken, and is to be delivered as others are."""


class Watched(Protocol[_Pipe_co]):
    """A connection that a waiting task may watch by itself; see `_connections.watch`."""

    #: A task may stand in; to ask here spares the call where many tasks wait.
    vacant: bool

    async def stand_in(
        self, watcher: Watcher, over: Callable[[], bool], take_body: TakeBody[_Pipe_co]
    ) -> bool:
        """Wait in the calling task until it is over, or until somebody else has to go on.

        Args:
            watcher: Who waits.
            over: Tells whether there is nothing left to wait for.
            take_body: Takes what has arrived, if it is one small message and nothing else.

        Returns:
            False if that was not possible, and it did not wait. True says that it may be over: it
            may also be that the reader of the connection has to go on, and then the caller waits in
            the usual way.

        Cancelled: what had arrived by then has been seen to, and nothing else has.
        """

    def recall(self) -> None:
        """Let the task that stands in look whether it is over."""


class Watcher(Protocol):
    """Who may wait for something by watching a connection, instead of that connection's reader."""

    #: Where it does so now.
    watched: Watched[Any] | None
