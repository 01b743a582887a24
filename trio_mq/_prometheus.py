"""Figures of sockets in the words of Prometheus; `trio_mq.prometheus` is the way in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as _Collector

from trio_mq._context import Context
from trio_mq._metrics import Figures, Source

#: Counters with a direction: their name and text, and the figure for each direction.
_TRAFFIC: Final = (
    ("messages", "Messages written to peers, and received from them.", "written", "decoded"),
    ("bytes", "Payload bytes of these.", "written_bytes", "decoded_bytes"),
)
#: Gauges with a direction.
_QUEUES: Final = (
    ("waiting_messages", "Messages that wait.", "waiting_to_send", "waiting_to_receive"),
    ("waiting_bytes", "Their bytes.", "waiting_to_send_bytes", "waiting_to_receive_bytes"),
    ("waiting_tasks", "Tasks that wait in a call.", "tasks_waiting_send", "tasks_waiting_receive"),
)
#: Counters by reason.
_REASONS: Final = (
    ("handshake_failures", "Connections that did not survive their handshake."),
    ("disconnects", "Connections with peers that ended."),
)
_Each: TypeAlias = list[Figures]


class Collector(_Collector):
    """Collects the figures of all sockets of a context; make it inside the trio run.

    It may be asked from any thread, and has nothing to say when the run is over.

    Args:
        context: Whose sockets; ``None``: those of the default context of this trio run.

    Raises:
        RuntimeError: It is not made inside a trio run.
    """

    def __init__(self, context: Context | None = None) -> None:
        self._source = Source(context)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment; the registry calls it."""
        each = self._source.figures()
        peers = _gauge("peers", "Peers that are there.")
        for figures in each:
            peers.add_metric([figures.name], figures.peers)
        yield peers
        yield from _traffic(each)
        yield from _queues(each)
        yield from _reasons(each)


def _traffic(each: _Each) -> Iterator[Metric]:
    for name, text, out, into in _TRAFFIC:
        counter = _counter(name, text, "direction")
        for figures in each:
            counter.add_metric([figures.name, "out"], figures.total(out))
            counter.add_metric([figures.name, "in"], figures.total(into))
        yield counter
    reconnects = _counter("reconnects", "Connections that followed a lost one.")
    for figures in each:
        reconnects.add_metric([figures.name], figures.total("reconnects"))
    yield reconnects


def _queues(each: _Each) -> Iterator[Metric]:
    for name, text, out, into in _QUEUES:
        gauge = _gauge(name, text, "direction")
        for figures in each:
            gauge.add_metric([figures.name, "out"], figures.total(out))
            gauge.add_metric([figures.name, "in"], figures.total(into))
        yield gauge
    peak = _gauge("peak_waiting_messages", "The longest queue of one peer so far.", "direction")
    for figures in each:
        peak.add_metric([figures.name, "out"], figures.highest("peak_waiting_to_send"))
        peak.add_metric([figures.name, "in"], figures.highest("peak_waiting_to_receive"))
    yield peak


def _reasons(each: _Each) -> Iterator[Metric]:
    dropped = _counter("dropped_messages", "Messages that went no further.", "direction", "reason")
    for figures in each:
        for direction, field in (("out", "dropped_outgoing"), ("in", "dropped_incoming")):
            for reason, count in figures.by_reason(field).items():
                dropped.add_metric([figures.name, direction, reason], count)
    yield dropped
    for name, text in _REASONS:
        counter = _counter(name, text, "reason")
        for figures in each:
            for reason, count in figures.by_reason(name).items():
                counter.add_metric([figures.name, reason], count)
        yield counter


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"trio_mq_{name}", text, labels=["socket", *labels])


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"trio_mq_{name}", text, labels=["socket", *labels])
