"""Running figures of one engine: what came in, what came of it, and how long matching took."""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np

from engine import limits
from engine.effects import Effects
from engine.ingest import Refusal
from geofence.columns import Kind, Status


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles over the newest batches, microseconds a batch."""

    p50_us: float
    p99_us: float


class Figures:
    """Counters since start. Written by the engine's thread, read by anyone."""

    def __init__(self) -> None:
        self.pings: Counter[str] = Counter()
        self.transitions: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.languages: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.decisions = 0
        self.notifications = 0
        self.logged_bytes = 0
        self._match_us = np.zeros(limits.LATENCY_SAMPLES)
        self._samples = 0
        self._rate_pings = 0
        self._rate_since_s = 0.0
        self._rate = 0.0

    def discarded(self, pings: int) -> None:
        """Count pings of visitors who have not consented to location."""
        if pings:
            self.pings[Refusal.NO_CONSENT.name.lower()] += pings

    def matched(self, duration_us: float) -> None:
        """Count the time that matching and deciding one batch took."""
        self._match_us[self._samples % limits.LATENCY_SAMPLES] = duration_us
        self._samples += 1

    def applied(self, effects: Effects) -> None:
        """Count what a record brought about."""
        if effects.status is not None:
            counts = np.bincount(effects.status, minlength=len(Status))
            for status in Status:
                if counts[status]:
                    self.pings[status.name.lower()] += int(counts[status])
            self._rate_pings += len(effects.status)
        if effects.transitions is not None and len(effects.transitions.kind):
            kinds = np.bincount(effects.transitions.kind, minlength=len(Kind))
            for kind in Kind:
                if kinds[kind]:
                    self.transitions[kind.name.lower()] += int(kinds[kind])
        campaigns = {decision.id: decision.campaign for decision in effects.decisions}
        self.decisions += len(effects.decisions)
        for decision in effects.decisions:
            if decision.verdict != "send":
                self.held[decision.reason.value] += 1
        self.notifications += len(effects.notifications)
        for notification in effects.notifications:
            campaign = campaigns.pop(notification.decision_id, None)
            if campaign is not None:  # of several devices and channels the first one counts
                self.sent[campaign] += 1
                self.languages[notification.lang] += 1
        for outcome in effects.outcomes:
            self.outcomes[outcome.state] += 1

    def match_latency(self) -> Latency:
        """Percentiles over the newest batches; zero before the first."""
        taken = self._match_us[: min(self._samples, limits.LATENCY_SAMPLES)]
        if not len(taken):
            return Latency(p50_us=0.0, p99_us=0.0)
        p50_us, p99_us = np.percentile(taken, (50, 99))
        return Latency(p50_us=round(float(p50_us), 1), p99_us=round(float(p99_us), 1))

    @property
    def pushes(self) -> int:
        """Decisions that made at least one notification."""
        return sum(self.sent.values())

    def pings_per_s(self, at_s: float) -> float:
        """Rate of pings, refreshed at most every half second; `at_s` is monotonic."""
        elapsed_s = at_s - self._rate_since_s
        if elapsed_s >= limits.RATE_WINDOW_S:
            self._rate = self._rate_pings / elapsed_s if self._rate_since_s else 0.0
            self._rate_pings, self._rate_since_s = 0, at_s
        return self._rate
