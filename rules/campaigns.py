"""Campaigns as marketers write them: data, decoded by msgspec, with a JSON Schema.

Times of day are "HH:MM" and dates "YYYY-MM-DD" in the destination's time zone. A trigger says when
a campaign is considered, its condition whether it applies, its restraint how often it may speak.
`schema()` is the published JSON Schema; `rules.checks.problems()` finds what the types cannot.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from rules import limits

CampaignKind = Literal["promotion", "information", "alert"]
Status = Literal["draft", "in_review", "scheduled", "live", "paused", "ended"]
LevelName = Literal["quiet", "moderate", "busy", "very_busy", "full"]
Purpose = Literal["location", "push", "analytics"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
PaceName = Literal["still", "walking", "riding", "driving"]
Comparison = Literal["eq", "ne", "lt", "le", "gt", "ge", "in", "contains"]
EventStatus = Literal["scheduled", "cancelled", "moved", "sold_out"]

Id = Annotated[
    str,
    Meta(min_length=1, max_length=limits.ID_CHARS_MAX, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:~-]*$"),
]
Word = Annotated[str, Meta(min_length=1, max_length=limits.NAME_CHARS_MAX)]
Ref = Annotated[str, Meta(min_length=1, max_length=limits.REF_CHARS_MAX)]
Refs = Annotated[tuple[Ref, ...], Meta(max_length=limits.LIST_ENTRIES_MAX)]
Words = Annotated[tuple[Word, ...], Meta(max_length=limits.LIST_ENTRIES_MAX)]
TimeOfDay = Annotated[
    str, Meta(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", examples=["08:00", "21:30"])
]
MonthDay = Annotated[
    str, Meta(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", examples=["06-15"])
]
SunMinutes = Annotated[int, Meta(ge=-limits.SUN_MINUTES_MAX, le=limits.SUN_MINUTES_MAX)]
PeriodS = Annotated[int, Meta(ge=0, le=limits.PERIOD_S_MAX)]
Minutes = Annotated[int, Meta(ge=-limits.MINUTES_MAX, le=limits.MINUTES_MAX)]
Scalar = bool | int | float | str


class _Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every part of a campaign is: a value that refuses fields it does not know."""


# --- triggers ------------------------------------------------------------------------------------


class Enter(_Data, frozen=True, kw_only=True, tag="enter"):
    """The visitor enters a zone, given by id or by a tag that it carries."""

    zones: Refs = ()
    zone_tags: Words = ()


class Exit(_Data, frozen=True, kw_only=True, tag="exit"):
    """The visitor leaves a zone."""

    zones: Refs = ()
    zone_tags: Words = ()


class Dwell(_Data, frozen=True, kw_only=True, tag="dwell"):
    """The visitor has stayed in a zone for `after_s` seconds; once a visit."""

    zones: Refs = ()
    zone_tags: Words = ()
    after_s: Annotated[int, Meta(ge=1, le=limits.DWELL_S_MAX)]


class Cross(_Data, frozen=True, kw_only=True, tag="cross"):
    """The visitor passed through a zone between two fixes."""

    zones: Refs = ()
    zone_tags: Words = ()


class Near(_Data, frozen=True, kw_only=True, tag="near"):
    """The visitor comes within `within_m` metres of a place, given by id or category."""

    places: Refs = ()
    categories: Words = ()
    within_m: Annotated[float, Meta(gt=0, le=limits.WITHIN_M_MAX)]


class EventSoon(_Data, frozen=True, kw_only=True, tag="event_soon"):
    """An event starts in `minutes_before` minutes; told to those in its zone, or within `within_m`
    metres of it, or in one of `zones`.
    """

    events: Refs = ()
    categories: Words = ()
    minutes_before: Annotated[int, Meta(ge=1, le=limits.MINUTES_MAX)]
    within_m: Annotated[float, Meta(ge=0, le=limits.WITHIN_M_MAX)] = 0.0
    zones: Refs = ()
    zone_tags: Words = ()


class LevelChange(_Data, frozen=True, kw_only=True, tag="level_change"):
    """A zone's crowd level becomes one of `to`; told to those inside it, or in `tell` if given."""

    zones: Refs = ()
    zone_tags: Words = ()
    to: Annotated[tuple[LevelName, ...], Meta(min_length=1, max_length=5)]
    tell: Refs = ()


