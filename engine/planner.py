"""From decisions to notifications: looks up names and times, and lets the notifier plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import structlog

from engine import limits
from engine.pipeline import Pipeline
from engine.records import Device
from notifier import plan as planning
from notifier.errors import TemplateRefused
from notifier.messages import Message, Rendered, used
from notifier.notifications import Notification
from notifier.variables import sample
from rules.campaigns import AllOf, AnyOf, Campaign, Condition, Event, EventSoon, Near
from rules.decisions import Decision
from rules.facts import LEVEL_NAMES

log = structlog.get_logger("engine.planner")


ALWAYS_SUPPLIED = frozenset({"destination", "feed", "now", "sunrise", "sunset", "visitor"})


def supplied(campaign: Campaign) -> frozenset[str]:
    """First words of the variables that a campaign's messages can use."""
    trigger = campaign.trigger
    names = set(ALWAYS_SUPPLIED)
    if isinstance(trigger, Near):
        names |= {"place", "dwell"}
    elif not isinstance(trigger, EventSoon):
        names |= {"zone", "level", "dwell"}
    if isinstance(trigger, EventSoon) or _speaks_of_event(campaign.condition):
        names |= {"event", "starts_in", "place"}
    return frozenset(names)


def _speaks_of_event(condition: Condition | None) -> bool:
    """Whether a condition that must hold finds an event for the message to speak of."""
    if isinstance(condition, AllOf):
        return any(_speaks_of_event(part) for part in condition.of)
    if isinstance(condition, AnyOf):
        return all(_speaks_of_event(part) for part in condition.of)
    return isinstance(condition, Event)


def addresses(device: Device) -> Iterator[planning.Device]:
    """Where pushes to a device can go, by channel."""
    if device.push_token:
        yield planning.Device(
            id=device.device,
            address=device.push_token,
            platform=device.platform,
            languages=device.languages,
        )
    if device.web_push is not None:
        keys = {"p256dh": device.web_push.p256dh, "auth": device.web_push.auth}
        found = msgspec.json.encode({"endpoint": device.web_push.endpoint, "keys": keys})
        yield planning.Device(
            id=device.device,
            channel="webpush",
            address=found.decode(),
            address_kind="subscription",
            platform=device.platform,
            languages=device.languages,
        )


