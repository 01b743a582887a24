"""Figures and traces in the words of OpenTelemetry; `trio_mq.opentelemetry` is the way in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, TypeAlias

import trio
from opentelemetry import metrics, propagate
from opentelemetry.context import Context as TraceContext
from opentelemetry.metrics import CallbackOptions, Observation

from trio_mq._context import Context
from trio_mq._message import Message, Sendable, to_frames
from trio_mq._metrics import Figures, Source
from trio_mq._sockets.requests import Answer, Handler, Request
from trio_mq._sockets.socket import Socket

#: The names of the conventions: they have changed before, so they all stand here.
_SENT: Final = "messaging.client.sent.messages"
_CONSUMED: Final = "messaging.client.consumed.messages"
_OPERATION_DURATION: Final = "messaging.client.operation.duration"
_PROCESS_DURATION: Final = "messaging.process.duration"
_SYSTEM: Final = "messaging.system"
_OPERATION: Final = "messaging.operation.name"
_DESTINATION: Final = "messaging.destination.name"
_ADDRESS: Final = "server.address"
_PORT: Final = "server.port"
_ERROR: Final = "error.type"

_Attributes: TypeAlias = Mapping[str, str | int]

#: The bounds of the buckets that the conventions ask for, in seconds.
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)

#: What the frame with the trace begins with. No other frame begins so by accident.
_MARK: Final = b"\x00otel\x00"
#: A longer frame is not a trace context, whatever it begins with.
_LONGEST: Final = 8192


def instrument(
    provider: metrics.MeterProvider | None = None, *, context: Context | None = None
) -> None:
    """Report the figures of all sockets of a context from now on; call it inside the trio run.

    Messages that were sent and consumed are counted under the names of the conventions, with the
    endpoint as the destination; peers, queues and drops under ``trio_mq.…``, since the conventions
    have none for them. The reader may ask from any thread; when the run is over it gets nothing.

    Args:
        provider: Makes the meter; ``None``: the global one.
        context: Whose sockets; ``None``: those of the default context of this trio run.

    Raises:
        RuntimeError: It is not called inside a trio run.
    """
    meter = metrics.get_meter("trio_mq", meter_provider=provider)
    source = Source(context)
    meter.create_observable_counter(
        _SENT,
        [_observing(source, lambda figures: [(figures.total("written"), _about(figures, "send"))])],
        unit="{message}",
        description="Messages of which the kernel has taken the last byte.",
    )
    meter.create_observable_counter(
        _CONSUMED,
        [
            _observing(
                source, lambda figures: [(figures.total("delivered"), _about(figures, "receive"))]
            )
        ],
        unit="{message}",
        description="Messages that the program has received.",
    )
    meter.create_observable_counter(
        "trio_mq.dropped.messages",
        [_observing(source, _drops)],
        unit="{message}",
        description="Messages that went no further, by reason.",
    )
    meter.create_observable_gauge(
        "trio_mq.waiting.messages",
        [_observing(source, _queues)],
        unit="{message}",
        description="Messages that wait to be written, or to be received.",
    )
    meter.create_observable_gauge(
        "trio_mq.peers",
        [_observing(source, lambda figures: [(figures.peers, _about(figures))])],
        unit="{peer}",
        description="Peers that are there.",
    )


def _observing(
    source: Source, observe: Callable[[Figures], Iterable[tuple[int, _Attributes]]]
) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def call(_: CallbackOptions) -> Iterator[Observation]:
        for figures in source.figures():
            for value, attributes in observe(figures):
                yield Observation(value, attributes)

    return call


def _about(figures: Figures, operation: str = "") -> dict[str, str | int]:
    """Return the attributes of a socket's figures."""
    attributes = _at(figures.endpoint)
    attributes["trio_mq.socket"] = figures.name
    if operation:
        attributes[_OPERATION] = operation
    return attributes


def _at(endpoint: str) -> dict[str, str | int]:
    """Return the attributes of a place; of none, if it is empty."""
    attributes: dict[str, str | int] = {_SYSTEM: "zeromq"}
    if endpoint:
        attributes[_DESTINATION] = endpoint
        place = endpoint.rpartition("://")[2]
        host, _, port = place.rpartition(":")
        if host and port.isdecimal():
            attributes[_ADDRESS] = host.strip("[]")
            attributes[_PORT] = int(port)
        elif place:
            attributes[_ADDRESS] = place
    return attributes


