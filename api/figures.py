"""Figures for Prometheus: the doors' own, and the engine's read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from engine.motor import Motor

BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class EngineCollector(Collector):
    """Reads an engine's counters."""

    def __init__(self, motor: Motor) -> None:
        self._motor = motor

    def collect(self) -> Iterator[Metric]:
        """One family a counter of the engine."""
        figures = self._motor.figures
        for name, label, help_, counts in (
            ("balise_pings", "status", "Pings by what became of them.", figures.pings),
            ("balise_transitions", "kind", "Transitions by kind.", figures.transitions),
            ("balise_sends", "campaign", "Decisions to send, by campaign.", figures.sent),
            ("balise_held", "reason", "Decisions not to send, by reason.", figures.held),
            ("balise_deliveries", "state", "Delivery outcomes, by state.", figures.outcomes),
        ):
            family = CounterMetricFamily(name, help_, labels=[label])
            for value, count in sorted(counts.items()):
                family.add_metric([str(value)], count)
            yield family
        latency = figures.match_latency()
        match = GaugeMetricFamily(
            "balise_match_seconds", "Matching and deciding one batch.", labels=["quantile"]
        )
        match.add_metric(["0.5"], latency.p50_us / 1e6)
        match.add_metric(["0.99"], latency.p99_us / 1e6)
        yield match
        yield CounterMetricFamily(
            "balise_logged_bytes", "Bytes given to the log.", value=figures.logged_bytes
        )
        yield GaugeMetricFamily(
            "balise_visitors", "Visitors known.", value=len(self._motor.pipeline.visitors)
        )


class HttpFigures:
    """Requests by route and status, and how long they took."""

    def __init__(self, motor: Motor) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(EngineCollector(motor))
        self._requests = Counter(
            "balise_http_requests",
            "Requests by route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "balise_http_seconds",
            "Time to answer, by route.",
            ["route"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._fed = Counter(
            "balise_feeder_fixes",
            "Fixes of location apps by what became of them.",
            ["app", "outcome"],
            registry=self.registry,
        )
        # Looking a child up by its labels costs more than counting; routes bound their number.
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def answered(self, *, method: str, route: str, status: int, duration_s: float) -> None:
        """Count an answer; `route` is the pattern, so that ids make no series of their own."""
        found = self._children.get((method, route, status))
        if found is None:
            found = self._requests.labels(method, route, str(status)), self._seconds.labels(route)
            self._children[method, route, status] = found
        found[0].inc()
        found[1].observe(duration_s)

    def fed(self, *, app: str, outcome: str, count: int) -> None:
        """Count fixes of a location app by what became of them."""
        if count:
            self._fed.labels(app, outcome).inc(count)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