class Planner:
    """Plans against one pipeline's state as it stands when the decision was taken."""

    def __init__(self, pipeline: Pipeline, channels: tuple[str, ...]) -> None:
        self._pipeline = pipeline
        self._channels = channels
        self._messages: dict[tuple[str, int, str | None], Message] = {}
        self._impersonal: dict[tuple[str, int, str | None], bool] = {}
        # Of the record at hand: an alert to everyone is rendered once a language, not once a phone.
        self._shared: dict[tuple[Any, ...], tuple[dict[str, Any], dict[Any, Rendered]]] = {}
        self._shared_at = -1

    def notifications(self, decision: Decision) -> tuple[Notification, ...]:
        """What a decision to send makes; nothing for the others."""
        if decision.verdict != "send":
            return ()
        visitor = self._pipeline.visitors.find(decision.visitor)
        campaign = self._pipeline.catalogue.find("campaign", decision.campaign)
        if visitor is None or campaign is None:
            return ()
        destination = self._pipeline.catalogue.destination
        message = self._message(campaign, decision)
        variables, rendered = self._filled(decision, message)
        plan = planning.plan(
            planning.Request(
                decision_id=decision.id,
                campaign=decision.campaign,
                visitor=decision.visitor,
                languages=visitor.languages,
                push_consent=visitor.allows("push"),
                channels=decision.channels,
                decided_ms=decision.decided_ms,
                expires_ms=decision.expires_ms,
                collapse_key=decision.collapse_key or None,
                in_doubt="resend" if decision.resend_in_doubt else "drop",
                variables=variables,
                variant=decision.variant,
            ),
            message,
            [each for device in visitor.devices.values() for each in addresses(device)],
            planning.Home(
                default_language=destination.default_language if destination else "en",
                time_zone=self._pipeline.facts.destination.time_zone,
            ),
            self._channels,
            rendered,
        )
        for skipped in plan.skipped:
            if skipped.reason == "render_failed":
                log.warning(
                    "message.not_rendered", campaign=decision.campaign, detail=skipped.detail
                )
        return plan.notifications

    def _filled(
        self, decision: Decision, message: Message
    ) -> tuple[dict[str, Any], dict[Any, Rendered]]:
        """The values of a decision's message, and what was rendered with them before.

        While one record's decisions are planned the state stands still, so that decisions with the
        same cause share them, unless the message speaks of the visitor.
        """
        told = (decision.campaign, decision.version, decision.variant)
        impersonal = self._impersonal.get(told)
        if impersonal is None:
            impersonal = self._impersonal[told] = _is_impersonal(message)
        if not impersonal:
            return self.variables(decision), {}
        if self._shared_at != self._pipeline.end:
            self._shared.clear()
            self._shared_at = self._pipeline.end
        cause = decision.trigger
        dwell_ms = None if cause.enter_ms is None else cause.at_ms - cause.enter_ms
        key = (
            *told, cause.zone, cause.place, cause.event, dwell_ms, decision.decided_ms,
            msgspec.json.encode(decision.variables),
        )  # fmt: skip
        found = self._shared.get(key)
        if found is None:
            if len(self._shared) >= limits.MESSAGES_SHARED_MAX:
                self._shared.clear()
            found = self._shared[key] = (self.variables(decision), {})
        return found

    def variables(self, decision: Decision) -> dict[str, Any]:
        """Raw values for the message's templates, as notifier.variables names them."""
        facts = self._pipeline.facts
        seen = decision.variables
        event_id, place_id = decision.trigger.event, decision.trigger.place
        values: dict[str, Any] = {
            "now_ms": decision.decided_ms,
            "feed": {name: feed.value for name, feed in facts.feeds.items()},
            "visitor": self._visitor(decision.visitor),
            **{name: seen[name] for name in ("sunset_ms", "sunrise_ms", "level") if name in seen},
        }
        destination = self._pipeline.catalogue.destination
        if destination is not None:
            values["destination"] = {"name": destination.name}
        if decision.trigger.zone is not None:
            values["zone"] = self._zone(decision.trigger.zone)
        if event_id is not None:
            event, event_place = self._event(event_id, decision.decided_ms)
            values["event"] = event
            values["starts_in_ms"] = event.get("starts_in_ms")
            place_id = place_id or event_place
        if place_id is not None:
            values["place"] = self._named("place", place_id)
        if decision.trigger.enter_ms is not None:
            values["dwell_ms"] = decision.trigger.at_ms - decision.trigger.enter_ms
        return values

    def _message(self, campaign: Campaign, decision: Decision) -> Message:
        key = (campaign.id, decision.version, decision.variant)
        found = self._messages.get(key)
        if found is None:
            raw: Mapping[str, Any] = campaign.message
            if decision.variant is not None and campaign.experiment is not None:
                chosen = {v.name: v.message for v in campaign.experiment.variants}
                raw = chosen.get(decision.variant, raw)
            found = self._messages[key] = msgspec.convert(raw, Message)
        return found

    def _visitor(self, visitor_id: str) -> dict[str, Any]:
        visitor = self._pipeline.visitors.find(visitor_id)
        if visitor is None:
            return {}
        return {
            "language": visitor.languages[0] if visitor.languages else "",
            "attributes": dict(visitor.profile.attributes) if visitor.profile else {},
        }

    def _zone(self, zone_id: str) -> dict[str, Any]:
        pipeline = self._pipeline
        record = pipeline.catalogue.find("zone", zone_id)
        if record is None:
            return {"id": zone_id}
        crowd = pipeline.crowd.of(pipeline.tracker.zone_slot(zone_id))
        return {
            "id": record.id,
            "name": record.name,
            "summary": record.summary,
            "level": LEVEL_NAMES[crowd.level],
            "occupancy": crowd.persons,
            "capacity": crowd.capacity,
        }

    def _event(self, occurrence_id: str, now_ms: int) -> tuple[dict[str, Any], str | None]:
        """An occurrence's values and its place."""
        occurrence = self._pipeline.facts.events.get(occurrence_id)
        if occurrence is None:
            return {"id": occurrence_id}, None
        record = self._pipeline.catalogue.find("event", occurrence.event)
        place = self._named("place", occurrence.place) if occurrence.place else {}
        values = {
            **self._named("event", occurrence.event),
            "start_ms": occurrence.start_ms,
            "end_ms": occurrence.end_ms,
            "starts_in_ms": max(0, occurrence.start_ms - now_ms),
            "remaining": occurrence.remaining,
            "booking_url": record.booking_url if record is not None else None,
            "place_name": place.get("name"),
        }
        return values, occurrence.place

    def _named(self, kind: str, record_id: str) -> dict[str, Any]:
        record = self._pipeline.catalogue.find(kind, record_id)
        if record is None:
            return {"id": record_id}
        return {
            "id": record.id,
            "name": record.name,
            "summary": record.summary,
            "website": getattr(record, "website", None),
        }


def _is_impersonal(message: Message) -> bool:
    try:
        return "visitor" not in used(message)
    except TemplateRefused:  # rendering will say why
        return False


def preview_values(
    pipeline: Pipeline,
    *,
    visitor: str | None = None,
    zone: str | None = None,
    place: str | None = None,
    event: str | None = None,
) -> dict[str, Any]:
    """Raw values for a preview: of what is named as it is now, else a sample of every variable."""
    planner = Planner(pipeline, ())
    values = sample()
    if pipeline.now_ms:
        values["now_ms"] = pipeline.now_ms
    destination = pipeline.catalogue.destination
    if destination is not None:
        values["destination"] = {"name": destination.name}
    if visitor is not None:
        values["visitor"] = planner._visitor(visitor)
    if zone is not None:
        values["zone"] = planner._zone(zone)
        values["level"] = values["zone"].get("level")
    if event is not None:
        values["event"], event_place = planner._event(event, pipeline.now_ms)
        values["starts_in_ms"] = values["event"].get("starts_in_ms")
        place = place or event_place
    if place is not None:
        values["place"] = planner._named("place", place)
    return values