def _drops(figures: Figures) -> Iterator[tuple[int, _Attributes]]:
    for operation, field in (("send", "dropped_outgoing"), ("receive", "dropped_incoming")):
        for reason, count in figures.by_reason(field).items():
            yield count, {**_about(figures, operation), _ERROR: reason}


def _queues(figures: Figures) -> Iterator[tuple[int, _Attributes]]:
    yield figures.total("waiting_to_send"), _about(figures, "send")
    yield figures.total("waiting_to_receive"), _about(figures, "receive")


# -- how long it takes, for those who ask --


class Durations:
    """Records how long calls and handlers take, where you say so: elsewhere it costs nothing.

    Make one, and use it wherever you want to know::

        durations = trio_mq.opentelemetry.Durations()
        with durations.operation(req, "request"):
            reply = await req.request(b"question")

    For a service there is `handler`. Times are those of trio's clock, in seconds. What ends with an
    exception, or is cancelled, is recorded with its name as ``error.type``.

    Args:
        provider: Makes the meter; ``None``: the global one.
    """

    def __init__(self, provider: metrics.MeterProvider | None = None) -> None:
        meter = metrics.get_meter("trio_mq", meter_provider=provider)
        self._operation = meter.create_histogram(
            _OPERATION_DURATION,
            unit="s",
            description="Seconds that a call takes.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )
        self._process = meter.create_histogram(
            _PROCESS_DURATION,
            unit="s",
            description="Seconds that a service works on a request.",
            explicit_bucket_boundaries_advisory=_BUCKETS,
        )

    @contextmanager
    def operation(self, socket: Socket, name: str) -> Iterator[None]:
        """Record the time that a block takes as ``messaging.client.operation.duration``.

        Args:
            socket: Its first endpoint is the destination.
            name: What the block does, such as ``"request"`` or ``"send"``.
        """
        endpoint = next((status.endpoint for status in socket.endpoints), "")
        with _recording(self._operation, {**_at(endpoint), _OPERATION: name}):
            yield

    def handler(self, function: Handler) -> Handler:
        """Return a handler for ``serve`` whose times are ``messaging.process.duration``.

        Args:
            function: The handler itself, async or plain.
        """

        async def timed(request: Request) -> Answer:
            attributes = {**_at(request.peer.endpoint), _OPERATION: "process"}
            with _recording(self._process, attributes):
                reply = function(request)
                return await reply if isinstance(reply, Awaitable) else reply

        return timed


@contextmanager
def _recording(histogram: metrics.Histogram, attributes: dict[str, str | int]) -> Iterator[None]:
    began = trio.current_time()
    try:
        yield
    except BaseException as error:
        attributes[_ERROR] = type(error).__qualname__
        raise
    finally:
        histogram.record(trio.current_time() - began, attributes)


# -- trace context, for those who ask --


def with_trace(message: Sendable, context: TraceContext | None = None) -> Sequence[bytes]:
    """Return the frames of a message, and one more with the trace in which it is sent.

    The frame comes last, so that topics and envelopes stay where they are.

    Args:
        message: As for ``send``.
        context: The trace; ``None``: the current one. Without any, nothing is added.
    """
    frames = tuple(bytes(frame) for frame in to_frames(message))
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context)
    if not carrier:
        return frames
    lines = "\n".join(f"{key}: {value}" for key, value in carrier.items())
    return (*frames, _MARK + lines.encode("utf-8"))


def without_trace(message: Message | Sequence[bytes]) -> tuple[Sequence[bytes], TraceContext]:
    """Return the frames of a message without the one that `with_trace` added, and the trace.

    A message that has none is returned as it is, with an empty trace, so senders can be converted
    one at a time. If you receive from strangers, don't believe the traces that they send.

    Args:
        message: As received.
    """
    frames = tuple(bytes(frame) for frame in message)
    last = frames[-1] if frames else b""
    if not last.startswith(_MARK) or len(last) > _LONGEST:
        return frames, TraceContext()
    text = last.removeprefix(_MARK).decode("utf-8", "replace")
    pairs = (line.partition(": ") for line in text.split("\n"))
    carrier = {key: value for key, _, value in pairs if key}
    return frames[:-1], propagate.extract(carrier, TraceContext())
