"""A Req without a network: its pattern, and services whose every step a test decides.

What is on its way, what a service has read and not answered, and what it has answered and not sent
are lists here. A step moves one thing: a request is written, read and answered, a reply arrives,
a connection is lost or made, an endpoint goes. So any order of these can be played, in microseconds
each, and orders that a network makes once a month are as frequent as others. A request that nothing
is before may also be written, or begun, in the very step that asks, as a willing kernel has it.

How a service answers is modelled on what the documentation says of the partners of a Req
(``docs/explanation/requests.rst``): over the connection that asked or never; over the next one too,
if it dialled us; or on whatever connection bears the name that asked.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar, Final, TypeAlias

import attrs
import trio

from trio_mq import Message, Options, Peer
from trio_mq._contract import Ending
from trio_mq._debug import faults
from trio_mq._message import Frames, size_of, to_message
from trio_mq._patterns.exchange import Exchange
from trio_mq._patterns.req import ReqPattern
from trio_mq._pipes.item import Item, frames_of, payload_of
from trio_mq._pipes.pipe import Hold, Pipe
from trio_mq._sockets.membership import Membership
from trio_mq.zmtp import PeerProperties, SocketType

#: One thing that can happen now: its name, how likely it is, and what does it.
Step: TypeAlias = tuple[str, int, Callable[[], None]]

#: Steps that bring requests and replies nearer to where they are to go.
_HELPS: Final = ("dial", "connect again", "shake hands", "write", "answer", "deliver")
_MOST_ASKED: Final = 3
_PLENTY: Final = 1 << 30


class Kind(enum.Enum):
    """A kind of service, and who dials."""

    OUR_REP = "a Rep of ours"
    OUR_DIALLING_REP = "a Rep of ours that dials"
    REP = "a REP of libzmq"
    DIALLING_REP = "a REP of libzmq that dials"
    ROUTER = "a Router"
    DIALLING_ROUTER = "a Router that dials"

    @property
    def dials(self) -> bool:
        """It connects to us."""
        return self in (Kind.OUR_DIALLING_REP, Kind.DIALLING_REP, Kind.DIALLING_ROUTER)

    @property
    def keeps(self) -> bool:
        """What it has not sent goes over its next connection: it is one pipe for all of them."""
        return self in (Kind.DIALLING_REP, Kind.DIALLING_ROUTER)

    @property
    def is_router(self) -> bool:
        """It answers in any order, and to names."""
        return self in (Kind.ROUTER, Kind.DIALLING_ROUTER)

    @property
    def is_ours(self) -> bool:
        """It says that it repeats ids, and answers in any order."""
        return self in (Kind.OUR_REP, Kind.OUR_DIALLING_REP)

    @property
    def socket_type(self) -> SocketType:
        """What it says that it is."""
        return SocketType.ROUTER if self.is_router else SocketType.REP


class Taken(enum.Enum):
    """What the kernel takes at once of a request that nothing is before."""

    NOTHING = enum.auto()
    A_PART = enum.auto()
    ALL = enum.auto()


class Connection:
    """One connection of a Req, from its dialling on (an `AnyLink`)."""

    def __init__(self, world: World, service: Service, own_pipe: Pipe | None) -> None:
        self.world, self.service = world, service
        self.endpoint = self.address = service.kind.value
        self.options = world.options
        self.routing_id = world.pattern.routing_id
        self.own_pipe = own_pipe
        self.pipe: Pipe | None = None
        self.peer: Peer | None = None
        #: The first message of the pipe is partly written.
        self.cut_short = False
        #: We have ended it, and have not seen it end.
        self.doomed = False
        #: The service has read something from it.
        self.begun = False

    # -- as a link --

    def faults(self) -> Iterator[str]:
        """It writes nothing."""
        yield from ()

    def send_subscribe(self, topic: bytes) -> None:
        """Say nothing: no Req does."""

    def send_cancel(self, topic: bytes) -> None:
        """Say nothing, as above."""

    def redial(self, reason: str) -> None:  # there is one
        """End; that takes a step of its own."""
        self.doomed = True

    def hang_up(self, reason: str) -> None:  # as above
        """End, as `redial`."""
        self.doomed = True

    async def shows_life(self, seconds: float) -> bool:  # nobody waits
        """Tell that it lives."""
        await trio.lowlevel.checkpoint()
        return True

    # -- as a borrower of its pipe --

    writes_later: ClassVar[bool] = True

    def write_for_many(self, wire: bytes, count: int, payload: int) -> bool:
        """Say so: nothing goes to many here."""
        raise NotImplementedError

    def write_at_once(self, item: Item, size: int) -> bool:
        """Write what the kernel takes at once; what is left is written in steps of its own."""
        taken = Taken.NOTHING if self.doomed else self.world.takes_at_once()
        if taken is Taken.ALL:
            self._pipe.outbound.passed(size)
            self.service.read(self, frames_of(item))
        elif taken is Taken.A_PART:
            self._pipe.outbound.begun(item, size)
            self.begin_to_write()
            self._pipe.outbound.writer_is_busy()
        return taken is not Taken.NOTHING

    def queued(self) -> None:
        """Something waits: it is written in a step of its own."""
        self._pipe.outbound.writer_is_busy()

    def gather(self) -> None:
        """Something will wait, as above."""
        self._pipe.outbound.writer_is_busy()

    def turn_ended(self) -> bool:
        """Nothing was put off."""
        return False

    def press(self) -> None:
        """Nothing is written but in a step of its own."""

    def wake(self) -> None:
        """Something may wait that is no message; here it never does."""
        self._pipe.outbound.writer_is_busy()

    def make_room(self) -> None:
        """There is room."""

    def catch_up(self) -> None:
        """Nothing was put off."""

    # -- steps --

    def shake_hands(self) -> None:
        """Be there."""
        service, world = self.service, self.world
        properties = PeerProperties(
            socket_type=service.kind.socket_type, correlates=service.kind.is_ours
        )
        self.pipe = world.members.admit_now(properties, self)
        self.peer = Peer(properties, endpoint=self.endpoint, address=self.address, link=self)
        self.pipe.lend(self.peer, self)
        world.members.connected(self, self.peer)
        self.pipe.outbound.wake_writer()

    def begin_to_write(self) -> None:
        """The kernel takes a part of the first message that waits."""
        self.cut_short = True
        self._pipe.outbound.next_batch(1, _PLENTY)

    def write(self) -> None:
        """The kernel takes the first message that waits, and the service reads it."""
        (item,) = self._pipe.outbound.next_batch(1, _PLENTY)
        self.cut_short = False
        self._pipe.outbound.written(1, payload_of(item))
        if not self._pipe.outbound.queue:
            self._pipe.outbound.writer_is_idle()
        self.service.read(self, frames_of(item))

    def deliver(self, reply: Frames) -> None:
        """A reply has arrived."""
        message = to_message(reply)
        self.world.pattern.deliver(self, self._pipe, [message], size_of(message))

    def lose(self) -> None:
        """The connection is over."""
        self.service.lost(self)
        if self.pipe is not None:
            self._pipe.give_back(partly_written=self.cut_short)
        since = None if self.peer is None else self.peer.since
        self.world.members.disconnected(self, Ending("eof", None, since))

    @property
    def waits(self) -> bool:
        """Something waits to be written."""
        return bool(self._pipe.outbound.queue)

    @property
    def _pipe(self) -> Pipe:
        assert self.pipe is not None
        return self.pipe


@attrs.define(eq=False)
class _Asked:
    """A request that a service has read."""

    over: Connection
    envelope: Frames
    body: Frames


@attrs.define(eq=False)
class Service:
    """One service, with what it has read and what it has to send."""

    kind: Kind
    #: Our endpoint's pipe, if it is we who dial.
    pipe: Pipe | None = None
    connection: Connection | None = None
    asked: list[_Asked] = attrs.field(factory=list)
    replies: list[Frames] = attrs.field(factory=list)

    def read(self, over: Connection, request: Frames) -> None:
        """Read a request, or the probe, which comes first."""
        end = request.index(b"") + 1
        is_probe = not request[end:]
        assert is_probe is (over.options.probe and not over.begun)
        over.begun = True
        if not is_probe:
            self.asked.append(_Asked(over, request[:end], request[end:]))

    def reply(self, index: int) -> None:
        """Answer a request; over which connection, is a matter of the kind."""
        asked = self.asked.pop(index)
        now = self.connection
        named = now is not None and now.routing_id and now.routing_id == asked.over.routing_id
        if now is asked.over or self.kind.keeps or (self.kind.is_router and named):
            self.replies.append((*asked.envelope, b"re", *asked.body))

    def replace(self) -> None:
        """Give the place to another kind of service, which has read nothing."""
        bound = [kind for kind in Kind if not kind.dials]
        self.kind = bound[(bound.index(self.kind) + 1) % len(bound)]
        self.asked.clear()
        self.replies.clear()

    def lost(self, connection: Connection) -> None:
        """A connection is over, and what it had not carried with it, or not."""
        if connection is self.connection:
            self.connection = None
            if not self.kind.keeps:
                self.replies.clear()


class World:
    """A Req and some services.

    Args:
        kinds: What they are.
        options: Of the Req.
        takes_at_once: Says what the kernel takes at once of the request that is written now.
    """

    def __init__(
        self,
        kinds: list[Kind],
        options: Options,
        takes_at_once: Callable[[], Taken] = lambda: Taken.NOTHING,
    ) -> None:
        self.options = options
        self.takes_at_once = takes_at_once
        self.pattern = ReqPattern(options)
        self.members = Membership(self.pattern, options)
        self.services = [Service(kind) for kind in kinds]
        for service in self.services:
            if not service.kind.dials:
                self.connect(service)
        #: What was asked, and is neither answered nor given up.
        self.asking: dict[int, Exchange] = {}
        self._asked = 0

    # -- what can happen --

    def steps(self) -> Iterator[Step]:
        """Say what can happen now."""
        if len(self.asking) < _MOST_ASKED:
            yield "ask", 4, self.ask
        for number in self.asking:
            yield f"give up {number}", 1, partial(self.give_up, number)
        for index, service in enumerate(self.services):
            for name, weight, act in self._steps_of(service):
                yield f"{name} ({index})", weight, act

    def _steps_of(self, service: Service) -> Iterator[Step]:
        connection, pipe = service.connection, service.pipe
        for index, asked in enumerate(service.asked):
            if not index or service.kind.is_router or service.kind.is_ours:
                yield f"answer {asked.body[0].decode()}", 3, partial(service.reply, index)
        if connection is None:
            yield from self._steps_without_connection(service, pipe)
        elif connection.peer is None:
            yield "lose the connection", 1, connection.lose
            yield "shake hands", 6, connection.shake_hands
        else:
            yield "lose the connection", 1, connection.lose
            if not connection.doomed and connection.waits:
                yield "write", 4, connection.write
                if not connection.cut_short:
                    yield "begin to write", 1, connection.begin_to_write
            if service.replies:
                yield "deliver", 4, partial(self.deliver, service, connection)

    def _steps_without_connection(self, service: Service, pipe: Pipe | None) -> Iterator[Step]:
        if pipe is not None:
            yield "be replaced", 1, service.replace
        if pipe is None:
            yield "dial", 6, partial(self.dial, service)
        elif pipe.hold is Hold.RETIRED:
            yield "connect again", 2, partial(self.connect, service)
        else:
            yield "dial", 6, partial(self.dial, service)
            yield "give up the endpoint", 1, partial(self.remove, pipe)
            if pipe.attached:
                yield "be unreachable", 1, partial(self.members.pipes.unreachable, pipe)

    def take(self, *names: str) -> None:
        """Take the steps of these names, one after the other."""
        for name in names:
            (act,) = (act for known, _, act in self.steps() if known == name)
            act()
            self.look()

    # -- what happens --

    def ask(self) -> None:
        """Ask the next service, if any can be asked."""
        body = (b"%d" % self._asked,)
        try:
            self.asking[self._asked] = self.pattern.begin(body)
        except trio.WouldBlock:
            return
        self._asked += 1

    def give_up(self, number: int) -> None:
        """Wait for a reply no more."""
        self.pattern.abandon(self.asking.pop(number))

    def connect(self, service: Service) -> None:
        """Make a connected endpoint."""
        service.pipe = self.members.pipes.new(service.kind.value, self.options)
        self.members.pipes.attach(service.pipe)

    def deliver(self, service: Service, connection: Connection) -> None:
        """Let the next reply arrive."""
        connection.deliver(service.replies.pop(0))

    def dial(self, service: Service) -> None:
        """Begin a connection, which introduces us by the name of now."""
        service.connection = Connection(self, service, service.pipe)

    def remove(self, pipe: Pipe) -> None:
        """Give up a connected endpoint."""
        self.members.pipes.leave(pipe)
        self.members.pipes.remove(pipe)

    def come_to_rest(self) -> None:
        """Let everything happen that helps, and nothing else, until nothing is left to do."""
        while True:
            for service in self.services:
                if service.connection is not None and service.connection.doomed:
                    service.connection.lose()
                    break
            else:
                helpful = (act for name, _, act in self.steps() if name.startswith(_HELPS))
                act = next(helpful, None)
                if act is None:
                    return
                act()
            self.look()

    # -- what must hold --

    def look(self) -> None:
        """Take the replies that have come, and see that each is to what was asked."""
        for number, exchange in tuple(self.asking.items()):
            if exchange.is_over():
                del self.asking[number]
                if exchange.error is None:
                    reply = self.pattern.claim(exchange)
                    assert reply == Message((b"re", b"%d" % number)), f"{number} got {reply}"
        found = "; ".join(faults(self.pattern))
        assert not found, found
