"""What is measured: every work with its processes, its parameters and the libraries that do it."""

from __future__ import annotations

from typing import Final

import attrs

from benchmarks.job import Job
from benchmarks.loops.ring import payloads, publications
from benchmarks.measure import Part


@attrs.frozen
class Measure:
    """One figure of a work, as it is shown."""

    #: Its name in the reports of the workers.
    figure: str
    #: What it is, with its unit after the scale has been applied.
    unit: str
    scale: float = 1.0
    more_is_better: bool = True


RATE: Final = Measure("per_second", "messages/s")
ROUND_TRIPS: Final = Measure("per_second", "round trips/s")


@attrs.frozen(kw_only=True)
class Work:
    """Something that several libraries do, measured in the same way for each."""

    name: str
    #: What the page calls it.
    title: str
    #: The roles of the library under test, in the order in which they begin: servers first.
    roles: tuple[str, ...]
    #: Fixed clients, the same for every library: after the roles, in this order.
    clients: tuple[Part, ...] = ()
    peers: tuple[str, ...]
    job: Job = attrs.field(factory=Job)
    measures: tuple[Measure, ...] = (RATE,)
    #: "tcp", "ipc", or an endpoint that is used as it is.
    transport: str = "tcp"
    #: Whether the two ends keep to cores of their own. Where they wait for one another all the
    #: time, the rate else depends mostly on whether the system puts them on one core.
    apart: bool = False
    #: Whether it takes part in the comparison of a minute.
    quick: bool = False
    #: A number of rounds, where the time cannot decide it.
    rounds: int | None = None
    #: The library is only imported, by a worker that is none of them (see `peers.imports`).
    imports: bool = False

    def parts(self, peer: str) -> list[Part]:
        """Return the processes of a measurement of that library."""
        if self.imports:
            return [Part("imports", peer)]
        return [*(Part(peer, role) for role in self.roles), *self.clients]

    def processor_figure(self) -> str:
        """Return whose processor time counts: that of the library under test."""
        return "server_cpu_seconds" if self.clients else "cpu_seconds"

    def round_size(self) -> int:
        """Return how many messages there are in a round."""
        messages = publications if "publisher" in self.roles else payloads
        return len(messages(self.job.size))


EACH, MANY = "trio_mq_each", "trio_mq_many"
_BLOCKING, _ASYNCIO, _UVLOOP = "pyzmq_blocking", "pyzmq_asyncio", "pyzmq_uvloop"
_FLOOR: Final = ("bare_trio", "bare_sockets")
_EVERYONE: Final = (
    EACH,
    MANY,
    _BLOCKING,
    "pyomq_blocking",
    "pyomq_asyncio",
    _ASYNCIO,
    _UVLOOP,
    "zmq_anyio_trio",
    "pynng_trio",
    *_FLOOR,
)
_SERVERS: Final = (EACH, _BLOCKING, _ASYNCIO)


def size_name(size: int) -> str:
    """Return a size as people write it."""
    for unit, factor in (("MiB", 1024 * 1024), ("KiB", 1024)):
        if size >= factor:
            return f"{size // factor} {unit}"
    return f"{size} B"


def grouped(number: int) -> str:
    """Return a whole number with spaces between its thousands."""
    return f"{number:,}".replace(",", " ")


# ---------------------------------------------------------------------------------- one direction


def _push_pull(size: int, transport: str, peers: tuple[str, ...], *, quick: bool = False) -> Work:
    return Work(
        name=f"push-pull/{transport}/{size}",
        title=f"PUSH to PULL, {transport}, {size_name(size)}",
        roles=("receiver", "sender"),
        peers=peers,
        job=Job(size=size),
        transport=transport,
        quick=quick,
    )


_BY_IPC: Final = tuple(name for name in _EVERYONE if name not in {_UVLOOP, "zmq_anyio_trio"})

