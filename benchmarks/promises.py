"""What is promised, and which figure of which benchmark answers for it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Row(NamedTuple):
    """One line of the table: ``value`` in ``unit``; ``aim`` as ``("≥", 200_000)``, or None for what only stands beside."""

    work: str
    value: float
    unit: str
    aim: tuple[str, float] | None = None
    beside: str = ""

    @property
    def met(self) -> bool | None:
        if self.aim is None:
            return None
        sign, bound = self.aim
        return self.value >= bound if sign == "≥" else self.value <= bound


@dataclass(frozen=True)
class Benchmark:
    """A module of this folder, what it is told in a full and in a short run, and the rows that its figures give.

    ``public``: the folder below that of the public data which it reads, where it reads any.
    """

    module: str
    rows: Callable[[Any], list[Row]]
    full: Sequence[str] = ()
    short: Sequence[str] = ()
    public: str | None = None


PER_CPU = "messages per CPU-second"


def shell_rows(figures: list[dict[str, Any]]) -> list[Row]:
    rows = []
    for one in figures:
        rates, shares = one["messages_per_cpu_second"], one["share_of_plain"]
        for mode in shares:
            if one["work_us"]:
                work = f"agent shell, {mode}, envelopes of {one['envelope']}, {one['work_us']:g} µs of work a message"
                beside = f"{rates[mode]:,} against {rates['plain']:,} {PER_CPU}"
                rows.append(Row(work, shares[mode], "of a plain confluent-kafka loop", ("≥", 0.85), beside))
            else:
                aim = {64: 200_000, 15: 80_000}[one["envelope"]]
                beside = f"{shares[mode]:.2f} of a plain confluent-kafka loop ({rates['plain']:,}), which keeps no state"
                work = f"agent shell, {mode}, decode and forward, envelopes of {one['envelope']}"
                rows.append(Row(work, rates[mode], PER_CPU, ("≥", aim), beside))
    return rows


def peer_rows(figures: dict[str, Any]) -> list[Row]:
    forms = {"single": "one message a record, JSON", "envelopes": f"envelopes of {figures['envelope']}"}
    rows = []
    for name, rate in figures["messages_per_cpu_second"].items():
        system, _, form = name.rpartition(", ")
        times = figures["agent_shell_against"][name]
        beside = "" if system == "agent shell" else f"the agent shell (direct, envelopes) does {times:g} times that"
        rows.append(Row(f"{system}, {forms[form]}", rate, PER_CPU, None, beside))
    return rows


def gateway_rows(figures: dict[str, Any]) -> list[Row]:
    plain = figures["plain_producer_messages_per_cpu_second"]
    beside = (
        f"{figures['share_of_plain_producer']:.2f} of a loop that only packs and produces ({plain:,}); "
        f"a batch of {figures['batch']} is acknowledged in {figures['ack_ms_p50']:g} ms (p50), {figures['ack_ms_p99']:g} (p99)"
    )
    work = "gateway, NDJSON batches to acknowledged records"
    return [Row(work, figures["messages_per_cpu_second"], PER_CPU, ("≥", 20_000), beside)]


def store_rows(figures: dict[str, Any]) -> list[Row]:
    beside = f"{figures['sink_cpu_us_per_row']:g} µs of CPU a row in the sink, {figures['store_cpu_us_per_row']:g} in the store"
    return [Row("sink to the embedded store", figures["rows_per_second"], "rows per second", ("≥", 50_000), beside)]


def latency_rows(figures: dict[str, Any]) -> list[Row]:
    busy = sum(figures["cores_used"].values())
    lost = figures["rows_missing"]
    load = f"{figures['rows']:,} rows of {figures['rooms']} rooms"
    work = f"gateway to queryable row at {figures['messages_per_second']:,} messages/s"
    alerts = f"{figures['alerts']} alerts of {figures['rises']} rises"
    return [
        Row("rows missing, or too many, under that load", abs(lost), "rows", ("≤", 0)),
        Row(f"{work}, p50", figures["row_p50_ms"] / 1000, "s", ("≤", 1.0), load),
        Row(f"{work}, p99", figures["row_p99_ms"] / 1000, "s", ("≤", 2.5), f"the whole stack burns {busy:.2f} cores meanwhile"),
        Row("rises of complaints without an alert, under that load", figures["rises_missed"], "rises", ("≤", 0), alerts),
        Row("evidence complete to alert at the webhook, p50", figures["alert_p50_ms"] / 1000, "s", None, "under that load"),
        Row("evidence complete to alert at the webhook, p99", figures["alert_p99_ms"] / 1000, "s", ("≤", 2.0), alerts),
    ]


def kill_rows(figures: list[dict[str, Any]]) -> list[Row]:
    rows = []
    for what, bound in (("restarted", 4.0), ("taken over", 8.0)):
        waits = [one["silence_s"] for one in figures if one["what"] == what]
        beside = f"the worst partition of the worst of {len(waits)} rounds; median {statistics.median(waits):.1f} s"
        work = f"kill -9 of a worker with one agent to its next output, {what}{'' if what == 'restarted' else ' by another'}"
        rows.append(Row(work, max(waits), "s", ("≤", bound), beside))
    return rows


def recovery_rows(figures: dict[str, dict[str, dict[str, float]]]) -> list[Row]:
    rows = []
    for what, bound in (("restarted", 4.0), ("taken over", 8.0)):
        for topic, found in figures[what].items():
            by = "by the supervisor" if what == "restarted" else "by another worker"
            work = f"kill -9 of the whole stack's worker to the next record of `{topic}`, {what} {by}"
            rows.append(
                Row(work, found["worst_s"], "s", ("≤", bound), f"the worst partition and round; median {found['median_s']:g} s")
            )
    return rows


def up_rows(figures: dict[str, Any]) -> list[Row]:
    again = figures["again_s"] or [figures["first_s"]]
    biggest = sorted(figures["memory_mb"].items(), key=lambda item: -item[1])[:3]
    held = ", ".join(f"{name} {size} MB" for name, size in biggest)
    return [
        Row("`livetide up` to ready, on an empty folder", figures["first_s"], "s", ("≤", 15.0), "makes the topics and tables"),
        Row("`livetide up` to ready, again", max(again), "s", ("≤", 15.0), f"the slowest of {len(again)}"),
        Row("whole stack at rest, memory", figures["memory_gb"], "GB", ("≤", 3.0), held),
        Row("whole stack at rest, CPU", figures["cores_at_rest"], "cores"),
    ]


def comprehension_rows(figures: list[dict[str, Any]]) -> list[Row]:
    rows = []
    for one in figures:
        rates = one["messages_per_cpu_second"]
        others = ", ".join(f"{form}: {rate:,}" for form, rate in list(rates.items())[1:])
        beside = f"{others}; {one['messages']:,} messages, {one['distinct']:,} distinct"
        form, rate = next(iter(rates.items()))
        rows.append(Row(f"comprehension, all stages, {one['recording']}, {form}", rate, PER_CPU, ("≥", 25_000), beside))
    return rows


def faq_rows(figures: dict[str, Any]) -> list[Row]:
    rows = []
    plain = {(one["rows_are"], one["rows"]): one for one in figures["searches"] if one["kind"] == "numpy"}
    for one in figures["searches"]:
        if one["kind"] == "numpy":
            continue
        brute = plain[one["rows_are"], one["rows"]]
        work = f"FAQ look-up, top {figures['most']} of {one['rows']:,} × 768, {one['rows_are']}, {one['kind']}"
        times = brute["p50_ms"] / one["p50_ms"]
        beside = f"{times:.3g} times as fast as numpy's {brute['p50_ms']:g} ms (p50 both); built in {one['build_s']:g} s"
        if not one["used"]:
            rows.append(Row(f"{work}, p99", one["p99_ms"], "ms", None, f"recall {one['recall']:g}; {beside}"))
            continue
        cpu = f"of it CPU time: {one['cpu_p99_ms']:g} ms; {beside}"
        rows.append(Row(f"{work}, p99", one["p99_ms"], "ms", ("≤", 3.0), cpu))
        rows.append(Row(f"{work}, recall", one["recall"], "of exact search", ("≥", 0.98)))
    return rows


UNDERSTOOD = {
    "intent, blind lines": 0.80, "sentiment, blind lines": 0.80, "unseen families, another wording first, semantic": 0.50,
    "unseen wordings to the right one of 304 families, semantic": 0.80, "LCQMC dev, static": 0.87, "LCQMC dev, semantic": 0.88,
    "BQ dev, static": 0.28, "the same, against TF-IDF leader clustering": 1.5,
    "sentiment trained on open reviews, their dev part": 0.945,
}  # fmt: skip
"""How well chat shall be understood, at least."""


def understanding_rows(figures: list[dict[str, Any]]) -> list[Row]:
    rows = []
    for one in figures:
        aim = UNDERSTOOD.get(one["what"])
        between = f"{one['low']:.3f} to {one['high']:.3f}, n {one['n']:,}" if "low" in one else f"n {one['n']:,}"
        beside = "; ".join(filter(None, (between, one.get("beside"))))
        rows.append(Row(one["what"], one["value"], one["figure"], ("≥", aim) if aim else None, beside))
    return rows


BENCHMARKS: dict[str, Benchmark] = {
    "shell": Benchmark(
        "shell", shell_rows, short=("--messages", "200000", "--working-messages", "50000", "--rounds", "1"),
    ),
    "peers": Benchmark("peers", peer_rows, short=("--messages", "100000", "--seconds", "5")),
    "comprehension": Benchmark("comprehension", comprehension_rows, public="danmaku/twitch_zh"),
    "understanding": Benchmark("understanding", understanding_rows, public=""),
    "faq": Benchmark("faq", faq_rows, short=("--rows", "3000", "20000", "--questions", "100")),
    "gateway": Benchmark("gateway", gateway_rows),
    "store": Benchmark("store", store_rows, short=("150000",)),
    "latency": Benchmark("latency", latency_rows, short=("--seconds", "12", "--rises", "8", "--warm", "3")),
    "worker_kill": Benchmark("worker_kill", kill_rows, short=("--rounds", "1")),
    "recovery": Benchmark("recovery", recovery_rows, short=("--rounds", "1")),
    "up": Benchmark("up", up_rows, short=("--rounds", "2", "--rest", "10")),
}  # fmt: skip
