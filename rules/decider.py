"""The decider: occasions in, rulings out.

A transition that no campaign watches costs a few nanoseconds of numpy. For the others, each
watching campaign is judged in the order of `rules.rulings.STAGES`. What passes speaks at once or
waits in its visitor's arbitration window, which closes on a tick. Nothing here depends on how the
log was cut into batches: a ruling is a function of its ping, the last tick, and what was ruled
before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from geofence.columns import F32, I64, U8, Cause, Kind, Transitions
from rules import campaigns as data
from rules.almanac import Almanac
from rules.compiled import Compiled, Trigger
from rules.conditions import FALSE, TRUE, UNKNOWN, Question, Seen
from rules.decisions import Reason
from rules.experiments import held_out, variant_of
from rules.facts import LEVEL_NAMES, Destination, Facts, Level
from rules.ledger import Ledger
from rules.moments import Moments
from rules.recheck import changed
from rules.restraint import RestraintBook
from rules.rulings import Occasion, Ruling
from rules.snapshots import Memory, loaded, saved, saved_but_ledgers
from rules.waiting import HeldRoom, WaitingRoom
from rules.watching import Watching

_NEVER_PUSHES = {
    int(Cause.TIMEOUT): Reason.TIMEOUT,
    int(Cause.BACKLOG): Reason.BACKLOG,
}
_TIMER, _EDIT, _EXIT = int(Cause.TIMER), int(Cause.EDIT), int(Kind.EXIT)
_RED = int(Level.VERY_BUSY)


class Decider:
    """Live campaigns and the memory of what was said. Raises UnknownTimeZoneError.

    The engine calls `on_transitions` for each batch and `tick` for each tick, after the
    transitions of that tick; both read the facts as of the last tick.
    """

    def __init__(self, destination: Destination, settings: data.RestraintSettings) -> None:
        self.settings = settings
        self.almanac = Almanac(destination)
        self.book = RestraintBook()
        self.waiting = WaitingRoom()
        self.held = HeldRoom()
        self.moments = Moments()
        self.watching = Watching()
        self.campaigns: dict[str, Compiled] = {}
        self.slots: dict[str, int] = {}
        self._with_moments: list[Compiled] = []
        self._stopped: list[Ruling] = []
        self._fix_age_ms_max = settings.push_max_fix_age_s * 1000

    def move(self, destination: Destination) -> None:
        """Take another destination's clock and sun; campaigns follow when they are put again."""
        if destination != self.almanac.destination:
            self.almanac = Almanac(destination)

    # --- campaigns -------------------------------------------------------------------------------

    @property
    def watch(self) -> U8:
        """A byte a zone slot; bit 1 << Kind is set where a live campaign listens to that kind."""
        return self.watching.bits

    def dwells_ms(self, zone: int) -> tuple[int, ...]:
        """The dwell times that live campaigns want from a zone slot, ascending."""
        return self.watching.dwells_ms(zone)

    def put_campaign(
        self,
        campaign: data.Campaign,
        zone_slots: Iterable[int],
        *,
        version: int,
        now_ms: int,
        tell_slots: Iterable[int] = (),
    ) -> None:
        """Add or replace a campaign; only a live one does anything.

        zone_slots: the zones that its trigger names by id or tag, or the hidden circles drawn for
        a near or event_soon trigger. tell_slots: those of LevelChange.tell or EventSoon.zones.
        An edit of a live campaign keeps the instant at which it opened; putting the same again
        costs next to nothing.
        """
        zones, tells = tuple(sorted(set(zone_slots))), tuple(sorted(set(tell_slots)))
        before = self.campaigns.get(campaign.id)
        if before is not None and before.is_of(campaign, version, zones, tells, self.almanac):
            return
        slot = self.slots.setdefault(campaign.id, len(self.slots))
        opened_ms = before.opened_ms if before is not None and before.live else now_ms
        self._put(
            Compiled(
                campaign,
                self.settings,
                self.almanac,
                slot=slot,
                version=version,
                opened_ms=opened_ms,
                zone_slots=zones,
                tell_slots=tells,
            )
        )

    def _put(self, c: Compiled) -> None:
        self.campaigns[c.id] = c
        self.book.horizon_ms = max(self.book.horizon_ms, c.memory_ms)
        self._listen(c.slot, c if c.live else None)

    def remove_campaign(self, campaign_id: str) -> None:
        """Remove a campaign; what it sent still counts, and what waits is not sent."""
        c = self.campaigns.pop(campaign_id, None)
        if c is not None:
            self._listen(c.slot, None)

    def _listen(self, slot: int, c: Compiled | None) -> None:
        """Let a campaign slot hear what `c` asks for; None stops it, the next tick says so."""
        pending = [*self.waiting.of(slot), *self.held.of(slot)]
        for ruling in pending:
            if c is not None:
                ruling.c = c
        if c is None:
            self.moments.forget(slot)
            self._stopped += pending
            for ruling in pending:
                ruling.reason, ruling.detail = Reason.NOT_LIVE, ()
                self.waiting.drop(ruling)
                self.held.drop(ruling)
        live = [each for each in self.campaigns.values() if each.live]
        with_moments = (each for each in live if each.has_moments)
        self._with_moments = sorted(with_moments, key=lambda each: each.order)
        self.watching.put(slot, c)

    # --- what happens ----------------------------------------------------------------------------

    def on_transitions(
        self,
        transitions: Transitions,
        positions: I64,
        facts: Facts,
        speeds: F32 | None = None,
        position: int | None = None,
    ) -> list[Ruling]:
        """Rule on transitions, in their order.

        positions, speeds: one a ping of the batch, log position and m/s (negative where unknown).
        position: that of rows without a ping, by default the last tick's.
        """
        hits = self.watching.hits(transitions.zone, transitions.kind)
        if not hits.size:
            return []
        row = transitions.row[hits]
        caused = row >= 0
        at = np.full(len(row), facts.position if position is None else position, np.int64)
        at[caused] = positions[row[caused]]
        speed = np.full(len(row), -1.0, np.float32)
        if speeds is not None:
            speed[caused] = speeds[row[caused]]
        rulings: list[Ruling] = []
        q = Question(facts, self.slots)
        fresh_ms = facts.now_ms - self._fix_age_ms_max
        columns = (
            transitions.visitor[hits].tolist(),
            transitions.zone[hits].tolist(),
            transitions.kind[hits].tolist(),
            transitions.cause[hits].tolist(),
            transitions.at_ms[hits].tolist(),
            transitions.enter_ms[hits].tolist(),
            transitions.dwell_ms[hits].tolist(),
            at.tolist(),
            speed.tolist(),
        )
        for visitor, zone, kind, cause, at_ms, enter_ms, dwell_ms, where, mps in zip(
            *columns, strict=True
        ):
            profile = facts.visitor(visitor)
            if profile is None:
                continue
            listeners = self.watching.listeners(zone, kind, dwell_ms)
            if listeners:
                occasion = Occasion(
                    visitor, profile, zone, facts.zones[zone], at_ms, enter_ms, where, None
                )
                q.speed_mps = mps
                ordinary = cause <= _TIMER and at_ms >= fresh_ms
                for c in listeners:
                    if ordinary and enter_ms >= c.opened_ms:
                        self._ask(c, occasion, q, rulings)
                    else:
                        self._consider(c, occasion, cause, q, rulings)
            if kind == _EXIT:
                leavers = self.watching.leavers.get(zone)
                if leavers:
                    self.book.leave(visitor, zone, leavers, facts.now_ms)
        return rulings

    def tick(self, facts: Facts) -> list[Ruling]:
        """Rule on what the clock brings: windows that close, quiet hours that end, and moments."""
        rulings, self._stopped = self._stopped, []
        for ruling in rulings:
            ruling.decided_ms = facts.now_ms
        q = Question(facts, self.slots)
        for window in self.waiting.due(facts.now_ms):
            self._close(window, facts, rulings)
        for ruling in self.held.due(facts.now_ms):
            self._resume(ruling, q, rulings)
        for c, occasion in self.moments.occasions(self._with_moments, q):
            q.speed_mps = -1.0
            self._ask(c, occasion, q, rulings)
        self.moments.end(facts.now_ms)
        return rulings

    def release(self, decision_id: str, visitor: int) -> bool:
        """Give back what a send reserved, as its delivery failed; False if it held nothing."""
        return self.book.release(decision_id, visitor)

    def forget(self, visitor: int) -> None:
        """Erase a visitor slot: what it was sent, and what waits for it."""
        self.book.ledgers.pop(visitor, None)
        self.waiting.forget(visitor)
        self.held.forget(visitor)
        self._stopped = [each for each in self._stopped if each.visitor != visitor]

    # --- state -----------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The decider's state as values that msgpack can carry; settings are not part of it."""
        return saved(self._memory())

    def freeze(self) -> tuple[dict[str, Any], dict[int, Ledger]]:
        """The snapshot without its `ledgers`, and those as they are now, which nobody changes any
        more: `[[visitor, ledger.to_builtins()], ...]` of them completes it, at any later time.
        """
        return saved_but_ledgers(self._memory()), self.book.freeze()

    def _memory(self) -> Memory:
        return Memory(
            campaigns=self.campaigns,
            slots=self.slots,
            book=self.book,
            moments=self.moments,
            waiting=self.waiting,
            held=self.held,
            stopped=self._stopped,
        )

    @classmethod
    def restore(
        cls, destination: Destination, settings: data.RestraintSettings, state: dict[str, Any]
    ) -> Decider:
        """A decider that goes on where the one of the snapshot was. Raises SnapshotError."""
        decider = cls(destination, settings)
        memory = loaded(state, settings, decider.almanac)
        decider.campaigns, decider.slots = memory.campaigns, memory.slots
        for c in memory.campaigns.values():
            if c.live:
                decider._listen(c.slot, c)
        decider.book, decider.moments = memory.book, memory.moments
        decider.waiting, decider.held = memory.waiting, memory.held
        decider._stopped = memory.stopped
        return decider

    # --- judging ---------------------------------------------------------------------------------

    def _consider(
        self, c: Compiled, occasion: Occasion, cause: int, q: Question, rulings: list[Ruling]
    ) -> None:
        """Judge a campaign on a transition that may be too old, too odd or too early to push."""
        if cause in _NEVER_PUSHES:
            return self._suppress(c, occasion, q, _NEVER_PUSHES[cause], (), rulings)
        if cause == _EDIT and not c.campaign.allow_edit_entries:
            return self._suppress(c, occasion, q, Reason.EDITED_ZONE, (), rulings)
        age_ms = q.now_ms - occasion.at_ms
        if age_ms > self._fix_age_ms_max:
            detail = (age_ms, self._fix_age_ms_max)
            return self._suppress(c, occasion, q, Reason.STALE_FIX, detail, rulings)
        if occasion.enter_ms < c.opened_ms and c.trigger is not Trigger.EXIT:
            if c.campaign.on_open_if_inside == "skip":
                detail = (occasion.enter_ms, c.opened_ms)
                return self._suppress(c, occasion, q, Reason.OPENED_INSIDE, detail, rulings)
            if occasion.at_ms < c.opened_ms and c.slot not in self.moments.open:
                return None  # the next tick speaks to all who are inside
        return self._ask(c, occasion, q, rulings)

    def _suppress(
        self,
        c: Compiled,
        occasion: Occasion,
        q: Question,
        reason: Reason,
        detail: tuple[Any, ...],
        rulings: list[Ruling],
    ) -> None:
        ruling = Ruling(c, occasion, q.now_ms)
        ruling.reason, ruling.detail = reason, detail
        rulings.append(ruling)

    def _ask(self, c: Compiled, occasion: Occasion, q: Question, rulings: list[Ruling]) -> None:
        """Judge a campaign on an occasion that may push: speak, wait, hold, or say why not."""
        ruling = Ruling(c, occasion, q.now_ms)
        if not (self._judge(ruling, q) and self._restrain(ruling, q.facts)):
            self._refuse(ruling, rulings)
        elif not c.waits:
            self._speak(ruling, q.facts)
            rulings.append(ruling)
        else:
            closes_ms = q.now_ms + self.settings.arbitration_window_ms
            worst = self.waiting.add(ruling, closes_ms)
            if worst is not None:
                best = min(self.waiting.windows[worst.visitor].rulings, key=lambda each: each.rank)
                _lose(worst, best)
                rulings.append(worst)

    def _judge(self, ruling: Ruling, q: Question) -> bool:
        """Consent and conditions; sets the reason where they refuse."""
        c, o = ruling.c, ruling.occasion
        missing = c.need & ~o.profile.consents
        if missing:
            ruling.reason, ruling.detail = Reason.CONSENT, (missing,)
            return False
        if c.clock is None and c.rest is None:
            return True
        seen: list[Seen] = []
        ruling.seen = seen
        if c.clock is not None and c.clock.run(q, seen) == FALSE:
            ruling.reason = Reason.WINDOW
            return False
        if c.rest is None:
            return True
        q.visitor, q.profile, q.zone, q.event = o.visitor, o.profile, o.zone, o.event
        q.ledger = self.book.ledgers.get(o.visitor)
        truth = c.rest.run(q, seen)
        ruling.event = q.event
        if truth == TRUE or (truth == UNKNOWN and c.unknown_allows):
            return True
        ruling.reason = Reason.CONDITION if truth == FALSE else Reason.UNKNOWN
        return False

    def _restrain(self, ruling: Ruling, facts: Facts) -> bool:
        """Crowding, expiry, cooldowns, caps and quiet hours; sets the reason where they refuse."""
        c, o, now_ms = ruling.c, ruling.occasion, ruling.decided_ms
        event = ruling.event
        if c.shuns_crowds and facts.levels and self._crowded(ruling, facts):
            return False
        if event is not None and ruling.expires_ms <= now_ms:
            ruling.reason, ruling.detail = Reason.EXPIRED, (event.id, event.end_ms)
            return False
        refusal = self.book.refusal(c, o.visitor, o.zone, now_ms)
        if refusal is not None:
            ruling.reason, ruling.detail = refusal
            return False
        if c.quiet is not None and c.quiet.now(now_ms):
            ruling.reason = Reason.QUIET_HOURS
            ruling.detail = (self.almanac.clock.text(now_ms), "hold" if c.quiet.holds else "drop")
            return False
        return True

    def _crowded(self, ruling: Ruling, facts: Facts) -> bool:
        """Whether the zone, or one of the event's, is red; sets the reason if so."""
        zone = -1 if ruling.c.trigger is Trigger.EXIT else ruling.occasion.zone
        zones = (zone,) if ruling.event is None else (zone, *ruling.event.zone_slots)
        for each in zones:
            level = facts.level(each)
            if level >= _RED:
                ruling.reason = Reason.CROWDED
                ruling.detail = (facts.zones[each].id, LEVEL_NAMES[level])
                return True
        return False

    def _refuse(self, ruling: Ruling, rulings: list[Ruling]) -> None:
        """Say why not; or hold, where quiet hours are all that stands against it."""
        quiet = ruling.c.quiet
        if ruling.reason is Reason.QUIET_HOURS and quiet is not None and quiet.holds:
            replaced = self.held.add(ruling)
            if replaced is not None:
                rulings.append(replaced)
        else:
            rulings.append(ruling)

    def _speak(self, ruling: Ruling, facts: Facts) -> None:
        """Send, unless the visitor is in a control group; both count for caps."""
        c, o = ruling.c, ruling.occasion
        ruling.level = facts.level(o.zone)
        if c.experiments:
            group = held_out(c.campaign, self.settings, o.profile.id)
            if group is not None:
                ruling.reason, ruling.detail = Reason.HOLDOUT, (group,)
            ruling.variant = variant_of(c.campaign, o.profile.id)
        self.book.reserve(ruling, real=ruling.sends)

    # --- later -----------------------------------------------------------------------------------

    def _close(self, window: list[Ruling], facts: Facts, rulings: list[Ruling]) -> None:
        """One speaks, the best that still may; the others lose."""
        winner: Ruling | None = None
        for ruling in window:
            if not (self._still_due(ruling, facts) and self._still_there(ruling, facts)):
                rulings.append(ruling)
            elif winner is not None:
                _lose(ruling, winner)
                rulings.append(ruling)
            elif self._restrain(ruling, facts):
                self._speak(ruling, facts)
                winner = ruling
                rulings.append(ruling)
            else:
                self._refuse(ruling, rulings)

    def _resume(self, held: Ruling, q: Question, rulings: list[Ruling]) -> None:
        """Quiet hours are over: whoever is still there is judged anew."""
        ruling = Ruling(held.c, held.occasion, q.now_ms)
        ruling.event, ruling.seen = held.event, held.seen
        if not (self._still_due(ruling, q.facts) and self._stays(ruling, q.facts)):
            rulings.append(ruling)
            return
        q.speed_mps = -1.0
        self._ask(ruling.c, ruling.occasion, q, rulings)

    def _still_there(self, ruling: Ruling, facts: Facts) -> bool:
        """Whether what a window waited with is still fresh and its visitor still there.

        The window may close hours late, when the engine was down meanwhile.
        """
        age_ms = facts.now_ms - ruling.occasion.at_ms
        most_ms = self._fix_age_ms_max + self.settings.arbitration_window_ms
        if age_ms > most_ms:
            ruling.reason, ruling.detail = Reason.STALE_FIX, (age_ms, most_ms)
            return False
        return self._stays(ruling, facts)

    def _stays(self, ruling: Ruling, facts: Facts) -> bool:
        """Whether a visitor is still in the zone that a ruling that waited is about."""
        o = ruling.occasion
        stays = ruling.c.trigger not in (Trigger.EXIT, Trigger.CROSS) and o.zone >= 0
        if stays and not facts.presence.is_inside(o.visitor, o.zone):
            ruling.reason = Reason.LEFT
            return False
        return True

    def _still_due(self, ruling: Ruling, facts: Facts) -> bool:
        """Bring a ruling that waited up to date; sets the reason if what it was about is over."""
        ruling.decided_ms = facts.now_ms
        profile = facts.visitor(ruling.visitor)
        if profile is not None:
            ruling.occasion = ruling.occasion._replace(profile=profile)
        missing = ruling.c.need & ~ruling.occasion.profile.consents
        if missing or profile is None:
            ruling.reason, ruling.detail = Reason.CONSENT, (missing,)
            return False
        status = changed(ruling.event, facts) if ruling.event is not None else None
        if ruling.event is not None and status is not None:
            ruling.reason, ruling.detail = Reason.EVENT_CHANGED, (ruling.event.id, status)
            return False
        return True


def _lose(ruling: Ruling, winner: Ruling) -> None:
    ruling.reason = Reason.LOST_ARBITRATION
    ruling.detail = (winner.c.id, winner.c.campaign.priority)
