"""Pipeline: Push hands each message to one worker, Pull takes from whoever has one (RFC 30)."""

from __future__ import annotations

from typing import Unpack

from trio_mq._connections.link_owner import AnyLink
from trio_mq._context import Context
from trio_mq._errors import ProtocolFault, RemoteProtocolError
from trio_mq._message import Message
from trio_mq._options import Options
from trio_mq._outgoing import Item
from trio_mq._pipe import Pipe
from trio_mq._sockets.keywords import Endpoints, PullOptions, PushOptions, make_options
from trio_mq._sockets.pattern import Pattern
from trio_mq._sockets.receiver import Receiver
from trio_mq._sockets.sender import Sender
from trio_mq._statistics import DropReason, Waiting
from trio_mq._strategies.load_balance import LoadBalance
from trio_mq.zmtp import SocketType


class BalancedPattern(Pattern):
    """Sends each message to one peer in turn; what a lost peer did not get goes to another."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.balance = self.outlets = LoadBalance(self._dispatched)
        # The strategy's own method: a call less for every message sent.
        self.send = self.balance.send  # type: ignore[method-assign]

    def attach(self, pipe: Pipe) -> None:
        """Make the pipe a target."""
        self.balance.add(pipe)
        self.senders.serve()

    def detach(self, pipe: Pipe) -> None:
        """It is a target no longer."""
        self.balance.remove(pipe)

    def room_opened(self, pipe: Pipe) -> None:
        """It can take messages again."""
        self.balance.room_opened(pipe)
        if self.senders.waiters:
            self.senders.serve()

    def give_up(self, pipe: Pipe, reason: DropReason) -> None:
        """Give what waits to others, or drop it."""
        if self.options.requeue:
            self.give_up_failed(pipe)
        else:
            pipe.drop_outgoing(reason)

    def give_up_failed(self, pipe: Pipe) -> None:
        """Give what waits to others, now or when there are any."""
        if self.options.requeue and pipe.outgoing:
            # Drains first: to leave the pipe must not look like having been written.
            self.members.drains.handed_back(len(pipe.outgoing))
            self.balance.hand_back(pipe.hand_back())

    def waiting(self) -> Waiting:
        """Return what is in the return queue."""
        return Waiting(out=len(self.balance.returned), out_bytes=self.balance.returned_bytes)

    @property
    def returned(self) -> int:
        """Messages in the return queue."""
        return len(self.balance.returned)

    def forget_returned(self) -> int:
        """Drop the return queue."""
        return self.balance.forget_returned()

    def _dispatched(self, pipe: Pipe, item: Item) -> None:
        self.members.dispatched(pipe, item)


class PushPattern(BalancedPattern):
    """Load-balance out; nothing comes in."""

    socket_type = SocketType.PUSH

    def deliver(self, link: AnyLink, pipe: Pipe, messages: list[Message], payload: int) -> None:
        """Count and drop: a Pull has nothing to say. One that goes on talking is cut off."""
        pipe.inbound.discard(messages, payload, DropReason.FILTERED)
        limit = link.options.limits.max_unexpected_messages
        if pipe.tally.decoded > limit:
            raise RemoteProtocolError(
                ProtocolFault.UNEXPECTED_MESSAGE, f"more than {limit} messages to a Push"
            )


class PullPattern(Pattern):
    """Fair-queue in; nothing goes out."""

    socket_type = SocketType.PULL

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        # The strategy's own method: a call less for every message received.
        self.take = self.queue.take  # type: ignore[method-assign]


class Push(Sender):
    """Hands each message to one of the connected workers, in turn, skipping the busy ones.

    For distributing work: it waits while there is no worker, or none with room. What a lost worker
    had not been sent goes to another one. Known as DOWNSTREAM in 0MQ 2.0.

    Args:
        bind: An endpoint, or several, to listen on.
        connect: An endpoint, or several, to connect to.
        context: Shares inproc names and limits; by default that of this trio run.
        **options: See `trio_mq.Options`.

    Raises:
        ValueError: An endpoint or the value of an option is not allowed.
        TypeError: An option that this socket does not have.
    """

    socket_type = SocketType.PUSH

    def __init__(
        self,
        *,
        bind: Endpoints = (),
        connect: Endpoints = (),
        context: Context | None = None,
        **options: Unpack[PushOptions],
    ) -> None:
        checked = make_options("Push", PushOptions, options)
        super().__init__(PushPattern(checked), checked, bind=bind, connect=connect, context=context)


class Pull(Receiver):
    """Takes messages from all connected senders, one each in turn.

    For collecting work or results. Known as UPSTREAM in 0MQ 2.0. Arguments and errors as for
    `Push`.
    """

    socket_type = SocketType.PULL

    def __init__(
        self,
        *,
        bind: Endpoints = (),
        connect: Endpoints = (),
        context: Context | None = None,
        **options: Unpack[PullOptions],
    ) -> None:
        checked = make_options("Pull", PullOptions, options)
        super().__init__(PullPattern(checked), checked, bind=bind, connect=connect, context=context)


#: The names of 0MQ 2.0.
Downstream = Push
Upstream = Pull
