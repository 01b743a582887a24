"""How many bytes may wait to be received at one socket, from all its peers together.

Theory of operation
-------------------

The marks of a pipe bound what *one* peer can make us hold. A thousand peers can make us hold a
thousand times that, and a peer that leaves its messages and goes makes room for the next one. So
each socket has one budget (`Limits.receive_budget`) for everything that was read from a stream and
not yet received by the program, whoever sent it and whether that peer is still there:

* *whole* messages: in the pipes of the living and the departed, replies that nobody has claimed,
  and what subscribers have asked of an XPub. Only the program frees these, by receiving. When they
  use the budget up it is `closed`: no link decodes another message (`Inbound.room`), so that TCP
  holds the peers back. Nothing that was decoded is ever dropped for it. When a quarter is free
  again, those who waited go on, in the order in which they came to wait.
* *undecoded* bytes of links that are `parked`, because there is no room for what they say, and of
  connections that are gone (`Tail`). They will become whole messages, so they are no reason to
  decode less. They are a reason to read less.
* *partial* messages, larger than one small read, whose rest is on its way. Only their senders free
  these, so they get half of the budget at most, and can't stop others that send small ones. When
  that half is used up, a link that waits for more of a large message waits in line; one at a time
  goes on when nobody else does, or no message larger than the half would ever come through. A peer
  that keeps others waiting in that line, because it is silent or the slowest of all, is
  disconnected. What it has sent so far was not a whole message, so none is lost.

The budget is exceeded by one message at most, and by a small read for each connection. While it is
closed nobody new is accepted either. While it is `full`, a peer that has left keeps its place: its
end stands in the kernel behind what it had sent, and we do not read that far. So `max_peers` bounds
those peers too.

A message counts with the memory that it takes beside its payload, and so does a departed peer.
Otherwise a million empty messages would cost nothing.

What the program *receives* is given back when its batch ends, as everywhere in the pipe. So the
budget may still count a few messages that were received, and never misses one that was not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import trio

from trio_mq._message import Message

if TYPE_CHECKING:
    from trio_mq._options import Options
    from trio_mq._peer import HangsUp
    from trio_mq._telling import Teller

_UNLIMITED: Final = 1 << 62
#: What a message takes beside its payload, on its own and for each frame.
_MESSAGE: Final = 80
_FRAME: Final = 48
#: What is kept of a peer that is gone, until its messages are received.
DEPARTED: Final = 8 * 1024
#: What an `XPub` keeps, beside its topic, of each subscription or cancellation that its program has
#: not received; and of each peer that has such, for it may be gone.
NEWS: Final = _MESSAGE + 2 * _FRAME
NEWS_OF_A_PEER: Final = 2 * 1024
#: Up to this many bytes of an unfinished message are not counted: a small read brings as many.
SMALL_READ: Final = 8 * 1024
#: What a budget that follows from the marks has at least.
_LEAST: Final = 8 * 1024 * 1024
#: One read takes at most this fraction (1/16) of what is left.
_PARTS: Final = 16
#: Seconds that a link waits for its turn before it looks who keeps it waiting.
_PATIENCE: Final = 5.0


def cost_of(messages: list[Message], payload: int) -> int:
    """Return the bytes that whole messages take in memory, near enough."""
    count = len(messages)
    frames = len(messages[0]) if count == 1 else sum(map(len, messages))
    return payload + _MESSAGE * count + _FRAME * frames


def budget_of(options: Options) -> int | None:
    """Return the bytes of a socket's budget: less than its limit where few peers may come.

    Twice what `max_peers` peers take when each fills its queue to the marks. Those who are there
    never use that up; and those who come and go can leave little more than that either.
    """
    limit = options.limits.receive_budget
    count, size = options.receive_hwm, options.receive_hwm_bytes
    if count is None or size is None:
        return limit
    enough = 2 * options.max_peers * (size + count * (_MESSAGE + _FRAME))
    return max(enough, _LEAST) if limit is None else min(limit, max(enough, _LEAST))


class Paused(Protocol):
    """What has found the budget closed, and waits for it to open."""

    def budget_opened(self) -> None:
        """There is room again: take what you need of it."""


class ReceiveBudget:
    """The budget of one socket; see the head of this file.

    Args:
        limit: Bytes, or ``None`` for no limit.
        teller: Writes in the log that it is used up; ``None``: nobody does.
    """

    __slots__ = (
        "_ahead",
        "_half",
        "_limit",
        "_line",
        "_open_again",
        "_opening",
        "_parked",
        "_partial",
        "_shares",
        "_teller",
        "_waiting",
        "closed",
        "left",
    )

    def __init__(self, limit: int | None = None, teller: Teller | None = None) -> None:
        self._limit = _UNLIMITED if limit is None else limit
        self._half = self._limit // 2
        self._teller = teller
        #: Bytes that whole messages may still take; whoever takes some closes the budget with the
        #: last of them. Both are read and written for each batch, so they are plain attributes.
        self.left: int = self._limit
        self.closed: bool = False
        self._partial = 0
        self._parked = 0
        #: Who waits for whole messages to be received, in order.
        self._waiting: dict[Paused, None] = {}
        self._opening = False
        #: Set when it is open again; ``None``: nobody waits for that alone.
        self._open_again: trio.Event | None = None
        #: Links inside of a large message, and those of them that wait for their turn.
        self._shares: dict[Share, None] = {}
        self._line: dict[Share, trio.Event] = {}
        #: Who goes on alone while all others wait, to the end of its message: if they went on in
        #: turn, a piece of each, all of their messages would grow.
        self._ahead: Share | None = None

    @property
    def used(self) -> int:
        """Bytes that wait to be received, in whole messages and otherwise."""
        return self._limit - self.left - self._set_aside() + self._partial + self._parked

    def _set_aside(self) -> int:
        """Return what partial messages take away from whole ones."""
        return min(self._partial, self._half)

    # -- whole messages --

    def take(self, cost: int) -> None:
        """Messages were decoded."""
        self.left -= cost
        if self.left <= 0 and not self.closed:
            self.close()

    def close(self) -> None:
        """The budget is used up."""
        self.closed = True
        if self._teller is not None:
            self._teller.budget_is_used_up(self.used)

    def give_back(self, cost: int) -> None:
        """Messages were received, or dropped."""
        self.left += cost
        self._look()

    def wait(self, paused: Paused) -> None:
        """Wait in line until it is open again."""
        self._waiting.setdefault(paused)

    def leave(self, paused: Paused) -> None:
        """Wait no longer."""
        self._waiting.pop(paused, None)

    async def wait_until_open(self) -> None:
        """Wait while whole messages use it up: for those who would bring more."""
        while self.closed:
            if self._open_again is None:
                self._open_again = trio.Event()
            await self._open_again.wait()

    def _look(self) -> None:
        if self.closed and not self._opening and self.left * 4 >= self._limit:
            # In a later turn of the scheduler: whoever has just received is not done with that.
            self._opening = True
            trio.lowlevel.current_trio_token().run_sync_soon(self._open)
        elif self._line:
            self._call_next()

    def _open(self) -> None:
        self._opening = False
        if self.left * 4 < self._limit:
            return
        self.closed = False
        while self._waiting and not self.closed:
            first = next(iter(self._waiting))
            del self._waiting[first]
            first.budget_opened()
        if self._open_again is not None and not self.closed:
            self._open_again.set()
            self._open_again = None
        self._call_next()

    # -- what is no message yet --

    def read_size(self, wanted: int) -> int:
        """Return how many bytes one read may ask for: what it wants, or less if little is left."""
        # What partial messages use beyond their half is used up, and yet not taken from ``left``.
        spare = self.left - self._parked - (self._partial - self._set_aside())
        return min(wanted, max(SMALL_READ, spare // _PARTS))

    @property
    def full(self) -> bool:
        """What was read is as much as it allows, decoded or not."""
        return self.closed or self.left <= self._parked

    @property
    def crowded(self) -> bool:
        """A link in the middle of a large message has to wait for its turn."""
        return self.full or self._partial >= self._half

    def account(self, share: Share, partial: int, parked: int) -> None:
        """Book what a link holds now.

        Args:
            share: That of the link.
            partial: Bytes of a large message whose rest is on its way.
            parked: Bytes that are not decoded for lack of room.
        """
        before = self._set_aside()
        self._partial += partial - share.partial
        self._parked += parked - share.parked
        if share is self._ahead and partial < share.partial:
            self._ahead = None  # that message has ended
        if not partial:
            self._shares.pop(share, None)
        elif not share.partial:
            self._shares[share] = None
        share.book(partial, parked)
        self.take(self._set_aside() - before)
        self._look()

    async def turn(self, share: Share) -> None:
        """Wait until more of a large message may be read."""
        if share is self._ahead and not self.closed:
            return
        called = self._line[share] = trio.Event()
        try:
            self._call_next()
            while not called.is_set():
                with trio.move_on_after(_PATIENCE):
                    await called.wait()
                if not called.is_set():
                    self._turn_out()
        finally:
            self._line.pop(share, None)
            self._call_next()

    def _call_next(self) -> None:
        """Let the first in line go on if there is room, or if nobody else does."""
        while self._line and not self.closed:
            first = next(iter(self._line))
            if self.crowded:
                if len(self._shares) > len(self._line):
                    return
                self._ahead = first
            self._line.pop(first).set()

    def _turn_out(self) -> None:
        """Somebody has waited long: end those who have been silent as long, or else the slowest."""
        busy = [share for share in self._shares if share not in self._line]
        if self.closed or not busy:
            return
        now = trio.current_time()
        silent = [share for share in busy if now - share.moved >= _PATIENCE]
        for share in silent or [min(busy, key=lambda each: each.speed(now))]:
            del self._shares[share]
            share.link.hang_up("receive-budget")


class Share:
    """What one link has read and could not deliver yet.

    Args:
        budget: That of its socket.
        link: Is ended where it keeps others waiting.
    """

    __slots__ = ("_began", "_budget", "link", "moved", "parked", "partial")

    def __init__(self, budget: ReceiveBudget, link: HangsUp) -> None:
        self._budget = budget
        self.link: HangsUp = link
        #: Bytes of a large message whose rest is on its way, and bytes that there is no room to
        #: decode.
        self.partial: int = 0
        self.parked: int = 0
        #: When the message was begun, and when more of it came.
        self._began = 0.0
        self.moved: float = 0.0

    def book(self, partial: int, parked: int) -> None:
        """Note what the budget has accounted for."""
        self.partial, self.parked = partial, parked

    def hold(self, buffered: int) -> None:
        """All was decoded but ``buffered`` bytes, the beginning of a message; more will be read."""
        partial = buffered if buffered > SMALL_READ else 0
        if partial != self.partial or self.parked:
            self.moved = trio.current_time()
            if partial < self.partial or not self.partial:
                self._began = self.moved
            self._budget.account(self, partial, 0)

    def park(self, buffered: int) -> None:
        """There is no room for the messages in the ``buffered`` bytes that were read."""
        if buffered != self.parked or self.partial:
            self._budget.account(self, 0, buffered)

    def speed(self, now: float) -> float:
        """Return the bytes a second at which its message comes."""
        return self.partial / max(now - self._began, 1e-3)

    async def turn(self) -> None:
        """Wait until more of a large message may be read; return at once outside of one."""
        if self.partial and self._budget.crowded:
            await self._budget.turn(self)


class Tail:
    """What a connection that is gone has left undecoded.

    Args:
        share: Its share of the budget.
    """

    __slots__ = ("_share", "used_up")

    def __init__(self, share: Share) -> None:
        self._share = share
        #: All is decoded, or never will be.
        self.used_up: trio.Event = trio.Event()

    def end(self) -> None:
        """Nothing of it is left."""
        self._share.hold(0)
        self.used_up.set()
