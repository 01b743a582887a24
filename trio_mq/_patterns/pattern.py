"""What makes a socket type what it is: the place where pipes and strategies are joined.

A `Pattern` is told which pipes come and go, what arrives and where room opens, and it decides what
``send`` and ``receive`` do, synchronously. It is all that differs between the socket types; the
rest is `Socket`, `Sender`, `Receiver` and `Membership`, which are the same for every one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from trio_mq._contract import AnyLink, Ending, Refusal
from trio_mq._message import Frames, Message
from trio_mq._options import Options
from trio_mq._patterns.ledger import Ledger
from trio_mq._pipes.budget import budget_of
from trio_mq._pipes.item import Item
from trio_mq._pipes.pipe import Hold, Pipe
from trio_mq._strategies.fair_queue import FairQueue
from trio_mq._strategies.load_balance import LoadBalance
from trio_mq._tally import DropReason, Waiting
from trio_mq._waiting import Closed, WaitList
from trio_mq.zmtp import Event, PeerProperties, SocketType

if TYPE_CHECKING:
    from trio_mq._peer import Peer


#: What a probe is: one empty message, which a Router sees as an id and an empty frame.
PROBE: Final[Frames] = (b"",)


def greet(pipe: Pipe, options: Options) -> None:
    """Begin a new connection with what the options want: a message, a probe, or nothing."""
    if options.hello_message is not None:
        pipe.outbound.put_first((options.hello_message,))
    elif options.probe:
        pipe.outbound.put_first(PROBE)


class Contested(Exception):  # a verdict, not an error
    """A newcomer wants what another connection holds: a routing id, or the only place."""

    def __init__(self, holder: Pipe, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.holder = holder
        self.refusal = refusal


class NoSolePipe:
    """What stands for `LoadBalance.sole_outbound` where messages are not simply taken in turn."""

    __slots__ = ()
    sole_outbound: Final = None


class Pattern:
    """The defaults: nothing is sent, and nothing is received.

    Args:
        options: Those of the socket.
    """

    socket_type: ClassVar[SocketType]
    #: Replies repeat what stood before the empty frame of their request, ids included.
    correlates: ClassVar[bool] = False
    #: ``receive`` returns what the queue has, as it is: there is nothing to look at or to add.
    plain_queue: ClassVar[bool] = True
    #: What waits for a peer is for the connection that it was put in for, and for no later one.
    per_connection: ClassVar[bool] = False
    #: How many subscriptions the cancellation that was taken last ends; 1 for any other message.
    stands_for: int = 1
    #: Most messages go to several pipes, whose queues share them (`SharedOutbound`).
    sends_to_many: ClassVar[bool] = False
    #: ``send`` may drop a message because there is no room: see `lacking_room`.
    may_drop: ClassVar[bool] = False

    def __init__(self, options: Options) -> None:
        self.options = options
        self.ledger: Ledger = Ledger(self.socket_type.value.capitalize(), budget_of(options))
        #: Where ``send`` may append by itself; see `LoadBalance.sole_outbound`.
        self.sole_pipes: LoadBalance | NoSolePipe = NoSolePipe()
        #: Tasks that wait in ``send``, and in ``receive``.
        self.senders: WaitList[None] = WaitList()
        self.receivers: WaitList[Message] = WaitList()
        self.queue: FairQueue = FairQueue(direct=self.plain_queue)

    @property
    def routing_id(self) -> bytes:
        """The name under which the next connection introduces us."""
        return self.options.routing_id

    # -- pipes come and go --

    def admit(self, pipe: Pipe, properties: PeerProperties) -> None:
        """A peer has introduced itself: give it its place.

        Raises:
            Refusal: It can't have one.
            Contested: It could, if the present holder were gone.
        """

    def attach(self, pipe: Pipe) -> None:
        """The pipe may be chosen from now on."""

    def detach(self, pipe: Pipe) -> None:
        """The pipe must not be chosen any more; what can be read in it stays readable."""

    def connected(self, link: AnyLink, pipe: Pipe) -> None:
        """A handshake is done; `Outbound.put_first` sends what each connection begins with."""

    def disconnected(self, pipe: Pipe, end: Ending) -> None:
        """A connection is over; the pipe has what was not wholly written."""

    def forget(self, pipe: Pipe) -> None:
        """The pipe is gone for good."""
        self.queue.remove(pipe)

    def give_up(self, pipe: Pipe, reason: DropReason) -> None:
        """What waits in the pipe will not be written there."""
        pipe.outbound.drop_all(reason)

    def reroute(self, pipe: Pipe) -> None:
        """Its endpoint can't be reached for a while: give what waits to others, or let it wait."""

    # -- what pipes tell (`PipeOwner`) --

    def emptied(self, pipe: Pipe) -> None:
        """The last message of a pipe was taken: forget the pipe, if it was retired."""
        if pipe.hold is Hold.RETIRED and pipe.inbound.used_up and pipe in self.ledger.pipes:
            self.ledger.forget(pipe)
            self.forget(pipe)

    def room_opened(self, pipe: Pipe) -> None:
        """A pipe that was `Outbound.blocked` has room again."""

    def expired(self, pipe: Pipe | None, items: Sequence[Item]) -> None:
        """Messages waited too long, in a pipe or for one, and were dropped and counted."""

    def messages_arrived(self, pipe: Pipe) -> None:
        """An unreadable pipe has messages."""
        self.queue.messages_arrived(pipe)
        if self.receivers.waiters:
            self.receivers.serve()

    # -- what arrives --

    def deliver(self, link: AnyLink, pipe: Pipe, messages: list[Message], payload: int) -> None:
        """Messages were decoded: queue what is wanted.

        Raises:
            RemoteProtocolError: The peer must not send that.
        """
        assert link.peer is not None  # noqa: S101  # the handshake is done
        pipe.inbound.deliver(link.peer, messages, payload)

    def peer_said(self, link: AnyLink, pipe: Pipe, event: Event) -> None:
        """A peer sent a command, such as a subscription; only publishers care."""

    # -- calls --

    def send(self, frames: Frames) -> None:
        """Accept the message whole, or raise `trio.WouldBlock` and change nothing."""
        raise NotImplementedError

    def send_easy(self, batch: Sequence[bytes | Frames], start: int) -> int:  # noqa: ARG002
        """Send messages while that takes no more than to append, and return how many that is.

        Args:
            batch: Messages that `Sender` has checked; a single frame is just that frame.
            start: Where to begin in it.
        """
        return 0

    def send_in_turn(self, frames: Frames) -> None:
        """Do as `send` for a task whose turn has come in its line."""
        self.send(frames)

    def lacking_room(self, frames: Frames) -> Collection[Pipe]:  # noqa: ARG002  # who drops looks
        """Return the pipes for which `send` would drop the message because they have no room."""
        return ()

    def look_for_room(self) -> None:
        """Raise `trio.WouldBlock` if no message could be sent now; most patterns never wait."""

    def take(self) -> Message:
        """Return the next message, or raise `trio.WouldBlock`."""
        return self.queue.take()

    def put_back(self, message: Message) -> None:
        """Make the message that was taken last the next one again, as if it had not been taken."""
        pipe = self.queue.current
        assert pipe is not None  # noqa: S101  # something was taken
        self.ledger.readopt(pipe)
        self.queue.put_back(message)

    def look(self) -> Message:
        """Return the next message without taking it, or raise `trio.WouldBlock`."""
        self.queue.reserve()
        try:
            message = self.take()
            self.put_back(message)
        finally:
            self.queue.release()
        return message

    def waiters_for(self, frames: Frames) -> WaitList[None]:  # noqa: ARG002  # Router looks at them
        """Return the line in which a message waits for its turn to be sent."""
        return self.senders

    @property
    def source(self) -> Peer | None:
        """The peer of the message that was taken last."""
        return self.queue.source

    # -- figures --

    def faults(self) -> Iterator[str]:
        """Say which invariants of this pattern don't hold; the debug mode asks."""
        yield from ()

    @property
    def tasks_sending(self) -> int:
        """Tasks that wait in ``send``."""
        return len(self.senders)

    @property
    def tasks_receiving(self) -> int:
        """Tasks that wait in ``receive``."""
        return len(self.receivers)

    def waiting(self) -> Waiting:
        """Return what waits outside of every pipe: messages on their way out, without a peer."""
        return Waiting()

    def keeping(self) -> Collection[Pipe]:
        """Return the pipes whose messages the pattern keeps; see `Inbound.keep`."""
        return ()

    @property
    def returned(self) -> int:
        """Messages in the return queue."""
        return 0

    def forget_returned(self) -> int:
        """Drop the return queue, and return how many messages that was."""
        return 0

    def forget_kept(self) -> None:
        """Drop what the pattern keeps: the socket is closed."""

    def close(self, closed: Closed) -> None:
        """Let every waiting task raise."""
        self.senders.fail(closed)
        self.receivers.fail(closed)


if TYPE_CHECKING:
    # Type checkers know this one, as typing does from Python 3.13 on. With the default, a program
    # says `Socket` and need not know of patterns.
    from typing_extensions import TypeVar

    P_co = TypeVar("P_co", bound=Pattern, covariant=True, default=Pattern)
else:
    from typing import TypeVar

    P_co = TypeVar("P_co", covariant=True)
