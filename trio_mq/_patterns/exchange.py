"""An exchange: one request, and what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

import attrs
import trio

from trio_mq._contract import Ending
from trio_mq._errors import PeerLost, ProtocolFault, RemoteProtocolError, RequestExpired
from trio_mq._message import Frames, Message
from trio_mq._patterns.stand_in import StandIn
from trio_mq._peer import Peer
from trio_mq._pipes.pipe import Pipe

#: How long the id of a request is: libzmq's REQ_CORRELATE uses four bytes too.
ID_BYTES: Final = 4


@attrs.define(eq=False, repr=False)
class Exchange(StandIn):
    """One request, and what came of it."""

    #: The request in its envelope: this very tuple is looked for when it is taken out of a queue.
    request: Frames = ()
    #: What a reply has to repeat; empty: the request has no id.
    request_id: bytes = b""
    #: Whose peer is asked; ``None`` while it waits in the return queue.
    pipe: Pipe | None = None
    #: Its place among all requests that were put into a pipe, in the order of that.
    place: int = 0
    reply: Message | None = None
    #: Who sent the reply.
    peer: Peer | None = None
    error: BaseException | None = None
    #: The task that waits for the reply.
    task: trio.lowlevel.Task | None = None
    #: A task has been given the outcome, though others may run before it does.
    given: bool = False

    def is_over(self) -> bool:
        """Tell whether there is a reply, or an error in its place."""
        return self.reply is not None or self.error is not None

    @property
    def body(self) -> Frames:
        """The request without its envelope."""
        return self.request[2:] if self.request_id else self.request[1:]

    @property
    def awaited(self) -> bool:
        """Some task waits for the reply, or has been given it, so that no other may."""
        return self.task is not None or self.watched is not None or self.given

    def leave_pipe(self) -> None:
        """The request waits in the return queue."""
        self.pipe = None

    def answer(self, reply: Message, peer: Peer | None) -> None:
        """Note the reply, and whose it is."""
        self.reply, self.peer = reply, peer

    def result(self) -> Message:
        """Return the reply, raise the reason why there will be none, or raise `trio.WouldBlock`."""
        if self.error is not None:
            raise self.error
        if self.reply is None:
            raise trio.WouldBlock
        return self.reply

    def outcome(self) -> Awaitable[object]:
        """Return what a task awaits for what `hand_over` or `fail` brings; only one task can.

        It is no coroutine of its own: each that a task waits in is made, and gone through again,
        for every request. Cancelled: nothing was handed over.
        """
        self.task = trio.lowlevel.current_task()
        return trio.lowlevel.wait_task_rescheduled(self._leave)  # noqa: ASYNC105  # as it says

    def _leave(self, _: object) -> trio.lowlevel.Abort:
        self.task = None
        return trio.lowlevel.Abort.SUCCEEDED

    def hand_over(self) -> None:
        """Let the task that waits have what there is, if one does; it can't be cancelled now."""
        task = self.task
        if task is not None:
            self.task = None
            self.given = True
            trio.lowlevel.reschedule(task)
        else:
            self.recall()

    def fail(self, error: BaseException) -> None:
        """Let the exchange end in an error, and raise it in the task that waits, if one does."""
        self.error = error
        self.hand_over()


def peer_lost(pipe: Pipe, end: Ending) -> PeerLost:
    """Return the error for a task that waits for a reply which this connection won't bring."""
    peer = pipe.peer
    where = pipe.endpoint
    if peer is not None and peer.address and peer.address not in where:
        where = f"{peer.address} ({where})"
    why = end.reason if end.error is None else f"{end.reason}: {end.error}"
    lost = PeerLost(
        f"{where} was asked and its connection ended before the reply ({why}); "
        "it may or may not have acted on the request",
        endpoint=pipe.endpoint,
        reason=end.reason,
    )
    lost.__cause__ = end.error
    return lost


def request_expired(pipe: Pipe | None) -> RequestExpired:
    """Return the error for a task that waits for a reply to what was never asked."""
    where = "a service to connect to" if pipe is None else pipe.endpoint
    return RequestExpired(
        f"the request waited for {where} for longer than message_lifetime; nobody was asked, "
        "so it is safe to ask again"
    )


def open_reply(message: Message) -> tuple[bytes, Frames]:
    """Return the request id, if any, and the body, of what claims to be a reply.

    Raises:
        RemoteProtocolError: There is no delimiter where one must be.
    """
    if message[0] == b"":
        return b"", message[1:]
    if len(message) > 1 and len(message[0]) == ID_BYTES and message[1] == b"":
        return message[0], message[2:]
    raise RemoteProtocolError(
        ProtocolFault.ENVELOPE, "a reply without the empty frame that delimits its envelope"
    )
