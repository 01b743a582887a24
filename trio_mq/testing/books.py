"""Whether anything was lost, told from what the sockets have counted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from trio_mq._sockets.socket import Socket
from trio_mq._tally import DropReason, TrafficStatistics

#: Drops that the program has asked for, which are no loss.
_WANTED: Final = (DropReason.FILTERED, DropReason.CONFLATED)


def assert_nothing_lost(
    *sockets: Socket,
    allow: Collection[DropReason] = _WANTED,
    among_themselves: bool = False,
) -> None:
    """Assert that the books of sockets balance, and that nothing was dropped.

    For each socket, and for each of its peers::

        accepted = written + waiting + dropped        on the way out
        decoded = delivered + waiting + dropped       on the way in

    Args:
        *sockets: Open or closed.
        allow: Reasons for which a message may be dropped: by default, that nobody wanted it, or
            only the newest.
        among_themselves: They talk to each other alone, and nothing is on its way now: so as much
            was decoded as was written, and less is what connections have taken with them. Not for
            XPub and XSub, to which subscriptions are messages.

    Raises:
        AssertionError: One of these does not hold; the text has the figures, and every reason.
    """
    faults = [fault for socket in sockets for fault in _faults_of(socket, allow)]
    if among_themselves:
        written = sum(socket.statistics().written for socket in sockets)
        decoded = sum(socket.statistics().decoded for socket in sockets)
        if written != decoded:
            faults.append(f"{written} messages were written, and {decoded} decoded")
    if faults:
        books = [_shown(repr(socket), socket.statistics()) for socket in sockets]
        raise AssertionError("\n".join([*faults, *books]))


def _faults_of(socket: Socket, allow: Collection[DropReason]) -> Iterator[str]:
    figures = socket.statistics()
    yield from _unbalanced(repr(socket), figures)
    for peer in figures.peers:
        yield from _unbalanced(f"{peer.peer!r} of {socket!r}", peer)
    for direction, dropped in (
        ("out", figures.dropped_outgoing),
        ("in", figures.dropped_incoming),
    ):
        lost = {reason: count for reason, count in dropped.items() if reason not in allow}
        if lost:
            yield f"{socket!r} dropped on the way {direction}: {_reasons(lost)}"


def _unbalanced(of: str, figures: TrafficStatistics) -> Iterator[str]:
    out = figures.written + figures.waiting_to_send + sum(figures.dropped_outgoing.values())
    into = figures.delivered + figures.waiting_to_receive + sum(figures.dropped_incoming.values())
    if (figures.accepted, figures.decoded) != (out, into):
        yield f"the books of {of} don't balance"


def _shown(of: str, figures: TrafficStatistics) -> str:
    return (
        f"{of}: accepted {figures.accepted} = written {figures.written}"
        f" + waiting {figures.waiting_to_send} + dropped {_reasons(figures.dropped_outgoing)};"
        f" decoded {figures.decoded} = delivered {figures.delivered}"
        f" + waiting {figures.waiting_to_receive} + dropped {_reasons(figures.dropped_incoming)}"
    )


def _reasons(dropped: Mapping[DropReason, int]) -> str:
    named = [f"{count} {reason.value}" for reason, count in dropped.items()]
    return " + ".join(named) or "0"
