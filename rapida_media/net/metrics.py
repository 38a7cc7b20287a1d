"""What ``/metrics`` shows: the engine and its stores in the text format of Prometheus.

A sink of the journal counts calls as they end; all else is read when somebody asks. Nothing here
is done for a packet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from rapida_media.call.records import CallRecord
from rapida_media.net.engine import Engine
from rapida_media.net.stores import Stores
from rapida_media.net.ticker import LATENESS_BOUNDS_MS
from rapida_media.stats import Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SET_UP_BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 180.0)
DURATION_BOUNDS_S = (1.0, 5.0, 15.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, 14400.0)
JITTER_BOUNDS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16)
LOSS_BOUNDS = (0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
REFUSED = "refused_"

# What ended calls add up to: the name in the record's quality, the metric, its meaning.
_SUMS = (
    ("packets_received", "rtp_packets_received", "RTP packets received"),
    ("packets_sent", "rtp_packets_sent", "RTP packets sent"),
    ("packets_lost", "rtp_packets_lost", "RTP packets that never came"),
    ("late", "rtp_packets_late", "RTP packets that came too late to be played"),
    ("concealed_frames", "rtp_frames_concealed", "frames of 20 ms that were made up"),
    ("events_dropped", "agent_events_dropped", "events that agents were too slow for"),
    ("dropped_samples", "playout_samples_dropped", "samples written beyond the playout limit"),
    ("late_ticks", "playout_ticks_late", "frames that were sent late"),
    ("skipped_ticks", "playout_ticks_skipped", "frames that were too late to be sent"),
)


class Metrics:
    """All figures of one engine; a sink of its journal."""

    def __init__(self, engine: Engine, stores: Stores) -> None:
        self._engine = engine
        self._stores = stores
        self._ended: Counter[tuple[str, str, str]] = Counter()
        self._failed: Counter[tuple[str, str]] = Counter()
        self._sums: Counter[str] = Counter()
        self._set_up: dict[str, Histogram] = {}
        self._duration = Histogram(DURATION_BOUNDS_S)
        self._jitter = Histogram(JITTER_BOUNDS_S)
        self._loss = Histogram(LOSS_BOUNDS)
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        engine.journal.add_sink(self)

    def render(self) -> bytes:
        """Give everything as it is now, as CONTENT_TYPE."""
        return generate_latest(self._registry)

    # -- calls that end ------------------------------------------------------------------------

    def record_changed(self, record: CallRecord) -> None:
        """Count a call that has ended. Neither blocks nor raises."""
        if record.ended_at is None:
            return
        self._ended[record.provider, record.direction, record.state] += 1
        if record.failure_class is not None:
            self._failed[record.failure_class, record.reason or ""] += 1
        if record.answered_at is not None:
            set_up = self._set_up.setdefault(record.direction, Histogram(SET_UP_BOUNDS_S))
            set_up.add(max(0.0, record.answered_at - (record.initiated_at or record.created_at)))
            self._duration.add(max(0.0, record.ended_at - record.answered_at))
            self._count_quality(record.quality)

    def _count_quality(self, quality: Mapping[str, Any]) -> None:
        for name, _, _ in _SUMS:
            self._sums[name] += int(quality.get(name) or 0)
        if quality.get("packets_received"):
            self._jitter.add(float(quality.get("jitter_ms") or 0.0) / 1000)
            self._loss.add(float(quality.get("loss") or 0.0))

    # -- everything, when it is asked for ------------------------------------------------------

    def collect(self) -> Iterator[Metric]:
        """Give all metrics. For the registry."""
        yield from self._calls()
        yield from self._media()
        yield from self._signalling()
        yield from self._trunks()
        yield from self._bots()
        yield from self._storage()

    def _calls(self) -> Iterator[Metric]:
        live = Counter(
            (each.provider, each.direction) for each in self._engine.journal.live.values()
        )
        way = ("provider", "direction")
        yield _gauge("calls_active", "calls that have not ended", way, live.items())
        labels = (*way, "outcome")
        yield _counter("calls_ended", "calls that have ended", labels, self._ended.items())
        why = ("class", "reason")
        yield _counter("calls_failed", "calls whose end was a failure", why, self._failed.items())
        refused = [
            ((name.removeprefix(REFUSED),), count)
            for name, count in self._engine.counters.snapshot().items()
            if name.startswith(REFUSED)
        ]
        yield _counter("calls_refused", "calls that were not let in", ("why",), refused)
        set_up = [((direction,), each) for direction, each in self._set_up.items()]
        text = "from the INVITE or order to the answer"
        yield _histogram("call_set_up_seconds", text, ("direction",), set_up)
        text = "from the answer to the end"
        yield _histogram("call_duration_seconds", text, (), [((), self._duration)])

    def _media(self) -> Iterator[Metric]:
        for name, metric, text in _SUMS:
            of_calls = f"{text}, in calls that have ended"
            yield _counter(metric, of_calls, (), [((), self._sums[name])])
        text = "interarrival jitter (RFC 3550) at the end of each call"
        yield _histogram("rtp_jitter_seconds", text, (), [((), self._jitter)])
        text = "fraction of the packets that was lost in each call"
        yield _histogram("rtp_loss_ratio", text, (), [((), self._loss)])
        ports = self._engine.media.ports
        pool = [(("free",), ports.free), (("in_use",), ports.in_use)]
        yield _gauge("media_port_pairs", "RTP port pairs", ("state",), pool)
        ticker = self._engine.media.ticker
        late = Histogram([bound / 1000 for bound in LATENESS_BOUNDS_MS])
        late.counts, late.total = list(ticker.lateness), ticker.late_s
        text = "how late the media ticker was"
        yield _histogram("tick_lateness_seconds", text, (), [((), late)])

    def _signalling(self) -> Iterator[Metric]:
        figures = self._engine.figures()
        alive = [((name,), count) for name, count in figures.items() if name != "ports_in_use"]
        yield _gauge("alive", "what the engine holds now", ("what",), alive)
        counts = [
            ((name,), count)
            for name, count in self._engine.counters.snapshot().items()
            if not name.startswith(REFUSED)
        ]
        yield _counter("sip_events", "what happened in signalling", ("event",), counts)
        draining = [((), int(self._engine.draining))]
        yield _gauge("draining", "1 while no more calls are taken", (), draining)

    def _trunks(self) -> Iterator[Metric]:
        health = self._engine.trunk_health()
        for name, text in (
            ("registered", "1 while the carrier knows us"),
            ("reachable", "1 while the far end answers OPTIONS"),
            ("resolved", "1 while the host's address is known"),
        ):
            values = [((trunk,), int(each[name])) for trunk, each in health.items() if name in each]
            yield _gauge(f"trunk_{name}", text, ("trunk",), values)

    def _bots(self) -> Iterator[Metric]:
        bots = self._engine.bots.by_name.items()
        active = [((name,), each.active) for name, each in bots]
        yield _gauge("bot_connections_active", "connections to bots", ("bot",), active)
        events = [
            ((name, event), count)
            for name, each in bots
            for event, count in each.counters.snapshot().items()
        ]
        yield _counter("bot_events", "what happened with bots", ("bot", "event"), events)
        took = [((name,), each.connect_s) for name, each in bots]
        text = "from the request to the open socket"
        yield _histogram("bot_connect_seconds", text, ("bot",), took)

    def _storage(self) -> Iterator[Metric]:
        records, redis = self._stores.records, self._stores.redis
        up = [(("records",), int(records.problem is None))]
        latency = [(("records",), records.commit_s)]
        if redis is not None:
            up.append((("contexts",), int(redis.problem is None)))
            latency.append((("contexts",), redis.latency_s))
        yield _gauge("store_up", "1 while the store can be used", ("store",), up)
        yield _histogram("store_seconds", "duration of one operation", ("store",), latency)
        waiting = [((), records.waiting)]
        yield _gauge("records_waiting", "call records not committed yet", (), waiting)
        dropped = [((), records.dropped)]
        yield _counter("records_dropped", "call records lost to the queue's limit", (), dropped)


Labelled = Iterable[tuple[tuple[str, ...], float]]


def _gauge(name: str, text: str, labels: tuple[str, ...], values: Labelled) -> Metric:
    family = GaugeMetricFamily(f"rapida_{name}", text, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family


def _counter(name: str, text: str, labels: tuple[str, ...], values: Labelled) -> Metric:
    family = CounterMetricFamily(f"rapida_{name}", text, labels=labels)
    for label, value in values:
        family.add_metric(label, value)
    return family


def _histogram(
    name: str,
    text: str,
    labels: tuple[str, ...],
    values: Iterable[tuple[tuple[str, ...], Histogram]],
) -> Metric:
    family = HistogramMetricFamily(f"rapida_{name}", text, labels=labels)
    for label, histogram in values:
        buckets, below = [], 0
        for bound, count in zip((*histogram.bounds, "+Inf"), histogram.counts, strict=True):
            below += count
            buckets.append((str(bound), float(below)))
        family.add_metric(label, buckets, sum_value=histogram.total)
    return family
