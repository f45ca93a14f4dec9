"""The decider's memory as plain values that msgpack can carry, and back, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from rules import campaigns as data
from rules.almanac import Almanac
from rules.compiled import Compiled
from rules.decisions import Reason
from rules.errors import SnapshotError
from rules.facts import EventFacts, VisitorFacts, ZoneFacts
from rules.ledger import Ledger
from rules.moments import Moments
from rules.restraint import RestraintBook
from rules.rulings import Occasion, Ruling
from rules.waiting import HeldRoom, WaitingRoom, Window

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = 1


class Memory(msgspec.Struct, kw_only=True):
    """The parts of a decider that make up its state."""

    campaigns: dict[str, Compiled]
    slots: dict[str, int]
    book: RestraintBook
    moments: Moments
    waiting: WaitingRoom
    held: HeldRoom
    stopped: list[Ruling]


def saved(memory: Memory) -> dict[str, Any]:
    """A decider's memory as plain values."""
    ledgers = [[visitor, each.to_builtins()] for visitor, each in memory.book.ledgers.items()]
    return {**saved_but_ledgers(memory), "ledgers": ledgers}


def saved_but_ledgers(memory: Memory) -> dict[str, Any]:
    """The same without what grows with the visitors who were told something."""
    table = _Table(memory.campaigns.values())
    waiting = [
        [visitor, window.closes_ms, [table.ruling(each) for each in window.rulings]]
        for visitor, window in memory.waiting.windows.items()
    ]
    held = [table.ruling(each) for each in memory.held.held.values()]
    stopped = [table.ruling(each) for each in memory.stopped]
    moments, book = memory.moments, memory.book
    return {
        "format": FORMAT,
        "slots": [list(each) for each in memory.slots.items()],
        "current": len(memory.campaigns),
        "campaigns": table.rows,
        "horizon_ms": book.horizon_ms,
        "totals": [list(each) for each in book.totals.items()],
        "ticked_ms": moments.ticked_ms,
        "open": [list(each) for each in moments.open.items()],
        "levels": [[*key, level] for key, level in moments.levels.items()],
        "fired": [[*key, until_ms] for key, until_ms in moments.fired.items()],
        "waiting": waiting,
        "held": held,
        "stopped": stopped,
    }


def loaded(state: dict[str, Any], settings: data.RestraintSettings, almanac: Almanac) -> Memory:
    """A decider's memory from what `saved` gave. Raises SnapshotError for another format."""
    if state.get("format") != FORMAT:
        raise SnapshotError(state.get("format"), FORMAT)
    rows = [_compiled(row, settings, almanac) for row in state["campaigns"]]
    book, moments = RestraintBook(), Moments()
    book.horizon_ms = state["horizon_ms"]
    book.ledgers = {visitor: Ledger.of(each) for visitor, each in state["ledgers"]}
    book.totals = dict(state["totals"])
    moments.ticked_ms = state["ticked_ms"]
    moments.open = dict(state["open"])
    moments.levels = {(slot, zone): level for slot, zone, level in state["levels"]}
    moments.fired = {(slot, what): until_ms for slot, what, until_ms in state["fired"]}
    waiting, held = WaitingRoom(), HeldRoom()
    for visitor, closes_ms, rulings in state["waiting"]:
        window = waiting.windows[visitor] = Window(closes_ms)
        window.rulings = [_ruling(each, rows) for each in rulings]
    for each in state["held"]:
        held.add(_ruling(each, rows))
    return Memory(
        campaigns={each.id: each for each in rows[: state["current"]]},
        slots=dict(state["slots"]),
        book=book,
        moments=moments,
        waiting=waiting,
        held=held,
        stopped=[_ruling(each, rows) for each in state["stopped"]],
    )


class _Table:
    """Campaigns by row: the current ones, then older versions that rulings still refer to."""

    def __init__(self, current: Iterable[Compiled]) -> None:
        self.rows: list[list[Any]] = []
        self._at: dict[int, int] = {}
        for each in current:
            self.row(each)

    def row(self, c: Compiled) -> int:
        if id(c) not in self._at:
            self._at[id(c)] = len(self.rows)
            slots = [list(c.zone_slots), list(c.tell_slots)]
            self.rows.append([_plain(c.campaign), c.slot, c.version, c.opened_ms, *slots])
        return self._at[id(c)]

    def ruling(self, r: Ruling) -> list[Any]:
        o = r.occasion
        return [
            self.row(r.c),
            [*o[:1], _plain(o.profile), o.zone, _plain(o.about), *o[4:7], _plain(o.event)],
            r.decided_ms,
            str(r.reason),
            list(r.detail),
            [[tag, truth, list(values)] for tag, truth, values in r.seen],
            _plain(r.event),
        ]


def _plain(value: object) -> Any:
    return msgspec.to_builtins(value, order="deterministic")


def _compiled(row: list[Any], settings: data.RestraintSettings, almanac: Almanac) -> Compiled:
    campaign, slot, version, opened_ms, zone_slots, tell_slots = row
    return Compiled(
        msgspec.convert(campaign, data.Campaign),
        settings,
        almanac,
        slot=slot,
        version=version,
        opened_ms=opened_ms,
        zone_slots=tuple(zone_slots),
        tell_slots=tuple(tell_slots),
    )


def _ruling(row: list[Any], compiled: list[Compiled]) -> Ruling:
    at, occasion, decided_ms, reason, detail, seen, event = row
    visitor, profile, zone, about, at_ms, enter_ms, position, cause = occasion
    ruling = Ruling(
        compiled[at],
        Occasion(
            visitor,
            msgspec.convert(profile, VisitorFacts),
            zone,
            msgspec.convert(about, ZoneFacts | None),
            at_ms,
            enter_ms,
            position,
            msgspec.convert(cause, EventFacts | None),
        ),
        decided_ms,
    )
    ruling.reason = Reason(reason)
    ruling.detail = tuple(detail)
    ruling.seen = [(tag, truth, tuple(values)) for tag, truth, values in seen]
    ruling.event = msgspec.convert(event, EventFacts | None)
    return ruling
