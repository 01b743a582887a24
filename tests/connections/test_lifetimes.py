"""What outlives a connection, and why: an entry for each attribute of a pipe and of a dialler.

A connected endpoint keeps its pipe and its dialler over all reconnections. What was learnt from one
connection must not be taken for the truth about the next, so each attribute is either as it was
before the first connection when one has ended, or has a reason here to stay.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Final

import attrs
import pytest

from tests.joined import MemoryListener, bind, connect
from tests.spec.meeting import eventually
from trio_mq import Dealer, Socket
from trio_mq._connections.dialer import Dialer
from trio_mq._connections.inproc_endpoints import InprocDialer
from trio_mq._pipes.inbound import Inbound
from trio_mq._pipes.outbound import Hold, Outbound
from trio_mq._pipes.pipe import Pipe
from trio_mq._pipes.shared import SharedOutbound

#: It is reset when the connection ends.
CONNECTION: Final = ""

GIVEN: Final = "given with the endpoint, and never changed"
QUEUE: Final = "messages wait over the loss of a connection: the queue is the endpoint's"
FIGURES: Final = "figures are the endpoint's; `Peer` subtracts what was before it"
UNREAD: Final = "what a peer sent stays readable when it has gone; each batch knows whose it is"

LIFETIMES: Mapping[type, Mapping[str, str]] = {
    Pipe: {
        "owner": GIVEN,
        "endpoint": GIVEN,
        "options": GIVEN,
        "given_id": GIVEN,
        "routing_id": "kept until the next peer has said its own, for it may be the same program",
        "tally": FIGURES,
        "leaving": "the end of the endpoint",
        "attached": "an endpoint may be chosen between connections, unless it is `immediate`",
        "outbound": QUEUE,
        "inbound": UNREAD,
        "peer": "whose what is dropped was; `hold` says whether it is still there",
        "loans": "a number that only grows",
        "watched": CONNECTION,
    },
    Outbound: {
        "_owner": GIVEN,
        "_pipe": GIVEN,
        "options": GIVEN,
        "conflate": GIVEN,
        "hwm": GIVEN,
        "hwm_bytes": GIVEN,
        "_tally": FIGURES,
        "_ledger": GIVEN,
        "_written_before": FIGURES,
        "_counted": FIGURES,
        "_counted_bytes": FIGURES,
        "_passed": FIGURES,
        "_passed_bytes": FIGURES,
        "gone": "drains wait for messages, whoever gets them",
        "queue": QUEUE,
        "size": QUEUE,
        "blocked": "somebody waits for room in the queue, which stays as full as it is",
        "hold": CONNECTION,
        "in_hand": CONNECTION,
        "announced": CONNECTION,
        "_borrower": CONNECTION,
        "_opening": CONNECTION,
        "_has_ties": CONNECTION,
        "append_below": CONNECTION,
    },
    SharedOutbound: {
        "_line": QUEUE,
        "_line_size": QUEUE,
        "_edition": CONNECTION,
        "_taken": "counted anew for each edition",
        "_most_passed": FIGURES,
    },
    Inbound: {
        "options": GIVEN,
        "_tally": FIGURES,
        "_counted": FIGURES,
        "_passed": FIGURES,
        "_passed_bytes": FIGURES,
        "_owner": GIVEN,
        "_pipe": GIVEN,
        "_ledger": GIVEN,
        "budget": GIVEN,
        "_total": FIGURES,
        "_batch_cost": UNREAD,
        "_departed": "the end of the pipe",
        "_hwm": GIVEN,
        "_part": GIVEN,
        "_hwm_bytes": GIVEN,
        "_conflate_all": GIVEN,
        "batch": UNREAD,
        "_batch_bytes": UNREAD,
        "source": UNREAD,
        "_last": UNREAD,
        "_batches": UNREAD,
        "_later": UNREAD,
        "_later_bytes": UNREAD,
        "readable": UNREAD,
        "kept": UNREAD,
        "_kept_bytes": UNREAD,
        "tail": UNREAD,
        "reserved": "of a task that receives, and ends with its call",
        "_paused": CONNECTION,
        "_on_room": CONNECTION,
    },
    Dialer: {
        "endpoint": GIVEN,
        "options": GIVEN,
        "pipe": GIVEN,
        "_owner": GIVEN,
        "_open_stream": GIVEN,
        "_terms": GIVEN,
        "_scope": GIVEN,
        "failure": "of the attempt that somebody waits for, until somebody waits for another",
        "made": "of the attempt that somebody waits for, until somebody waits for another",
        "keeper": "what the other end of this endpoint may cost, however often it is dialled",
        "done": "the end of the endpoint",
        "_finishing": "the end of the endpoint",
        "_stopped": "the end of the endpoint",
        "_once": "until the first handshake: who waited for that was told of it then",
        "state": "what the endpoint does now",
        "last_error": "why there is no connection now; the next handshake takes it away",
        "_next_retry": "set only in the pause before an attempt",
        "_hurry": "a new one for each pause",
        "_attempts": "a number that only grows",
        "_asked_for": "the attempt that somebody waits for, which is never an earlier one",
        "tried": "that attempt's outcome; `try_again` makes a new one",
        "_backoff": "how the endpoint did before, so that a server that crashes is not hammered",
        "link": CONNECTION,
    },
    InprocDialer: {
        "endpoint": GIVEN,
        "options": GIVEN,
        "pipe": GIVEN,
        "_owner": GIVEN,
        "_name": GIVEN,
        "_names": GIVEN,
        "_scope": GIVEN,
        "failure": "of the attempt that somebody waits for, until somebody waits for another",
        "made": "of the attempt that somebody waits for, until somebody waits for another",
        "_backoff": "how the endpoint did before, so that who does not get on is not hammered",
        "_pause": "a new one for each pause",
        "_next_retry": "set only in the pause before it looks again",
        "done": "the end of the endpoint",
        "_finishing": "the end of the endpoint",
        "_stopped": "the end of the endpoint",
        "state": "what the endpoint does now",
        "last_error": "why there is no connection now; the next join takes it away",
        "tried": "the outcome that somebody waits for; `try_again` makes a new one",
        "link": CONNECTION,
    },
}


def attributes(kind: type) -> set[str]:
    """Return the names of what an object of this class keeps."""
    if "__attrs_attrs__" in vars(kind):
        return {field.name for field in attrs.fields(kind)}
    if "__slots__" in vars(kind):
        return set(vars(kind)["__slots__"])
    source = inspect.getsource(vars(kind)["__init__"])
    words = (word for line in source.splitlines() for word in line.split(maxsplit=1)[:1])
    return {word[5:].rstrip(":") for word in words if word.startswith("self.")}


@pytest.mark.parametrize("kind", LIFETIMES, ids=lambda kind: kind.__name__)
def test_each_attribute_has_a_lifetime(kind: type) -> None:
    """Who adds one says here how long it lives."""
    assert attributes(kind) == set(LIFETIMES[kind])


def connection_state(socket: Socket) -> dict[str, object]:
    """Return what is to be reset at the end of a connection, of the only endpoint of a socket."""
    assert socket._opened is not None
    (entry,) = socket._opened.endpoints._connected.values()
    dial = entry.dial
    state: dict[str, object] = {}
    for holder in (dial, dial.pipe, dial.pipe.outbound, dial.pipe.inbound):
        for name, why in LIFETIMES[type(holder)].items():
            if why == CONNECTION:
                kind = "Dial" if holder is dial else type(holder).__name__
                state[f"{kind}.{name}"] = getattr(holder, name)
    return state


@pytest.mark.parametrize("way", ["inproc", "memory", "tcp"])
async def test_nothing_of_a_connection_is_left_when_it_has_ended(way: str) -> None:
    """Whatever it was in the middle of, in both directions."""
    async with (
        Dealer(receive_hwm=4, linger=0, reconnect_interval=1000) as ours,
        Dealer(receive_hwm=4, linger=0) as theirs,
    ):
        listener: MemoryListener = await bind(theirs, way)
        await connect(ours, theirs, listener)
        (peer,) = ours.peers
        for _ in range(20):
            theirs.send_nowait(bytes(1_000_000))
            ours.send_nowait(bytes(1_000_000))
        await eventually(lambda: connection_state(ours)["Inbound._paused"] is True)
        during = connection_state(ours)
        if way == "inproc":
            await theirs.aclose()
        peer.disconnect()
        await eventually(lambda: connection_state(ours)["Dial.link"] is None)
        after = connection_state(ours)
        assert during["Outbound.hold"] is Hold.LENT
        assert after == dict.fromkeys(after) | {
            "Outbound.hold": Hold.FREE,
            "Outbound.in_hand": 0,
            "Outbound._has_ties": False,
            "Outbound.announced": False,
            "Outbound.append_below": 0,
            "Inbound._paused": False,
        }
        assert {name for name in after if during[name] != after[name]} >= {"Outbound.hold"}
        await listener.aclose()
