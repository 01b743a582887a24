"""Figures for metrics systems, read by their own libraries."""

from __future__ import annotations

import prometheus_client
import pytest
import trio
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint
from prometheus_client.parser import text_string_to_metric_families

import trio_mq.opentelemetry
import trio_mq.prometheus
from trio_mq import Context, Pub, Pull, Push
from trio_mq._metrics import Figures, Source

# -- Prometheus --


def scraped(registry: prometheus_client.CollectorRegistry) -> dict[tuple[str, ...], float]:
    """Read the text that Prometheus would, as name and labels, and value."""
    text = prometheus_client.generate_latest(registry).decode()
    return {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.mark.parametrize("thread", [False, True], ids=["here", "in another thread"])
async def test_prometheus_reads_every_figure(*, thread: bool) -> None:
    """In the thread of its server, too."""
    registry = prometheus_client.CollectorRegistry()
    context = Context()
    registry.register(trio_mq.prometheus.Collector(context))
    async with (
        Pull(bind="inproc://work", context=context) as pull,
        Push(connect="inproc://work", context=context) as push,
        Pub(bind="inproc://news", context=context) as pub,
    ):
        for _ in range(3):
            await push.send(b"four")
        await pull.receive()
        await pub.send(b"for nobody")
        if thread:
            figures = await trio.to_thread.run_sync(scraped, registry)
        else:
            figures = scraped(registry)
        pull.peers[0].disconnect("tired")
        later = scraped(registry)
    work = "inproc://work"
    assert figures["trio_mq_peers", f"Pull {work}"] == 1
    assert figures["trio_mq_messages_total", "in", f"Pull {work}"] == 3
    assert figures["trio_mq_bytes_total", "out", f"Push {work}"] == 12
    assert figures["trio_mq_waiting_messages", "in", f"Pull {work}"] == 2
    assert 1 <= figures["trio_mq_peak_waiting_messages", "in", f"Pull {work}"] <= 3
    assert figures["trio_mq_reconnects_total", f"Push {work}"] == 0
    dropped = ("trio_mq_dropped_messages_total", "out", "no_peer", "Pub inproc://news")
    assert figures[dropped] == 1
    assert later["trio_mq_disconnects_total", "tired", f"Pull {work}"] == 1


def test_prometheus_gets_nothing_when_the_run_is_over() -> None:
    """Its server lives longer than the sockets."""
    registry = prometheus_client.CollectorRegistry()

    async def main() -> None:
        registry.register(trio_mq.prometheus.Collector())

    trio.run(main)
    assert scraped(registry) == {}
    with pytest.raises(RuntimeError):
        trio_mq.prometheus.Collector()


async def test_sockets_of_one_name_are_added_up() -> None:
    """Prometheus would refuse two samples with the same labels."""
    context = Context()
    async with Push(context=context, linger=0) as one, Push(context=context, linger=0) as two:
        for push in (one, two):
            await push.connect("inproc://nobody")
            await push.send(b"x")
        (figures,) = Source(context).figures()
    assert (figures.name, figures.total("waiting_to_send")) == ("Push inproc://nobody", 2)


async def test_reasons_are_bounded() -> None:
    """A program may give any word to `Peer.disconnect`."""
    async with Pull() as pull:
        statistics = pull.statistics()
        object.__setattr__(statistics, "disconnects", {f"reason {n}": 1 for n in range(1000)})
    figures = Figures(name="Pull", endpoint="", peers=0, statistics=(statistics,))
    counts = figures.by_reason("disconnects")
    assert len(counts) == 101
    assert counts["other"] == 900


# -- OpenTelemetry --


def read(reader: InMemoryMetricReader) -> dict[str, list[tuple[dict[str, object], float]]]:
    """Return what the reader has collected: by name, attributes and values."""
    data = reader.get_metrics_data()
    return {
        metric.name: [
            (dict(point.attributes or {}), point.value)
            for point in metric.data.data_points
            if isinstance(point, NumberDataPoint)
        ]
        for resource in (data.resource_metrics if data else [])
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


@pytest.mark.parametrize("thread", [False, True], ids=["here", "in another thread"])
async def test_opentelemetry_reads_by_the_conventions(*, thread: bool) -> None:
    """The names of messaging, and ours for what these lack."""
    reader, context = InMemoryMetricReader(), Context()
    provider = MeterProvider([reader])
    trio_mq.opentelemetry.instrument(provider, context=context)
    async with Pull(context=context) as pull, Push(context=context) as push:
        endpoint = await pull.bind("tcp://127.0.0.1:*")
        await push.connect(endpoint, wait=True)
        await push.send(b"1")
        await push.send(b"2")
        await push.drain()
        await pull.receive()
        await pull.receive()
        if thread:
            figures = await trio.to_thread.run_sync(read, reader)
        else:
            figures = read(reader)
    provider.shutdown()
    sent = dict_of(figures["messaging.client.sent.messages"], "Push")
    assert sent[0] == 2
    assert sent[1] == {
        "messaging.system": "zeromq",
        "messaging.operation.name": "send",
        "messaging.destination.name": endpoint,
        "server.address": "127.0.0.1",
        "server.port": int(endpoint.rpartition(":")[2]),
        "trio_mq.socket": f"Push {endpoint}",
    }
    assert dict_of(figures["messaging.client.consumed.messages"], "Pull")[0] == 2
    assert dict_of(figures["trio_mq.peers"], "Pull")[0] == 1
    assert {name for name in figures if name.startswith("trio_mq.")} == {
        "trio_mq.peers",
        "trio_mq.waiting.messages",
    }


def dict_of(
    points: list[tuple[dict[str, object], float]], kind: str
) -> tuple[float, dict[str, object]]:
    """Return the only point of a type of socket."""
    (found,) = [
        (value, attributes)
        for attributes, value in points
        if str(attributes["trio_mq.socket"]).startswith(kind)
    ]
    return found


async def test_opentelemetry_has_a_reason_for_each_drop() -> None:
    """As an error type."""
    reader, context = InMemoryMetricReader(), Context()
    provider = MeterProvider([reader])
    trio_mq.opentelemetry.instrument(provider, context=context)
    async with Pub(bind="ipc://@trio-mq-otel", context=context) as pub:
        await pub.send(b"for nobody")
        figures = read(reader)
    provider.shutdown()
    ((attributes, value),) = figures["trio_mq.dropped.messages"]
    assert (value, attributes["error.type"]) == (1, "no_peer")
    assert attributes["server.address"] == "@trio-mq-otel"
