"""Traces go along with messages only where both ends want that, and durations are recorded."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from opentelemetry import propagate, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from trio_mq import Pull, Push, Rep, Req, Request
from trio_mq.opentelemetry import Durations, with_trace, without_trace


async def test_a_trace_goes_along_and_is_taken_off_again() -> None:
    """The receiver's span has the sender's as its parent."""
    tracer = TracerProvider().get_tracer("test")
    async with Pull(bind="inproc://traced") as pull, Push(connect="inproc://traced") as push:
        with tracer.start_as_current_span("send") as span:
            await push.send(with_trace([b"topic", b"body"]))
        message = await pull.receive()
    assert len(message) == 3
    frames, context = without_trace(message)
    assert frames == (b"topic", b"body")
    there = trace.get_current_span(context).get_span_context()
    assert there.trace_id == span.get_span_context().trace_id
    assert there.is_remote


def test_without_a_trace_nothing_is_added() -> None:
    """A program that is not traced sends what it always sent."""
    assert with_trace(b"body") == (b"body",)
    assert without_trace([b"body"])[0] == (b"body",)


@pytest.mark.parametrize(
    "last", [b"", b"\x00otel\x00", b"\x00otel\x00\xff\xfe", b"\x00otel\x00traceparent: nonsense"]
)
def test_nonsense_is_no_trace(last: bytes) -> None:
    """Whatever a peer puts there, the other frames are as they were."""
    frames, context = without_trace([b"body", last])
    assert frames[0] == b"body"
    assert not trace.get_current_span(context).get_span_context().is_valid


def test_a_frame_that_is_too_long_is_a_frame() -> None:
    """It is the program's own."""
    last = b"\x00otel\x00" + bytes(10_000)
    assert without_trace([last])[0] == (last,)


def test_the_format_is_that_of_the_propagator() -> None:
    """Set for the whole program, as elsewhere."""
    fields = propagate.get_global_textmap().fields
    assert "traceparent" in fields


def recorded(reader: InMemoryMetricReader) -> list[tuple[str, str, str, int, float]]:
    """Return name, operation, error, count and seconds of each histogram that was recorded."""
    data = reader.get_metrics_data()
    assert data is not None
    found: list[tuple[str, str, str, int, float]] = []
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    assert isinstance(point, HistogramDataPoint)
                    about = dict(point.attributes or {})
                    assert about["messaging.system"] == "zeromq"
                    assert about["messaging.destination.name"] == "inproc://timed"
                    operation = str(about["messaging.operation.name"])
                    error = str(about.get("error.type", ""))
                    found.append((metric.name, operation, error, point.count, round(point.sum, 6)))
    return sorted(found)


async def test_durations_of_calls_and_of_handlers(autojump_clock: trio.testing.MockClock) -> None:
    """An async handler, a plain one, and one that fails; and the call that was cancelled for it."""

    async def answer(request: Request) -> bytes:
        await trio.sleep(2)
        if request.message == b"bad":
            raise LookupError
        return b"answer"

    async def serve(rep: Rep) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rep.serve, durations.handler(answer))
            await trio.sleep(50)
            nursery.cancel_scope.cancel()
        await rep.serve(durations.handler(lambda _: b"at once"))

    assert autojump_clock.autojump_threshold == 0
    reader = InMemoryMetricReader()
    durations = Durations(MeterProvider([reader]))
    async with (
        Rep(bind="inproc://timed") as rep,
        Req(connect="inproc://timed") as req,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(serve, rep)
        with durations.operation(req, "request"):
            assert await req.request(b"good") == b"answer"
        with trio.move_on_after(10), durations.operation(req, "request"):
            await req.request(b"bad")
        await trio.sleep(60)
        assert await req.request(b"good") == b"at once"
        nursery.cancel_scope.cancel()
    call, work = "messaging.client.operation.duration", "messaging.process.duration"
    assert recorded(reader) == [
        (call, "request", "", 1, 2.0),
        (call, "request", "Cancelled", 1, 10.0),
        (work, "process", "", 2, 2.0),
        (work, "process", "LookupError", 1, 2.0),
    ]
