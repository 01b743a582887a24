"""What a random program is made of: socket types that go together, options, endpoints, messages."""

from __future__ import annotations

import random
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

import attrs

from fuzz.programs.sealed import BINDING, CONNECTING
from trio_mq import ConnectionOptions
from trio_mq.lowlevel import CheckpointMode

Transport: TypeAlias = Literal["inproc", "network", "curve", "ipc", "tcp"]
#: Over "network" they speak through the network in memory of `trio_mq.testing`, which breaks; over
#: "curve" too, sealed.
TRANSPORTS: Final[Sequence[Transport]] = get_args(Transport)
MODES: Final[Sequence[CheckpointMode]] = get_args(CheckpointMode)

PAIRS: Final = (
    ("Push", "Pull"),
    ("Dealer", "Router"),
    ("Dealer", "Dealer"),
    ("Pub", "Sub"),
    ("XPub", "XSub"),
    ("Req", "Rep"),
    ("Pair", "Pair"),
    ("Req", "Router"),
    ("Dealer", "Rep"),
    ("Router", "Router"),
)
#: Endpoints of one program: few, so that sockets meet, collide and change places.
ENDPOINTS: Final = 3
#: Names that Dealers may claim, and whom Routers write to when they know nobody.
NAMES: Final = (b"id0", b"id1", b"nobody")
#: Names that Reqs may claim, each in one socket of a program alone: what a Router owes to a name is
#: the next one's that bears it, which cannot know (docs/explanation/requests.rst).
_REQS: Final = (b"req0", b"req1", b"req2")
#: What a numbered frame begins with: more than an id of four bytes can be taken for.
_MARK: Final = b"no. "
TOPICS: Final = ("a", "b", "c", "")

#: Seconds that a message may wait: less than a turn of the scheduler, than a reconnection, or more.
LIFETIMES: Final = (1e-6, 0.005, 0.05)
#: What a Dealer or Router begins a connection with, and what a Router is told for who has left.
_HELLO: Final = b"hello"
_LAST_WORD: Final = b"gone"

#: Values of an option, and in how many of a hundred sockets it is set.
_FOR_ALL: Final[dict[str, tuple[int, Sequence[object]]]] = {
    "send_hwm": (80, (1, 2, 5, 100)),
    "receive_hwm": (80, (1, 2, 5, 100)),
    "send_hwm_bytes": (20, (1, 100, 5000)),
    "receive_hwm_bytes": (20, (1, 100, 5000)),
    "immediate": (20, (True,)),
    "send_buffer": (10, (4096,)),
    "receive_buffer": (10, (4096,)),
    "heartbeat_interval": (15, (0.01,)),
    "message_lifetime": (15, LIFETIMES),
}
_BY_TYPE: Final[dict[str, dict[str, tuple[int, Sequence[object]]]]] = {
    "Req": {"correlate": (50, (True,)), "routing_id": (20, _REQS), "probe": (10, (True,))},
    "Dealer": {
        "routing_id": (30, NAMES[:2]),
        "requeue": (30, (False,)),
        "balance": (30, ("least_queued",)),
        "conflate": (10, (True,)),
        "probe": (10, (True,)),
        "hello_message": (15, (_HELLO,)),
    },
    "Push": {
        "requeue": (30, (False,)),
        "balance": (30, ("least_queued",)),
        "conflate": (10, (True,)),
    },
    "Pull": {"conflate": (10, (True,))},
    "Pub": {
        "on_full": (100, ("drop_newest", "drop_oldest", "block", "disconnect")),
        "conflate": (10, (True,)),
    },
    "XPub": {
        "on_full": (100, ("drop_newest", "drop_oldest", "block", "disconnect")),
        "verbose": (50, ("none", "subscribe", "all")),
    },
    "Sub": {"topics": (80, ("", ("a", "b"), ())), "conflate": (10, (True,))},
    "Router": {
        "on_full": (100, ("drop_newest", "drop_oldest", "block", "disconnect")),
        "mandatory": (30, (True,)),
        "handover": (30, (True,)),
        "probe": (10, (True,)),
        "hello_message": (15, (_HELLO,)),
        "disconnect_message": (30, (_LAST_WORD,)),
    },
}


@attrs.define
class Chance:
    """Makes the choices of one program."""

    seed: int
    transport: Transport
    folder: Path
    random: random.Random = attrs.field(init=False)
    _endpoints: list[str] = attrs.field(init=False)
    #: Names that Reqs have claimed.
    _claimed: set[object] = attrs.field(init=False, factory=set)

    def __attrs_post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self._endpoints = list(self._places())

    def _places(self) -> Sequence[str]:
        match self.transport:
            case "inproc":
                return [f"inproc://{number}" for number in range(ENDPOINTS)]
            case "network" | "curve":
                return [f"tcp://127.0.0.1:{1 + number}" for number in range(ENDPOINTS)]
            case "ipc":
                return [f"ipc://{self.folder}/{number}" for number in range(ENDPOINTS)]
            case _:
                return [f"tcp://127.0.0.1:{port}" for port in _free_ports(ENDPOINTS)]

    def percent(self, number: int) -> bool:
        """Say yes in ``number`` of a hundred cases."""
        return self.random.randrange(100) < number

    def endpoint(self) -> str:
        """Choose one of the few."""
        return self.random.choice(self._endpoints)

    def pair(self) -> tuple[str, str]:
        """Choose who binds and who connects, by the names of their classes."""
        binder, connector = self.random.choice(PAIRS)
        return (binder, connector) if self.percent(50) else (connector, binder)

    def options(self, kind: str) -> dict[str, object]:
        """Choose the options of a socket."""
        chosen: dict[str, object] = {
            "linger": self.random.choice((0, 0.05, 0.2)),
            "reconnect_interval": 0.01,
            "reconnect_interval_max": 0.05,
        }
        for name, (percent, values) in {**_FOR_ALL, **_BY_TYPE.get(kind, {})}.items():
            if self.percent(percent):
                chosen[name] = self.random.choice(values)
        if "hello_message" in chosen:
            chosen.pop("probe", None)
        if kind == "Req" and "routing_id" in chosen:
            claimed = chosen["routing_id"]
            if claimed in self._claimed:
                del chosen["routing_id"]
            self._claimed.add(claimed)
        return chosen

    def bind_options(self) -> ConnectionOptions:
        """Return what has to be said of an endpoint that is bound."""
        return BINDING if self.transport == "curve" else {}

    def connect_options(self) -> ConnectionOptions:
        """Return what has to be said of one that is connected."""
        return CONNECTING if self.transport == "curve" else {}

    def endpoint_options(self, always: ConnectionOptions) -> ConnectionOptions:
        """Choose what an endpoint has of its own, besides what it always has."""
        if self.percent(20):
            return {**always, "message_lifetime": self.random.choice((None, *LIFETIMES))}
        return always

    def body(self, number: int) -> list[bytes]:
        """Make the frames of a message that can be told from every other one."""
        first = b"%b%d|" % (_MARK, number) + b"x" * self._size()
        return [first] if self.percent(60) else [first, b"", b"y" * self._size()]

    def _size(self) -> int:
        return self.random.choice((0, 1, 10, 10, 10, 300, 2000, 70_000))


def _free_ports(count: int) -> list[int]:
    """Ask the kernel for ports; somebody else may take one meanwhile, then a bind fails."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def number_of(frames: Sequence[bytes]) -> int | None:
    """Return the number that a message was made with."""
    for frame in frames:
        digits, bar, _ = frame.removeprefix(_MARK)[:12].partition(b"|")
        if frame.startswith(_MARK) and bar and digits.isdigit():
            return int(digits)
    return None