ONE_DIRECTION: Final = (
    _push_pull(16, "tcp", _EVERYONE, quick=True),
    _push_pull(256, "tcp", _EVERYONE),
    _push_pull(1024, "tcp", _EVERYONE),
    _push_pull(64 * 1024, "tcp", _EVERYONE, quick=True),
    _push_pull(1024 * 1024, "tcp", _EVERYONE),
    _push_pull(16, "ipc", _BY_IPC),
    _push_pull(64 * 1024, "ipc", _BY_IPC),
    Work(
        name="push-pull/tcp/5x16",
        title="PUSH to PULL, tcp, 5 frames of 16 B",
        roles=("receiver", "sender"),
        peers=tuple(p for p in _EVERYONE if p not in {"pynng_trio", *_FLOOR}),
        job=Job(frames=5),
    ),
    Work(
        name="push-pull/inproc/16",
        title="PUSH to PULL, inproc, 16 B, two tasks (or threads) of one process",
        roles=("inproc",),
        peers=(EACH, MANY, _BLOCKING, _ASYNCIO, "bare_trio"),
        transport="inproc://comparison",
        quick=True,
    ),
)

SEALED: Final = tuple(
    attrs.evolve(
        _push_pull(
            size,
            "tcp",
            (EACH, MANY, _BLOCKING, _ASYNCIO, "bare_boxes"),
            quick=size == 1024,
        ),
        name=f"push-pull/curve/{size}",
        title=f"PUSH to PULL under CURVE, tcp, {size_name(size)}",
        job=Job(size=size, curve=True),
    )
    for size in (16, 1024, 64 * 1024, 1024 * 1024)
)

# -------------------------------------------------------------------------- requests and replies

REQUESTS: Final = (
    Work(
        name="req-rep/one",
        title="REQ to REP, tcp, 16 B, one at a time",
        roles=("replier", "requester"),
        peers=tuple(p for p in _EVERYONE if p != MANY),
        measures=(ROUND_TRIPS,),
        apart=True,
        quick=True,
    ),
    Work(
        name="req-rep/100",
        title="REQ to REP, tcp, 16 B, 100 requests at once",
        roles=("replier", "requesters"),
        # pyomq's REP answers nobody any more once two REQs ask it at the same time.
        peers=(EACH, _BLOCKING, _ASYNCIO, _UVLOOP, "zmq_anyio_trio", "pynng_trio"),
        job=Job(concurrency=100),
        measures=(ROUND_TRIPS,),
    ),
    Work(
        name="dealer-router/100",
        title="ROUTER with 100 DEALERs of libzmq, tcp, 16 B echoed",
        roles=("router",),
        clients=(Part("libzmq_clients", "dealers"),),
        peers=(*_SERVERS, "zmq_anyio_trio"),
        job=Job(connections=100, concurrency=5),
        measures=(ROUND_TRIPS,),
    ),
)

SERVICES: Final = (
    Work(
        name="serve/100-clients",
        title="A service with 100 DEALERs of libzmq, tcp, 16 B echoed",
        roles=("service",),
        clients=(Part("libzmq_clients", "dealers"),),
        peers=_SERVERS,
        job=Job(connections=100, concurrency=5),
        measures=(ROUND_TRIPS,),
    ),
    Work(
        name="serve/100-requests",
        title="A service with one client that makes 100 requests at once, tcp, 16 B echoed",
        roles=("service", "requesters"),
        peers=_SERVERS,
        job=Job(concurrency=100),
        measures=(ROUND_TRIPS,),
        quick=True,
    ),
)

# ------------------------------------------------------------------------------- publishing

_PUBLISHED: Final = Job(size=34)
_ONE_TOPIC: Final = Job(size=34, one_topic=True)
_MANY_TOPICS: Final = Job(size=34, idle_subscriptions=10_000)


def _publish(
    subscribers: int, kind: str, clients: str, job: Job = _PUBLISHED, *, quick: bool = False
) -> Work:
    delivered = 0.01 if job.one_topic else 1.0
    who = "subscriber" if subscribers == 1 else "subscribers"
    whose = "of libzmq" if clients == "libzmq_clients" else "by hand"
    return Work(
        name=f"pub-sub/{kind}/{subscribers}",
        title=f"PUB to {subscribers} {who} {whose}, tcp, 34 B, {_KINDS[kind]}",
        roles=("publisher",),
        clients=(Part(clients, "subscribers"),),
        peers=(EACH, MANY, _BLOCKING),
        job=attrs.evolve(job, connections=subscribers),
        measures=(
            Measure("per_second", "deliveries/s", subscribers * delivered),
            Measure("per_second", "publishes/s"),
        ),
        quick=quick,
    )


_KINDS: Final = {
    "all": "all match",
    "hand": "all match",
    "one-topic": "1 in 100 matches each",
    "10000-topics": "10 000 other subscriptions each",
}

