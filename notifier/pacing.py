"""When a lane may send: the provider's rate, and a breaker that spares a provider that is down.

Pure: times come in, in ms. What may not be sent stays in the outbox, where it is durable and where
its time to live runs; other channels do not notice.
"""

from __future__ import annotations

from typing import Final, Literal

from notifier import limits
from notifier.notifications import InDoubt, Outcome, Retry

Gate = Literal["closed", "open", "probing"]
"""A breaker that is closed lets all through, one that is open nothing, one that probes a single
send, whose answer decides."""

_Event = Literal["answer", "fault", "fault_too_many", "time"]

TRANSITIONS: Final[dict[tuple[Gate, _Event], Gate]] = {
    ("closed", "answer"): "closed",
    ("closed", "fault"): "closed",
    ("closed", "fault_too_many"): "open",
    # Sends that were on their way when it opened still answer.
    ("open", "answer"): "closed",
    ("open", "fault"): "open",
    ("open", "fault_too_many"): "open",
    ("open", "time"): "probing",
    ("probing", "answer"): "closed",
    ("probing", "fault"): "open",
    ("probing", "fault_too_many"): "open",
}


class Rate:
    """A token bucket: `per_min` sends a minute in the long run, at most a second's worth at once.

    None lets any number through.
    """

    def __init__(self, per_min: int | None) -> None:
        assert per_min is None or per_min >= 1
        self._per_ms = None if per_min is None else per_min / 60_000
        self._room = 0.0 if per_min is None else max(1.0, per_min / 60)
        self._most = self._room
        self._at_ms: int | None = None

    def allowance(self, now_ms: int) -> int | None:
        """Sends that may begin now; None for any number."""
        if self._per_ms is None:
            return None
        if self._at_ms is not None and now_ms > self._at_ms:
            self._room = min(self._most, self._room + (now_ms - self._at_ms) * self._per_ms)
        # A clock that was set back gives nothing, and takes nothing away.
        self._at_ms = now_ms
        return int(self._room)

    def spend(self, count: int) -> None:
        """Take sends out; those that were not made after all are given back by a negative count."""
        if self._per_ms is not None:
            self._room = min(self._most, self._room - count)


class Breaker:
    """Opens after BREAKER_FAULTS faults in a row, for a pause that doubles with each probe that
    fails, and no shorter than the provider asked for.
    """

    def __init__(self) -> None:
        self.gate: Gate = "closed"
        self.until_ms = 0
        """While it is open: when a probe may go."""
        self.opened = 0
        """How often it opened."""
        self._faults = 0
        self._pauses = 0
        self._asked_ms = 0

    def allowance(self, now_ms: int) -> int | None:
        """Sends that may begin now; None for any number. One that is given as a probe is the only
        one until its answer is heard, or `unused` says that it was not made.
        """
        if self.gate == "closed":
            return None
        if self.gate == "open" and now_ms >= self.until_ms:
            self._step("time")
            return 1
        return 0

    def unused(self, now_ms: int) -> None:
        """The probe was not sent: nothing was due, or what was had expired."""
        if self.gate == "probing":
            self.gate = "open"
            self.until_ms = now_ms

    def hear(self, outcome: Outcome, now_ms: int) -> None:
        """Count an outcome. A refusal of one message is an answer as good as any."""
        if not isinstance(outcome, Retry | InDoubt):
            self._faults = self._pauses = self._asked_ms = 0
            self._step("answer")
            return
        self._faults += 1
        if isinstance(outcome, Retry) and outcome.after_ms is not None:
            self._asked_ms = max(self._asked_ms, outcome.after_ms)
        before = self.gate
        self._step("fault_too_many" if self._faults >= limits.BREAKER_FAULTS else "fault")
        if self.gate == "open" and before != "open":
            grown_ms = limits.BREAKER_PAUSE_MS << min(self._pauses, 20)
            pause_ms = max(min(grown_ms, limits.BREAKER_PAUSE_MAX_MS), self._asked_ms)
            self.until_ms = now_ms + min(pause_ms, limits.RETRY_AFTER_MAX_MS)
            self._pauses += 1
            self._asked_ms = 0
            self.opened += 1

    def _step(self, event: _Event) -> None:
        self.gate = TRANSITIONS[(self.gate, event)]


class Pace:
    """Rate and breaker of one lane."""

    def __init__(self, per_min: int | None) -> None:
        self.rate = Rate(per_min)
        self.breaker = Breaker()

    def allowance(self, most: int, now_ms: int) -> int:
        """How many of `most` sends may begin now."""
        rated = self.rate.allowance(now_ms)
        if rated is not None and rated < 1:
            return 0
        allowed = self.breaker.allowance(now_ms)
        return min(each for each in (most, rated, allowed) if each is not None)

    def claimed(self, count: int, now_ms: int) -> None:
        """So many were taken to be sent."""
        self.rate.spend(count)
        if not count:
            self.breaker.unused(now_ms)

    def tried(self, count: int, of: int, now_ms: int) -> None:
        """`count` of so many that were taken were really sent."""
        self.rate.spend(count - of)
        if not count:
            self.breaker.unused(now_ms)
