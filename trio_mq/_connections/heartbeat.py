"""PINGs, PONGs and silence on one connection (RFC 37, "Connection Heartbeating").

Any byte is a sign of life, also in the middle of a frame: a large message on a slow line must not
end its own connection. The task sleeps until the earliest of three moments: the next PING, the end
of the peer's patience with us that it asked for (its PING's time to live), and the end of our own
patience after a PING of ours.

*Silence and death.* A program that does not answer may be dead, or busy: libzmq stops reading when
its queue is full, and then reads no PING either. So one rule (`_is_silent`) decides for all:

* If its kernel owes us an acknowledgement for all that time, it is gone. (`Vital`) What it owes may
  have been sent just before we looked, such as the probe of a shut window, and the answer may be on
  its way: so it gets a second more.
* If its kernel has acknowledged, its program exists, since a program that ends takes its
  connections with it. That is enough to keep a place that somebody else claims (`shows_life`).
* A heartbeat asks for more: the program has to answer. It may be behind with its reading as long as
  messages of ours that it may not have read stand between its last PONG and the PING in question.
  If it has read everything that we wrote before the PING and does not answer, it hangs.
* Where we can't see what the other kernel does, silence is death.

PINGs and PONGs wait in a place for one of each, and are encoded when the writer takes them: a peer
that makes them due and does not read them can't pile them up.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final

import trio

from trio_mq._contract import SilentPeer
from trio_mq._errors import ProtocolFault, RemoteProtocolError
from trio_mq._options import Options
from trio_mq._peer import Peer
from trio_mq._pipes.outbound import Outbound
from trio_mq._pipes.pipe import Pipe
from trio_mq._transports.kernel_view import ANSWER, Vital
from trio_mq._transports.stream import ByteStream
from trio_mq.zmtp import Connection

#: A timer that fires after the program was stopped for a while finds input that nobody had time to
#: read; so it looks again this many seconds later, and only then believes in the silence.
_SECOND_LOOK: Final = 0.02
#: Seconds between two PINGs at least, however often the peer's own suggest that we send some.
_CLOSEST_PINGS: Final = 0.02
#: The same where a stranger makes us ask, since the peer may limit the number of PINGs.
_CLOSEST_QUESTIONS: Final = 0.25
#: Seconds between two looks at the other kernel while a sign of life is waited for.
_LOOK: Final = 0.05
#: Seconds after which a peer that seems busy is judged again, at most.
_NEXT_VERDICT: Final = 1.0
#: PINGs without a PONG whose place among the messages is remembered.
_MOST_ASKED: Final = 64


class Pulse:
    """The heartbeat of one link, for its reader and its writer. Many links never have one.

    A link begins one with the first reason for it: an option, a PING, a contest for its place.
    """

    __slots__ = ("_paused", "heartbeat")

    def __init__(self) -> None:
        self.heartbeat: Heartbeat | None = None
        self._paused = False

    def begin(self, heartbeat: Heartbeat) -> None:
        """Take this heartbeat: there is a reason for one now."""
        self.heartbeat = heartbeat
        if self._paused:
            heartbeat.pause()

    def end(self) -> None:
        """The link is over."""
        if self.heartbeat is not None:
            self.heartbeat.end()

    @property
    def peer_pings(self) -> bool:
        """The peer sends PINGs by itself."""
        return self.heartbeat is not None and self.heartbeat.peer_pings

    def pause(self) -> None:
        """The link stops reading: silence proves nothing now."""
        self._paused = True
        if self.heartbeat is not None:
            self.heartbeat.pause()

    def resume(self) -> None:
        """The link reads again."""
        self._paused = False
        if self.heartbeat is not None:
            self.heartbeat.resume()


class Heartbeat:
    """Keeps one connection's time.

    Args:
        options: The intervals.
        connection: Encodes PINGs and PONGs.
        stream: Looks at the other kernel; see `ByteStream.vital`.
        outbound: Wakes the writer, which takes what is due, and knows how much was written.
        peer: Learns its round-trip time.
    """

    def __init__(
        self,
        options: Options,
        connection: Connection,
        stream: ByteStream,
        outbound: Outbound[Pipe],
        peer: Peer,
    ) -> None:
        self._interval = options.heartbeat_interval or math.inf
        self._timeout = options.heartbeat_timeout or options.heartbeat_interval or math.inf
        self._ttl = options.heartbeat_ttl or 0.0
        self._limits = options.limits
        self._connection = connection
        self._stream = stream
        self._outbound = outbound
        self._peer = peer
        now = trio.current_time()
        self._heard = now
        self._next_ping = now + self._interval
        self._last_sent = now
        #: When the oldest PING of ours that nothing followed was sent.
        self._unanswered: float | None = None
        #: Seconds of the peer's silence that it allowed us to take for its death.
        self._remote_ttl = math.inf
        #: When the peer's last PING came, and the time between its last two.
        self._last_ping = now
        self._peer_interval = math.inf
        #: PINGs that the peer may still send at once.
        self._allowance = float(self._limits.max_ping_burst)
        self._paused = False
        #: Who waits for a sign of life, each for one of its own.
        self._lives: set[trio.Event] = set()
        self._next_question = now
        self._over = False
        #: How many messages were written before each PING that has no PONG yet, and before the
        #: last one that has one: those the peer has read.
        self._asked: deque[int] = deque()
        self._read = 0
        #: When a peer that seems busy is judged again.
        self._reprieve = -math.inf
        #: When its kernel was first found to owe us an answer, which may be on its way.
        self._doubted: float | None = None
        self._changed = trio.Event()
        #: Whether a PING of ours is due, and the context of the last one that was written.
        self._ping_due = False
        self._context = b""
        #: The context of the PONG that is due; a newer one replaces it.
        self._pong_due: bytes | None = None

    # -- what the link tells --

    def heard(self) -> None:
        """Bytes arrived."""
        self._heard = trio.current_time()
        self._unanswered = self._doubted = None
        for life in self._lives:
            life.set()

    def pinged(self, ttl: float, context: bytes) -> None:
        """A PING arrived: a PONG is due.

        Raises:
            RemoteProtocolError: There are too many of them.
        """
        now = trio.current_time()
        limits = self._limits
        self._allowance = min(
            limits.max_ping_burst,
            self._allowance + (now - self._last_ping) * limits.max_pings_per_second,
        )
        if self._allowance < 1:
            raise RemoteProtocolError(
                ProtocolFault.PING_FLOOD,
                f"more than {limits.max_pings_per_second:g} PINGs a second",
            )
        self._allowance -= 1
        self._peer_interval = now - self._last_ping
        self._last_ping = now
        self._remote_ttl = max(ttl, limits.min_remote_ttl) if ttl else math.inf
        self._changed.set()
        self._pong_due = context
        self._outbound.wake_writer()

    def ponged(self, context: bytes) -> None:
        """A PONG arrived: if it answers our last PING, it took a round trip since then."""
        if self._asked:
            self._read = self._asked.popleft()
        if context and context == self._context:
            self._peer.round_trip_time = trio.current_time() - self._last_sent

    def pause(self) -> None:
        """The link stops reading: silence proves nothing now."""
        self._paused = True
        self._changed.set()

    def resume(self) -> None:
        """The link reads again."""
        self._paused = False
        self.heard()
        self._changed.set()

    # -- what it does --

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Send PINGs, and raise `SilentPeer` when the peer has been silent for too long."""
        while True:
            with trio.move_on_at(self._next_moment()):
                await self._changed.wait()
            self._changed = trio.Event()
            if self._is_silent():
                await trio.sleep(_SECOND_LOOK)
                if self._is_silent():
                    raise SilentPeer("the peer was silent for too long (heartbeat)")
            if trio.current_time() >= self._next_ping_due():
                self._ping()

    async def shows_life(self, seconds: float) -> bool:
        """Ask the peer for a sign of life, and tell whether one came that is younger than that.

        A byte from the program, or an acknowledgement from its kernel; see the head of this file.
        """
        began = trio.current_time()
        life = trio.Event()
        self._lives.add(life)
        try:
            await self._look_for_life(life, began, seconds)
            if self._stream.vital(seconds) is Vital.OWES:
                await self._look_for_life(life, began, ANSWER)
        finally:
            self._lives.discard(life)
        return not self._over and (life.is_set() or self._may_live(seconds))

    async def _look_for_life(self, life: trio.Event, began: float, seconds: float) -> None:
        """Ask once, and look for an answer or an acknowledgement."""
        asked = False
        with trio.move_on_after(seconds):
            while not (life.is_set() or self._acknowledged_since(began)):
                if not asked and trio.current_time() >= self._next_question:
                    asked = True
                    self._next_question = trio.current_time() + _CLOSEST_QUESTIONS
                    self._ping()
                with trio.move_on_after(_LOOK):
                    await life.wait()

    @property
    def peer_pings(self) -> bool:
        """The peer sends PINGs by itself."""
        return self._peer_interval < math.inf

    def end(self) -> None:
        """The connection is over: nobody needs to wait for signs of life any more."""
        self._over = True
        for life in self._lives:
            life.set()

    def _acknowledged_since(self, moment: float) -> bool:
        # Less half the pause between two looks, so that what was acknowledged just before does not
        # count.
        seconds = trio.current_time() - moment - _LOOK / 2
        return seconds > 0 and self._stream.vital(seconds) is Vital.SPOKE

    def _may_live(self, seconds: float) -> bool:
        match self._stream.vital(seconds):
            case Vital.SPOKE | Vital.OWES_NOTHING:
                return True
            case Vital.OWES | Vital.SILENT:
                return False
            case Vital.UNKNOWN:
                # While we do not read, nothing can be heard.
                return self._paused

    def _ping(self) -> None:
        now = trio.current_time()
        self._next_ping = now + self._interval
        self._last_sent = now
        if self._unanswered is None:
            self._unanswered = now
        self._ping_due = True
        self._outbound.wake_writer()

    @property
    def due(self) -> bool:
        """Whether a PING or a PONG is to be written before anything else."""
        return self._ping_due or self._pong_due is not None

    def take_due(self) -> bytes:
        """Return the PING and PONG that are due, if any, to be written at once (for the writer)."""
        frames = b""
        if self._pong_due is not None:
            frames = self._connection.pong(self._pong_due)
            self._pong_due = None
        if self._ping_due:
            self._ping_due = False
            now = trio.current_time()
            self._last_sent = now
            self._context = f"{now:.6f}"[-16:].encode() if self._knows_contexts else b""
            if len(self._asked) < _MOST_ASKED:
                self._asked.append(self._outbound.written_to_peer)
            frames += self._connection.ping(self._ttl, self._context)
        return frames

    @property
    def _knows_contexts(self) -> bool:
        """PINGs with a context came with ZMTP 3.1; an older peer might read them strictly."""
        version = self._connection.peer_version
        return version is not None and version >= (3, 1)

    def _next_ping_due(self) -> float:
        if not self._paused:
            return self._next_ping
        # Two PINGs at once have no interval between them; without this bound we would send PINGs
        # without a pause.
        pause = max(self._peer_interval / 2, _CLOSEST_PINGS)
        return min(self._next_ping, self._last_sent + pause)

    def _silence_ends(self) -> float:
        if self._paused:
            return math.inf
        return min(max(self._answer_due(), self._reprieve), self._heard + self._remote_ttl)

    def _answer_due(self) -> float:
        return math.inf if self._unanswered is None else self._unanswered + self._timeout

    def _is_silent(self) -> bool:
        """Tell whether the peer counts as dead; the rule is at the head of this file."""
        now = trio.current_time()
        if self._paused or now < self._silence_ends():
            return False
        if now >= self._heard + self._remote_ttl or not self._is_behind():
            return True
        return self._is_gone(now)

    def _is_gone(self, now: float) -> bool:
        """Tell whether the other kernel is silent, too; if not, say when it is judged again."""
        doubted = self._doubted
        match self._stream.vital(self._timeout if doubted is None else now - doubted):
            case Vital.UNKNOWN | Vital.SILENT:
                return True
            case Vital.OWES if doubted is not None:
                return True
            case Vital.OWES:
                self._doubted = now
                self._reprieve = now + ANSWER
            case Vital.SPOKE | Vital.OWES_NOTHING:
                self._doubted = None
                self._reprieve = now + min(self._timeout, _NEXT_VERDICT)
        return False

    def _is_behind(self) -> bool:
        """Tell whether the peer may not have come to our PING yet for messages before it."""
        return self._ping_due or (bool(self._asked) and self._asked[0] > self._read)

    def _next_moment(self) -> float:
        return min(self._next_ping_due(), self._silence_ends())
