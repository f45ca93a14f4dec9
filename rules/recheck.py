"""The last look before a message leaves: what was decided a moment ago may be over."""

from __future__ import annotations

from rules.decisions import Decision, Reason
from rules.facts import EventFacts, Facts, Purpose


def changed(event: EventFacts, facts: Facts) -> str | None:
    """How an event differs from what was decided upon; None if it is still on as planned."""
    now = facts.events.get(event.id)
    if now is None:
        return "cancelled"
    if now.status != "scheduled":
        return now.status
    if now.start_ms != event.start_ms:
        return "moved"
    return "sold_out" if now.remaining == 0 else None


def recheck(decision: Decision, facts: Facts, visitor: int) -> Reason | None:
    """Why a decision to send should not go out after all; None if it should.

    visitor: the slot. Looks at consent, at the event, and at the clock.
    """
    profile = facts.visitor(visitor)
    need = int(Purpose.LOCATION | Purpose.PUSH)
    if profile is None or need & ~profile.consents:
        return Reason.CONSENT
    if decision.expires_ms <= facts.now_ms:
        return Reason.EXPIRED
    if decision.trigger.event is not None:
        event = facts.events.get(decision.trigger.event)
        start_ms = decision.variables["event_start_ms"]
        if event is None or event.start_ms != start_ms or changed(event, facts) is not None:
            return Reason.EVENT_CHANGED
    return None
