"""Rulings: decisions in compact form, as the decider makes them by the hundred thousand.

A ruling is a campaign's answer to an occasion. It keeps references and the plain values that
conditions saw; `decision()` renders it in full, at any later time, with the same result.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from rules.compiled import Compiled
from rules.conditions import SEEN_FIELDS, TRUTH_NAMES, Seen, purposes
from rules.decisions import TRIGGER_KINDS, Cause, Decision, Reason, Step, decision_id
from rules.facts import LEVEL_NAMES, EventFacts, VisitorFacts, ZoneFacts


class Occasion(NamedTuple):
    """Something that happened to a visitor: what campaigns answer to.

    zone: slot, -1 for none; about: its facts. at_ms, enter_ms: event times of the trigger and of
    the start of the visit. position: in the log. event: what the trigger itself is about.
    """

    visitor: int
    profile: VisitorFacts
    zone: int
    about: ZoneFacts | None
    at_ms: int
    enter_ms: int
    position: int
    event: EventFacts | None


# What `Ruling.detail` holds, by reason.
DETAIL_FIELDS: dict[Reason, tuple[str, ...]] = {
    Reason.STALE_FIX: ("age_ms", "age_ms_max"),
    Reason.OPENED_INSIDE: ("enter_ms", "opened_ms"),
    Reason.CONSENT: ("missing",),
    Reason.CROWDED: ("zone", "level"),
    Reason.EXPIRED: ("event", "end_ms"),
    Reason.COOLDOWN: ("since_ms", "cooldown_ms", "until_ms"),
    Reason.COOLDOWN_ZONE: ("since_ms", "cooldown_ms", "until_ms"),
    Reason.CAP_VISITOR: ("count", "period_ms", "until_ms"),
    Reason.CAP_TAG: ("count", "period_ms", "until_ms", "tag"),
    Reason.CAP_GLOBAL: ("count", "period_ms", "until_ms"),
    Reason.CAP_TOTAL: ("count",),
    Reason.QUIET_HOURS: ("local_time", "rule"),
    Reason.EVENT_CHANGED: ("event", "status"),
    Reason.LOST_ARBITRATION: ("winner", "winner_priority"),
    Reason.HOLDOUT: ("group",),
}

# The order in which a campaign is judged; a trace stops at the stage that blocked.
STAGES: tuple[tuple[str, frozenset[Reason]], ...] = (
    ("cause", frozenset((Reason.TIMEOUT, Reason.BACKLOG, Reason.EDITED_ZONE))),
    ("freshness", frozenset((Reason.STALE_FIX,))),
    ("opening", frozenset((Reason.OPENED_INSIDE,))),
    ("still_due", frozenset((Reason.LEFT, Reason.EVENT_CHANGED, Reason.NOT_LIVE))),
    ("consent", frozenset((Reason.CONSENT,))),
    ("window", frozenset((Reason.WINDOW,))),
    ("condition", frozenset((Reason.CONDITION, Reason.UNKNOWN))),
    ("crowding", frozenset((Reason.CROWDED,))),
    ("expiry", frozenset((Reason.EXPIRED,))),
    ("cooldown", frozenset((Reason.COOLDOWN, Reason.COOLDOWN_ZONE))),
    ("caps", frozenset((Reason.CAP_VISITOR, Reason.CAP_TAG, Reason.CAP_GLOBAL, Reason.CAP_TOTAL))),
    ("quiet_hours", frozenset((Reason.QUIET_HOURS,))),
    ("arbitration", frozenset((Reason.LOST_ARBITRATION,))),
    ("holdout", frozenset((Reason.HOLDOUT,))),
)
PASSED = {name: Step(name=name, outcome="passed") for name, _ in STAGES}
SKIPPED = {name: Step(name=name, outcome="skipped") for name, _ in STAGES}
OVERRIDDEN_BY_ALERTS = frozenset(("crowding", "caps", "quiet_hours", "arbitration", "holdout"))


class Ruling:
    """One campaign's answer to one occasion.

    reason: SENT or why not. detail: values in the order of DETAIL_FIELDS. seen: what conditions
    saw. event: what the message is about. level: of the zone when it was decided.
    """

    __slots__ = (
        "_id", "c", "decided_ms", "detail", "event", "level", "occasion", "reason", "seen",
        "variant",
    )  # fmt: skip

    def __init__(self, c: Compiled, occasion: Occasion, decided_ms: int) -> None:
        self.c = c
        self.occasion = occasion
        self.decided_ms = decided_ms
        self.reason = Reason.SENT
        self.detail: tuple[Any, ...] = ()
        self.seen: Sequence[Seen] = ()
        self.event: EventFacts | None = occasion.event
        self.level = 0
        self.variant: str | None = None
        self._id: str | None = None

    @property
    def sends(self) -> bool:
        """Whether the message goes out."""
        return self.reason is Reason.SENT

    @property
    def campaign_id(self) -> str:
        """The campaign's id."""
        return self.c.id

    @property
    def kind(self) -> str:
        """The trigger's kind."""
        return TRIGGER_KINDS[self.c.trigger]

    @property
    def visitor(self) -> int:
        """The visitor's slot."""
        return self.occasion.visitor

    @property
    def zone(self) -> int:
        """The zone's slot, -1 for none."""
        return self.occasion.zone

    @property
    def position(self) -> int:
        """The position in the log of what caused it."""
        return self.occasion.position

    @property
    def id(self) -> str:
        """The decision's id: 128 bits in hex."""
        if self._id is not None:
            return self._id
        o = self.occasion
        self._id = decision_id(
            o.profile.id,
            self.c.id,
            self.kind,
            o.about.id if o.about is not None else "",
            o.event.id if o.event is not None else "",
            o.position,
            o.at_ms,
        )
        return self._id

    @property
    def rank(self) -> tuple[Any, ...]:
        """The order of arbitration: priority, then the smallest zone, then the campaign's id."""
        about = self.occasion.about
        area = about.area_m2 if about is not None else float("inf")
        return (-self.c.campaign.priority, area, self.c.id)

    @property
    def expires_ms(self) -> int:
        """Until when the message is worth delivering."""
        until = self.decided_ms + self.c.campaign.ttl_s * 1000
        event = self.event
        if event is None:
            return until
        return min(until, event.start_ms if event.start_ms > self.decided_ms else event.end_ms)

    def cause(self) -> Cause:
        """What the ruling is about."""
        o = self.occasion
        place = o.about.place if o.about is not None else None
        if place is None and self.event is not None:
            place = self.event.place
        return Cause(
            kind=TRIGGER_KINDS[self.c.trigger],
            zone=o.about.id if o.about is not None else None,
            place=place,
            event=self.event.id if self.event is not None else None,
            at_ms=o.at_ms,
            enter_ms=o.enter_ms if o.zone >= 0 else None,
        )

    def decision(self) -> Decision:
        """The decision in full."""
        campaign, cause = self.c.campaign, self.cause()
        return Decision(
            id=self.id,
            campaign=self.c.id,
            version=self.c.version,
            visitor=self.occasion.profile.id,
            trigger=cause,
            decided_ms=self.decided_ms,
            position=self.occasion.position,
            verdict="send" if self.sends else "suppressed",
            reason=self.reason,
            trace=tuple(self.steps(cause)),
            variables=self.variables(cause) if self.sends else {},
            expires_ms=self.expires_ms,
            collapse_key=campaign.collapse_key or cause.zone or self.c.id,
            channels=campaign.channels,
            variant=self.variant,
            resend_in_doubt=campaign.resends_in_doubt(),
        )

    def variables(self, cause: Cause) -> dict[str, Any]:
        """Raw values for the message's template; absent ones are left out."""
        almanac, event = self.c.almanac, self.event
        found: dict[str, Any] = {
            "campaign_id": self.c.id,
            "zone_id": cause.zone,
            "place_id": cause.place,
            "event_id": cause.event,
            "decided_ms": self.decided_ms,
            "time_zone": almanac.destination.time_zone,
            "sunrise_ms": almanac.sun.today_ms("sunrise", self.decided_ms),
            "sunset_ms": almanac.sun.today_ms("sunset", self.decided_ms),
            "level": LEVEL_NAMES[self.level] if self.level else None,
            "dwell_ms": self.c.dwell_ms or None,
            "feeds": {s[2][0]: s[2][1] for s in self.seen if s[0] == "feed"} or None,
        }
        if event is not None:
            found["event_start_ms"] = event.start_ms
            found["event_end_ms"] = event.end_ms
            found["starts_in_ms"] = event.start_ms - self.decided_ms
            found["event_remaining"] = event.remaining
        for tag, truth, values in self.seen:
            if tag == "hours" and truth >= 0 and values[2] is not None:
                found["closes_ms" if truth else "opens_ms"] = values[2]
        return {name: value for name, value in found.items() if value is not None}

    def steps(self, cause: Cause) -> Iterator[Step]:
        """The trace, up to the step that blocked."""
        yield Step(
            name="trigger",
            outcome="passed",
            detail={
                "kind": cause.kind,
                "zone": cause.zone,
                "event": cause.event,
                "local_time": self.c.almanac.clock.text(cause.at_ms),
            },
        )
        for name, reasons in STAGES:
            if name == "window":
                yield from (self._leaf(each) for each in self.seen)
            if self.reason in reasons:
                yield Step(name=name, outcome="blocked", detail=self._detail())
                return
            skipped = self.c.alert and name in OVERRIDDEN_BY_ALERTS
            yield SKIPPED[name] if skipped else PASSED[name]

    def _detail(self) -> dict[str, Any]:
        found: dict[str, Any] = {"reason": str(self.reason)}
        found.update(zip(DETAIL_FIELDS.get(self.reason, ()), self.detail, strict=True))
        if self.reason is Reason.CONSENT:
            found["missing"] = list(purposes(found["missing"]))
        return found

    def _leaf(self, seen: Seen) -> Step:
        tag, truth, values = seen
        detail = dict(zip(SEEN_FIELDS[tag], values, strict=True))
        if "at_ms" in detail:
            detail["local_time"] = self.c.almanac.clock.text(detail.pop("at_ms"))
        return Step(name=tag, outcome=TRUTH_NAMES[truth], detail=detail)