class Broadcast(_Data, frozen=True, kw_only=True, tag="broadcast"):
    """Everyone in the zones, once, as soon as the campaign is live, or at `at` if that is later."""

    zones: Refs = ()
    zone_tags: Words = ()
    at: Annotated[datetime, Meta(tz=True)] | None = None


Trigger = Enter | Exit | Dwell | Cross | Near | EventSoon | LevelChange | Broadcast

# --- conditions ----------------------------------------------------------------------------------


class AllOf(_Data, frozen=True, kw_only=True, tag="all"):
    """True if every part is; false as soon as one is; else unknown."""

    of: Annotated[tuple[Condition, ...], Meta(min_length=1, max_length=limits.CONDITION_LEAVES_MAX)]


class AnyOf(_Data, frozen=True, kw_only=True, tag="any"):
    """True as soon as one part is; false if every part is; else unknown."""

    of: Annotated[tuple[Condition, ...], Meta(min_length=1, max_length=limits.CONDITION_LEAVES_MAX)]


class Not(_Data, frozen=True, kw_only=True, tag="not"):
    """The opposite; unknown stays unknown."""

    of: Condition


class DateRange(_Data, frozen=True, kw_only=True, tag="date_range"):
    """From the first local date to the last, both included; an open side has no limit."""

    first: date | None = None
    last: date | None = None


class Season(_Data, frozen=True, kw_only=True, tag="season"):
    """From one day of the year to another, both included, every year; may run over New Year."""

    first: MonthDay
    last: MonthDay


class Weekly(_Data, frozen=True, kw_only=True, tag="weekly"):
    """A window of the day on some weekdays, start included, end excluded, by the wall clock.

    An end at or before the start lies on the next day; `days` are those on which it starts.
    """

    days: Annotated[tuple[Day, ...], Meta(min_length=1, max_length=7)] = (
        "mon", "tue", "wed", "thu", "fri", "sat", "sun",
    )  # fmt: skip
    start: TimeOfDay = "00:00"
    end: TimeOfDay = "24:00"


class Sun(_Data, frozen=True, kw_only=True, tag="sun"):
    """Between `from_min` and `to_min` minutes after sunrise or sunset; negative is before."""

    event: Literal["sunrise", "sunset"]
    from_min: SunMinutes
    to_min: SunMinutes


class Hours(_Data, frozen=True, kw_only=True, tag="hours"):
    """A place is open by its opening_hours; without `place`, the place of the trigger or event."""

    place: Ref | None = None


class Event(_Data, frozen=True, kw_only=True, tag="event"):
    """An event starts in `from_min` to `to_min` minutes, is scheduled, and has places left.

    The event is given by id, or any of a category or tag; `here` asks for the trigger's zone.
    The message speaks of the first that fits.
    """

    event: Ref | None = None
    category: Word | None = None
    tag: Word | None = None
    here: bool = False
    from_min: Minutes = 0
    to_min: Minutes = 60
    remaining_min: Annotated[int, Meta(ge=0)] | None = None


class Language(_Data, frozen=True, kw_only=True, tag="language"):
    """The visitor's first language is one of these; "fr" takes in "fr-CA"."""

    any_of: Annotated[tuple[Word, ...], Meta(min_length=1)]


class Segment(_Data, frozen=True, kw_only=True, tag="segment"):
    """The visitor belongs to one of these segments."""

    any_of: Annotated[tuple[Word, ...], Meta(min_length=1)]


class Attribute(_Data, frozen=True, kw_only=True, tag="attribute"):
    """A visitor's attribute compares so with a value; unknown where absent or of another type."""

    name: Word
    op: Comparison = "eq"
    value: Scalar | tuple[Scalar, ...]


class Stay(_Data, frozen=True, kw_only=True, tag="stay"):
    """The local date against the visitor's stay: from arrival to departure, both included."""

    phase: Literal["before", "first_day", "during", "last_day", "after"]


class Consent(_Data, frozen=True, kw_only=True, tag="consent"):
    """The visitor consents to all of these purposes."""

    purposes: Annotated[tuple[Purpose, ...], Meta(min_length=1)]


