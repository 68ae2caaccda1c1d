"""Every metric of the product in one table, and the meter that the processes count with.

``docs/reference/metrics.md`` is made from :data:`METRICS`. A name that is not in the table is a programming error
(``KeyError``), and a name that nothing counts fails a test.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metric(NamedTuple):
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


METRICS: dict[str, Metric] = {
    # gateway
    "gateway_events": Metric(
        "counter", "Events by kind and fate (accepted, duplicate, rejected, shed, failed).", ("kind", "fate")
    ),
    "gateway_requests": Metric("counter", "Requests by status code.", ("status",)),
    "gateway_skewed": Metric("counter", "Events whose time-stamp was minutes wrong and was corrected.", ("source",)),
    "gateway_ack_seconds": Metric("histogram", "From taking a request to Kafka's acknowledgement."),
    "gateway_backlog": Metric("gauge", "Records that wait for Kafka's acknowledgement."),
    # agents
    "agent_records": Metric("counter", "Records by agent and fate (processed, repeated, dead).", ("agent", "fate")),
    "agent_outputs": Metric("counter", "Records written by an agent.", ("agent", "topic")),
    "agent_checkpoint_bytes": Metric("gauge", "Size of the newest checkpoint.", ("agent", "partition")),
    "agent_checkpoint_seconds": Metric("histogram", "From snapshot to commit.", ("agent",)),
    "agent_lag": Metric("gauge", "Records not yet processed.", ("agent", "topic", "partition")),
    "agent_state": Metric(
        "gauge",
        "What an agent tells of its state: dedupe_horizon_seconds (how far back repeats are known for certain; 600 unless a "
        "limit is reached), sheets, sheets_forgotten, entries and entries_forgotten (there were too many), "
        "refused and late (records of an absurd time, or too old to count, in the rooms that are held).",
        ("agent", "partition", "what"),
    ),
    # sink
    "sink_rows": Metric("counter", "Rows written, by table.", ("table",)),
    "sink_repeats": Metric("counter", "Records that had been written before.", ("topic",)),
    "sink_insert_seconds": Metric("histogram", "One insert.", ("table",)),
    "sink_lag": Metric("gauge", "Records not yet in the store.", ("topic", "partition")),
    # clipper, host, delivery
    "clips": Metric("counter", "Clips by result (ready, failed).", ("status",)),
    "clip_seconds": Metric("histogram", "From final highlight to checked file."),
    "host_utterances": Metric("counter", "Utterances by result (spoken, skipped, failed).", ("type",)),
    "host_first_sound_seconds": Metric("histogram", "From command to first sample."),
    "delivery_sent": Metric("counter", "Alert deliveries by channel and result.", ("channel", "result")),
    "delivery_delay_seconds": Metric("histogram", "From the evidence's ingest to the channel's answer.", ("channel",)),
    # all
    "records_lost": Metric("counter", "Records that retention removed before they were read.", ("topic",)),
    "deadletters": Metric("counter", "Dead letters written, by stage.", ("stage",)),
    "restarts": Metric("counter", "Restarts by the supervisor.", ("process",)),
}


class PrometheusMeter:
    """A meter that Prometheus can scrape; satisfies ``streams.records.Meter``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        types = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
        self._metrics: dict[str, Counter | Gauge | Histogram] = {
            name: types[metric.kind](f"livetide_{name}", metric.help, metric.labels, registry=self.registry)
            for name, metric in METRICS.items()
        }

    def _child(self, name: str, labels: dict[str, str]) -> Counter | Gauge | Histogram:
        metric = self._metrics[name]
        return metric.labels(**labels) if labels else metric

    def count(self, name: str, amount: float = 1, /, **labels: str) -> None:
        child = self._child(name, labels)
        assert isinstance(child, Counter), f"{name} is no counter"
        child.inc(amount)

    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        child = self._child(name, labels)
        assert isinstance(child, Gauge), f"{name} is no gauge"
        if math.isnan(value) and labels:
            self._metrics[name].remove(*(labels[label] for label in METRICS[name].labels))
        else:
            child.set(value)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        child = self._child(name, labels)
        assert isinstance(child, Histogram), f"{name} is no histogram"
        child.observe(value)

    def text(self) -> bytes:
        """The scrape."""
        return generate_latest(self.registry)
