"""What happened in one random program, and what of it breaks a promise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from fuzz.programs.chance import number_of
from fuzz.programs.trace import Trace
from trio_mq import DropReason, Peer, Request, Socket, TrafficStatistics

#: Types of which each message goes to one peer, and which accept by ``send`` alone.
_ACCEPTS_WHAT_IS_SENT: Final = {"Push", "Dealer", "Pair"}
_DELIVERS_WHAT_IS_RECEIVED: Final = {"Pull", "Dealer", "Pair", "Sub"}
_TO_MANY: Final = {"Pub", "XPub", "XSub"}


@attrs.define(eq=False)
class Account:
    """What the calls of one socket have returned."""

    socket: Socket
    kind: str
    #: Which of the program's sockets it is.
    number: int
    #: Messages that were sent, and those of which the program can't know; received ones.
    sent: int = 0
    unsure: int = 0
    received: int = 0
    #: Requests that it has taken and not answered, with their numbers.
    in_hand: list[tuple[Request, int]] = attrs.field(factory=list)
    #: Those of its peers that were there when somebody looked.
    peers: set[Peer] = attrs.field(factory=set)
    #: For a Rep: the number of the request that it has to answer.
    pending: int | None = None


@attrs.define
class Story:
    """The messages of one program, and its broken promises."""

    faults: list[str] = attrs.field(factory=list)
    trace: Trace = attrs.field(factory=Trace)
    #: Calls by name, and their errors by name.
    calls: Counter[str] = attrs.field(factory=Counter)
    _made: int = 0
    _kinds: dict[int, str] = attrs.field(factory=dict)
    _cancelled: set[int] = attrs.field(factory=set)
    _arrived: Counter[int] = attrs.field(factory=Counter)
    _asked_again: set[int] = attrs.field(factory=set)

    def fault(self, text: str) -> None:
        """Note a broken promise."""
        self.trace.note(f"BROKEN: {text}")
        self.faults.append(text)

    def new_message(self, kind: str) -> int:
        """Return the number of a new message that a socket of that kind will send."""
        self._made += 1
        self._kinds[self._made] = kind
        return self._made

    def note(self, account: Account, what: str) -> None:
        """Note what somebody does or gets to see."""
        self.trace.note(f"{account.kind} {account.number} {what}")

    def not_sent(self, numbers: Sequence[int]) -> None:
        """The call that was to send them was cancelled, or would have blocked."""
        self._cancelled.update(numbers)
        for number in numbers:
            if self._arrived[number]:
                self.fault(f"message {number} had arrived when its send was cancelled")

    def asked_again(self, number: int) -> None:
        """This request may be made several times, and so arrive as often."""
        self._asked_again.add(number)

    def arrived(self, frames: Sequence[bytes]) -> int | None:
        """A message was received; return its number."""
        number = number_of(frames)
        if number is None or number not in self._kinds:
            return None
        self._arrived[number] += 1
        if number in self._cancelled:
            self.fault(f"message {number} of a {self._kinds[number]} arrived, and was not sent")
        once = self._kinds[number] not in _TO_MANY and number not in self._asked_again
        if once and self._arrived[number] > 1:
            self.fault(f"message {number} of a {self._kinds[number]} arrived again")
        return number

    def check(self, account: Account) -> None:
        """Look at the books of a socket."""
        figures = account.socket.statistics()
        self._check_books(account.kind, figures)
        account.peers.update(account.socket.peers)
        for peer in account.peers:
            self._check_books(str(peer), peer.statistics())

    def _check_books(self, of: str, books: TrafficStatistics) -> None:
        out = books.written + books.waiting_to_send + _total(books.dropped_outgoing)
        into = books.delivered + books.waiting_to_receive + _total(books.dropped_incoming)
        if books.accepted != out or books.decoded != into:
            self.fault(f"the books of {of} don't balance: {books}")
        if min(books.waiting_to_send_bytes, books.waiting_to_receive_bytes, books.written) < 0:
            self.fault(f"{of} has less than nothing: {books}")

    def check_closed(self, account: Account, *, opens: bool) -> None:
        """Look at the books of a socket that was closed."""
        self.check(account)
        kind, figures = account.kind, account.socket.statistics()
        if figures.waiting_to_send or figures.waiting_to_receive:
            self.fault(f"a closed {kind} still holds messages: {figures}")
        # What opens connections is accepted by nobody's call.
        most = figures.accepted if opens else account.sent + account.unsure
        if kind in _ACCEPTS_WHAT_IS_SENT and not account.sent <= figures.accepted <= most:
            self.fault(f"a {kind} sent {account.sent} and counted {figures.accepted}")
        if kind in _DELIVERS_WHAT_IS_RECEIVED and figures.delivered != account.received:
            self.fault(f"a {kind} received {account.received}, and counted {figures.delivered}")


def _total(dropped: Mapping[DropReason, int]) -> int:
    return sum(dropped.values())