PUBLISHING: Final = (
    *(_publish(n, "all", "libzmq_clients", quick=n == 10) for n in (1, 10, 100)),
    *(_publish(n, "hand", "zmtp_by_hand") for n in (10, 100)),
    *(_publish(n, "one-topic", "libzmq_clients", _ONE_TOPIC) for n in (1, 10, 100)),
    *(_publish(n, "10000-topics", "libzmq_clients", _MANY_TOPICS) for n in (1, 10)),
)

# ------------------------------------------------------------------------------- growth

SUBSCRIPTIONS: Final = (10, 1_000, 100_000)
CONNECTIONS: Final = (10, 2_000, 10_000)


def _crowd_measures(connections: int) -> tuple[Measure, ...]:
    """A few connections say nothing about the memory of one."""
    rates = (ROUND_TRIPS, Measure("connects_per_second", "connections/s"))
    memory = Measure("bytes_per_connection", "KiB per connection", 1 / 1024, more_is_better=False)
    return (*rates, memory) if connections > 1000 else rates


GROWTH: Final = (
    *(
        Work(
            name=f"subscriptions/{number}",
            title=f"PUB to 1 subscriber by hand with {grouped(number)} subscriptions",
            roles=("publisher",),
            clients=(Part("zmtp_by_hand", "subscribers"),),
            peers=(EACH, _BLOCKING),
            job=attrs.evolve(_PUBLISHED, idle_subscriptions=number - 1),
            measures=(Measure("per_second", "publishes/s"),),
        )
        for number in SUBSCRIPTIONS
    ),
    *(
        Work(
            name=f"connections/{number}",
            title=f"ROUTER with {grouped(number)} connections, 8 of which talk",
            roles=("router",),
            clients=(Part("zmtp_by_hand", "crowd"),),
            peers=_SERVERS,
            job=Job(connections=number),
            measures=_crowd_measures(number),
        )
        for number in CONNECTIONS
    ),
)

CLOSING: Final = (
    Work(
        name="closing/5000",
        title="Close a ROUTER with 5 000 connections",
        roles=("closing",),
        clients=(Part("zmtp_by_hand", "clients"),),
        peers=(EACH, _BLOCKING),
        job=Job(connections=5_000),
        measures=(Measure("seconds_to_close", "ms", 1000, more_is_better=False),),
        rounds=2,
    ),
)

# ------------------------------------------------------------------------------- latency, start

_MILLISECONDS: Final = (
    Measure("p99", "ms, 99th percentile", 1000, more_is_better=False),
    Measure("p50", "ms, median", 1000, more_is_better=False),
    Measure("worst", "ms, worst", 1000, more_is_better=False),
)
_EACH_ONE: Final = (Measure("seconds_each", "ms", 1000, more_is_better=False),)

LATENCY: Final = (
    Work(
        name="latency/idle",
        title="A small request, nothing else going on",
        roles=("services",),
        clients=(Part("libzmq_clients", "pinger"),),
        peers=_SERVERS,
        measures=_MILLISECONDS,
        apart=True,
    ),
    Work(
        name="latency/loaded",
        title="A small request while messages of 64 MiB flow on another connection",
        roles=("services",),
        clients=(
            Part("libzmq_clients", "loader", endless=True),
            Part("libzmq_clients", "pinger"),
        ),
        peers=_SERVERS,
        measures=_MILLISECONDS,
        apart=True,
        rounds=2,
    ),
)

START: Final = (
    Work(
        name="start/socket",
        title="Open, bind and close a PULL socket",
        roles=("sockets",),
        peers=_SERVERS,
        measures=_EACH_ONE,
        transport="tcp://127.0.0.1:*",
        rounds=1,
    ),
    Work(
        name="start/import",
        title="Import the library in a fresh Python",
        roles=(),
        peers=(
            EACH,
            _BLOCKING,
            _ASYNCIO,
            "zmq_anyio_trio",
            "pynng_trio",
            "pyomq_blocking",
            "bare_trio",
        ),
        measures=_EACH_ONE,
        rounds=1,
        imports=True,
    ),
)

#: As the page shows them.
GROUPS: Final = (
    ONE_DIRECTION,
    SEALED,
    REQUESTS,
    SERVICES,
    PUBLISHING,
    GROWTH,
    CLOSING,
    LATENCY,
    START,
)
WORKS: Final = tuple(work for group in GROUPS for work in group)
