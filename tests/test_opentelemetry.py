"""Traces go along with messages only where both ends want that."""

from __future__ import annotations

import pytest
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import TracerProvider

from trio_mq import Pull, Push
from trio_mq.opentelemetry import with_trace, without_trace


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
