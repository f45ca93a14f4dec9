"""What the types of a campaign cannot say: combinations that make no sense, found before launch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from msgspec import UNSET

from rules import campaigns as data
from rules import limits
from rules.errors import CampaignError, Problem
from rules.facts import LEVEL_OF

_NEEDS_ZONES = (
    data.Enter, data.Exit, data.Dwell, data.Cross, data.LevelChange, data.Broadcast,
)  # fmt: skip


def check(campaign: data.Campaign) -> None:
    """Raise CampaignError with every problem of a campaign, if it has any."""
    found = problems(campaign)
    if found:
        raise CampaignError(campaign.id, found)


def problems(campaign: data.Campaign) -> tuple[Problem, ...]:
    """Everything wrong with a campaign, field by field; empty if it can run."""
    return tuple(
        Problem(field=field, reason=reason)
        for part in (_trigger(campaign), _tree(campaign), _restraint(campaign), _life(campaign))
        for field, reason in part
    )


Found = Iterator[tuple[str, str]]


def _trigger(campaign: data.Campaign) -> Found:
    trigger = campaign.trigger
    if isinstance(trigger, _NEEDS_ZONES) and not trigger.zones and not trigger.zone_tags:
        yield "trigger.zones", "name at least one zone or zone tag"
    if isinstance(trigger, data.Near) and not trigger.places and not trigger.categories:
        yield "trigger.places", "name at least one place or category"


def _tree(campaign: data.Campaign) -> Found:
    if campaign.condition is None:
        return
    leaves = 0
    for path, depth, node in _walk(campaign.condition, "condition", 1):
        if depth > limits.CONDITION_DEPTH_MAX:
            yield path, f"deeper than {limits.CONDITION_DEPTH_MAX} levels"
            return
        if not isinstance(node, data.AllOf | data.AnyOf | data.Not):
            leaves += 1
            yield from ((f"{path}.{field}", reason) for field, reason in _leaf(node))
    if leaves > limits.CONDITION_LEAVES_MAX:
        yield "condition", f"{leaves} conditions; at most {limits.CONDITION_LEAVES_MAX}"


def _walk(node: data.Condition, path: str, depth: int) -> Iterator[tuple[str, int, data.Condition]]:
    yield path, depth, node
    if depth > limits.CONDITION_DEPTH_MAX:
        return
    if isinstance(node, data.Not):
        yield from _walk(node.of, f"{path}.of", depth + 1)
    elif isinstance(node, data.AllOf | data.AnyOf):
        for at, each in enumerate(node.of):
            yield from _walk(each, f"{path}.of[{at}]", depth + 1)


def _leaf(leaf: data.Condition) -> Found:
    match leaf:
        case data.DateRange():
            if leaf.first is None and leaf.last is None:
                yield "first", "give a first or a last date"
            elif leaf.first is not None and leaf.last is not None and leaf.first > leaf.last:
                yield "last", "before the first date"
        case data.Season():
            for field in ("first", "last"):
                if not _exists(getattr(leaf, field)):
                    yield field, "no such day"
        case data.Weekly():
            if leaf.start == "24:00":
                yield "start", "24:00 is an end, not a start"
            if len(set(leaf.days)) < len(leaf.days):
                yield "days", "named twice"
        case data.Sun():
            if leaf.from_min >= leaf.to_min:
                yield "to_min", "not after from_min"
        case data.Event():
            if leaf.event is not None and (leaf.category is not None or leaf.tag is not None):
                yield "event", "give either an event or a category or tag"
            if leaf.from_min > leaf.to_min:
                yield "to_min", "before from_min"
        case data.Level():
            yield from _level(leaf)
        case data.Attribute() | data.Feed():
            yield from _comparison(leaf)
        case _:
            pass


def _level(leaf: data.Level) -> Found:
    low, high = leaf.at_least, leaf.at_most
    if low is None and high is None and not leaf.any_of:
        yield "at_least", "give at_least, at_most or any_of"
    if low is not None and high is not None and LEVEL_OF[low] > LEVEL_OF[high]:
        yield "at_most", "below at_least"


def _comparison(leaf: data.Attribute | data.Feed) -> Found:
    several = isinstance(leaf.value, tuple)
    if several != (leaf.op == "in"):
        yield "value", "a list goes with `in`, and only with it"
    elif leaf.op == "in" and not leaf.value:
        yield "value", "empty"
    elif leaf.op == "contains" and not isinstance(leaf.value, str):
        yield "value", "contains looks for text"
    elif leaf.op in ("lt", "le", "gt", "ge") and isinstance(leaf.value, bool):
        yield "op", "yes and no have no order"


def _restraint(campaign: data.Campaign) -> Found:
    quiet = campaign.restraint.quiet_hours
    if isinstance(quiet, data.QuietHours):
        if quiet.start == "24:00":
            yield "restraint.quiet_hours.start", "24:00 is an end, not a start"
        if quiet.start == quiet.end:
            yield "restraint.quiet_hours", "quiet all day: the campaign could never speak"
    cap = campaign.restraint.per_visitor
    if cap is not UNSET and isinstance(cap, data.Cap) and cap.count == 0:
        yield "restraint.per_visitor.count", "a cap of nothing: the campaign could never speak"


def _life(campaign: data.Campaign) -> Found:
    experiment = campaign.experiment
    if experiment is None:
        return
    names = [each.name for each in experiment.variants]
    if len(set(names)) < len(names):
        yield "experiment.variants", "two variants of one name"
    if campaign.kind == "alert" and experiment.holdout > 0:
        yield "experiment.holdout", "nobody is held out from an alert"


def _exists(month_day: str) -> bool:
    try:
        date(2000, int(month_day[:2]), int(month_day[3:]))  # a leap year: 02-29 exists
    except ValueError:
        return False
    return True