class Level(_Data, frozen=True, kw_only=True, tag="level"):
    """The crowd level of a zone, "here" being the trigger's. Unknown levels are unknown."""

    zone: Ref = "here"
    at_least: LevelName | None = None
    at_most: LevelName | None = None
    any_of: tuple[LevelName, ...] = ()


class Feed(_Data, frozen=True, kw_only=True, tag="feed"):
    """A value pushed in (temperature, parking spaces) compares so; unknown when it is too old."""

    feed: Word
    op: Comparison
    value: Scalar | tuple[Scalar, ...]
    max_age_s: Annotated[int, Meta(ge=1, le=limits.PERIOD_S_MAX)] = 3_600


class Pace(_Data, frozen=True, kw_only=True, tag="pace"):
    """How fast the visitor moves, by the speed of the fix."""

    any_of: Annotated[tuple[PaceName, ...], Meta(min_length=1)]


class Visited(_Data, frozen=True, kw_only=True, tag="visited"):
    """The visitor was in one of these zones within the last `within_s` seconds."""

    zones: Annotated[tuple[Ref, ...], Meta(min_length=1)]
    within_s: Annotated[int, Meta(ge=1, le=limits.PERIOD_S_MAX)]


class FirstVisit(_Data, frozen=True, kw_only=True, tag="first_visit"):
    """The visitor had never been seen before this stay."""


class Received(_Data, frozen=True, kw_only=True, tag="received"):
    """The visitor was sent another campaign within the last `within_s` seconds."""

    campaign: Id
    within_s: Annotated[int, Meta(ge=1, le=limits.PERIOD_S_MAX)] = 86_400


Leaf = (
    DateRange | Season | Weekly | Sun | Hours | Event | Language | Segment | Attribute | Stay
    | Consent | Level | Feed | Pace | Visited | FirstVisit | Received
)  # fmt: skip
Condition = (
    AllOf | AnyOf | Not
    | DateRange | Season | Weekly | Sun | Hours | Event | Language | Segment | Attribute | Stay
    | Consent | Level | Feed | Pace | Visited | FirstVisit | Received
)  # fmt: skip

# --- restraint -----------------------------------------------------------------------------------


class Cap(_Data, frozen=True, kw_only=True):
    """At most `count` sends in any `period_s` seconds; a rolling window, not a calendar day."""

    count: Annotated[int, Meta(ge=0)]
    period_s: Annotated[int, Meta(ge=1, le=limits.PERIOD_S_MAX)]


class QuietHours(_Data, frozen=True, kw_only=True):
    """Local hours in which only alerts are sent: the rest is dropped, or held and rechecked."""

    start: TimeOfDay = "21:00"
    end: TimeOfDay = "08:00"
    rule: Literal["drop", "hold"] = "drop"


class Restraint(_Data, frozen=True, kw_only=True):
    """How often a campaign may speak. What is left out follows the destination's settings.

    per_visitor: rolling cap of this campaign for one visitor; null for none.
    total: sends of this campaign, ever, to everyone together.
    cooldown_s: least time since this campaign last spoke to the visitor.
    zone_cooldown_s: least time since any campaign spoke to the visitor about this zone.
    cooldown_from: count both from the send, or from leaving the zone where that came later.
    quiet_hours: null for none. arbitrate: false speaks beside others instead of competing.
    """

    per_visitor: Cap | UnsetType | None = UNSET
    total: Annotated[int, Meta(ge=0)] | None = None
    cooldown_s: PeriodS = 0
    zone_cooldown_s: PeriodS = 0
    cooldown_from: Literal["send", "exit"] = "exit"
    quiet_hours: QuietHours | UnsetType | None = UNSET
    arbitrate: bool = True


class RestraintSettings(_Data, frozen=True, kw_only=True):
    """The destination's own restraint, over all campaigns.

    global_cap: promotions to one visitor, together. tag_caps: the same for a tag's campaigns.
    per_visitor, quiet_hours: for campaigns that say nothing. push_max_fix_age_s: a transition
    older than this never pushes. arbitration_window_ms: how long candidates of one visitor wait
    for each other; 0 decides at once, without losers. holdout: the share of visitors to whom no
    campaign ever speaks (alerts excepted), picked by `salt`.
    """

    global_cap: Cap | None = Cap(count=3, period_s=86_400)
    tag_caps: dict[str, Cap] = {}
    per_visitor: Cap | None = Cap(count=1, period_s=86_400)
    quiet_hours: QuietHours | None = QuietHours()
    push_max_fix_age_s: Annotated[int, Meta(ge=0)] = 300
    arbitration_window_ms: Annotated[int, Meta(ge=0, le=60_000)] = 3_000
    holdout: Annotated[float, Meta(ge=0, le=1)] = 0.0
    salt: str = ""


