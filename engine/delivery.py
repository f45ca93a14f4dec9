"""From stored notifications to what became of them: the dispatcher, fed and heard by the engine.

Right before a send the decision is checked against the facts of the moment: consent withdrawn, an
event cancelled. Outcomes go back through the log; when every notification of a decision has ended
without reaching anybody, the caps that it had reserved are released.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from engine import limits
from engine.clock import Clock
from engine.effects import Effects
from engine.errors import EngineError
from engine.motor import Motor
from engine.records import Outcome, Outcomes
from notifier.channels import Channel
from notifier.dispatcher import Dispatcher, Settled
from notifier.errors import StoreUnavailable
from notifier.lifecycle import ENDED, UNSENT
from notifier.notifications import Notification
from notifier.outbox import Outbox
from rules.decisions import Decision, Reason
from rules.recheck import recheck

# A line in the service's own log reaches nobody.
NOBODY = "log"


class _Open:
    """A decision some of whose notifications have not ended.

    ended: those that have; told twice is known once. reached: somebody may have seen one of them.
    """

    __slots__ = ("count", "decision", "ended", "reached")

    def __init__(self, decision: Decision, count: int, *, reached: bool = False) -> None:
        self.decision = decision
        self.count = count
        self.ended: set[str] = set()
        self.reached = reached

    @property
    def over(self) -> bool:
        return len(self.ended) >= self.count


class _Clock:
    """The shell's clock, and never behind the engine's now.

    A wall clock that was ahead and is set back leaves the engine ahead for a while. What it
    decides meanwhile is due at once, not when the wall clock comes by.
    """

    def __init__(self, clock: Clock, motor: Motor) -> None:
        self._clock = clock
        self._motor = motor

    def now_ms(self) -> int:
        return max(self._clock.now_ms(), self._motor.pipeline.now_ms)


class Delivery:
    """Delivers what one motor decides."""

    def __init__(
        self,
        motor: Motor,
        outbox: Outbox,
        channels: Iterable[Channel],
        *,
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._motor = motor
        self._open: dict[str, _Open] = {}
        self.dispatcher = Dispatcher(
            outbox,
            channels,
            clock=_Clock(clock, motor),
            chance=chance,
            recheck=self._recheck,
            on_settled=self._settled,
        )
        motor.subscribe(self._stored)

    async def report(self, unreported: Callable[[], Awaitable[Sequence[Outcome]]]) -> None:
        """Log outcomes that a crash kept from the log, until `unreported` has no more."""
        while outcomes := await unreported():
            await self._motor.submit(Outcomes(outcomes=tuple(outcomes)))
            await self._motor.settled()

    async def start(self, unfinished: Sequence[tuple[Decision, int]]) -> None:
        """Resolve what a crash left in doubt, then deliver.

        unfinished: decisions of earlier runs, with how many of their notifications have not ended.
        """
        self._take_up(unfinished)
        await self.dispatcher.start()

    async def resume(self, unfinished: Sequence[tuple[Decision, int]]) -> None:
        """`start` for one who calls the dispatcher's `pump` from time to time."""
        self._take_up(unfinished)
        await self.dispatcher.recover()

    def _take_up(self, unfinished: Sequence[tuple[Decision, int]]) -> None:
        for decision, left in unfinished:
            # What its other notifications came to is not known here: the caps stay reserved.
            self._open.setdefault(decision.id, _Open(decision, left, reached=True))

    async def stop(self) -> None:
        """Claim no more, let sends in flight end within a bound."""
        await self.dispatcher.stop()

    def _stored(self, batch: Sequence[Effects]) -> None:
        """New rows are in the outbox."""
        woken = False
        for effects in batch:
            for visitor in effects.erased:
                self._open = {
                    key: each
                    for key, each in self._open.items()
                    if each.decision.visitor != visitor
                }
            by_decision: dict[str, int] = {}
            for notification in effects.notifications:
                by_decision[notification.decision_id] = (
                    by_decision.get(notification.decision_id, 0) + 1
                )
            for decision in effects.decisions:
                if decision.id in by_decision:
                    self._open[decision.id] = _Open(decision, by_decision[decision.id])
                    woken = True
        if woken:
            self.dispatcher.wake()

    def _recheck(self, notification: Notification, now_ms: int) -> str | None:  # noqa: ARG002
        """Why not to send after all, by the facts as of the last tick."""
        found = self._open.get(notification.decision_id)
        pipeline = self._motor.pipeline
        slot = pipeline.visitors.find_slot(notification.visitor)
        if slot is None:
            return "erased"
        visitor = pipeline.visitors.at(slot)
        if not (visitor.allows("location") and visitor.allows("push")):
            return str(Reason.CONSENT)
        if found is None:
            return None
        reason = recheck(found.decision, pipeline.facts, slot)
        return None if reason is None else str(reason)

    async def _settled(self, settled: Sequence[Settled]) -> None:
        """Log outcomes: what ended, and what is in doubt."""
        known = self._motor.pipeline.visitors.find_slot
        outcomes = [
            self._outcome(each)
            for each in settled
            if (each.settlement.after in ENDED or each.settlement.after == "in_doubt")
            and known(each.notification.visitor) is not None  # of the erased nothing is logged
        ]
        for start in range(0, len(outcomes), limits.OUTCOMES_A_RECORD_MAX):
            part = tuple(outcomes[start : start + limits.OUTCOMES_A_RECORD_MAX])
            try:
                await self._motor.submit(Outcomes(outcomes=part))
            except EngineError as error:
                raise StoreUnavailable(reason=str(error)) from error
        for outcome in outcomes:
            found = self._open.get(outcome.decision)
            if found is not None and found.over:
                del self._open[outcome.decision]

    def _outcome(self, each: Settled) -> Outcome:
        notification, settlement = each.notification, each.settlement
        found = self._open.get(notification.decision_id)
        if found is not None:
            # A send that was once in doubt may have been seen, whatever came of it later.
            if settlement.after not in UNSENT and notification.channel != NOBODY:
                found.reached = True
            if settlement.after in ENDED:
                found.ended.add(notification.id)
        return Outcome(
            notification=notification.id,
            decision=notification.decision_id,
            visitor=notification.visitor,
            device=notification.device_id,
            state=settlement.after,
            reason=settlement.reason,
            at_ms=settlement.at_ms,
            releases=found is not None and found.over and not found.reached,
            channel=notification.channel,
        )