# --- experiments and the campaign itself ---------------------------------------------------------


class Variant(_Data, frozen=True, kw_only=True):
    """One of several messages, given to a share of visitors by weight, always the same to each."""

    name: Id
    weight: Annotated[float, Meta(gt=0)] = 1.0
    message: dict[str, Any]


class Experiment(_Data, frozen=True, kw_only=True):
    """A control group (`holdout`, a share) and variants; `salt` defaults to the campaign's id."""

    holdout: Annotated[float, Meta(ge=0, le=1)] = 0.0
    variants: Annotated[tuple[Variant, ...], Meta(max_length=limits.VARIANTS_MAX)] = ()
    salt: str | None = None


class Campaign(_Data, frozen=True, kw_only=True):
    """One campaign.

    id: never changes. name: for those who work with it; visitors do not see it.
    kind: promotions count for the destination's cap and keep out of crowded zones; alerts pass
        caps, quiet hours and arbitration, never consent.
    trigger: when it is considered. condition: whether it applies; none always does.
    status: only a `live` campaign speaks. tags: for lists, and for caps over a tag.
    priority: the greater wins where several would speak to one visitor at once.
    restraint: how often it may speak. experiment: a control group, and variants of the message.
    on_unknown: what a condition that nobody can evaluate does; by default it blocks all but alerts.
    ttl_s: how long the message is worth delivering; never past the start of its event.
    collapse_key: messages with the same key replace each other on the phone; default, the zone.
    channels: those it goes out on, each of them; empty means every channel.
    in_doubt: what becomes of a send whose answer was lost; by default alerts are sent again.
    on_open_if_inside: `fire` speaks to those already in the zone when the campaign or its window
        opens; `skip` waits for their next visit.
    allow_edit_entries: an entry that came about by editing the zone counts.
    into_crowded: promote even where the zone is very busy or full.
    message: what to say: texts by language, link, image, data; checked by the notifier.
    """

    id: Id
    name: Word
    kind: CampaignKind
    trigger: Trigger
    message: dict[str, Any]
    status: Status = "draft"
    tags: Words = ()
    priority: Annotated[int, Meta(ge=-1_000, le=1_000)] = 0
    condition: Condition | None = None
    on_unknown: Literal["block", "allow"] | None = None
    restraint: Restraint = Restraint()
    ttl_s: Annotated[int, Meta(ge=1, le=limits.TTL_S_MAX)] = 900
    collapse_key: Word | None = None
    channels: Words = ()
    in_doubt: Literal["drop", "resend"] | None = None
    on_open_if_inside: Literal["skip", "fire"] = "skip"
    allow_edit_entries: bool = False
    into_crowded: bool = False
    experiment: Experiment | None = None

    def unknown_allows(self) -> bool:
        """Whether a condition of unknown truth lets the campaign speak."""
        if self.on_unknown is None:
            return self.kind == "alert"
        return self.on_unknown == "allow"

    def resends_in_doubt(self) -> bool:
        """Whether a send whose answer was lost is repeated."""
        if self.in_doubt is None:
            return self.kind == "alert"
        return self.in_doubt == "resend"

    def message_of(self, variant: str | None) -> dict[str, Any]:
        """The message of a variant; the campaign's own where there is none by that name."""
        for each in self.experiment.variants if self.experiment else ():
            if each.name == variant:
                return each.message
        return self.message


def decode(data: bytes | str) -> Campaign:
    """Decode one campaign from JSON.

    Raises msgspec.ValidationError (naming the path) or msgspec.DecodeError.
    """
    return msgspec.json.decode(data, type=Campaign)


def schema() -> dict[str, Any]:
    """The JSON Schema of a campaign."""
    return msgspec.json.schema(Campaign)
