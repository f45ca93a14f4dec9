"""Previews: a message in all its languages, as phones will show it; nobody is told."""

from __future__ import annotations

from typing import Any

import msgspec

from api import bodies
from api.calls import Call, Route
from api.errors import FieldError, Invalid, NotFound
from engine.planner import preview_values, supplied
from notifier import languages, messages
from notifier.messages import Message, Problem
from notifier.preview import Preview, previews


class PreviewBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A message, or a campaign whose message (or a variant's) is meant; for a sample of every
    variable, or for a visitor, zone, place and event that are there.
    """

    message: dict[str, Any] | None = None
    campaign: str | None = None
    variant: str | None = None
    visitor: str | None = None
    zone: str | None = None
    place: str | None = None
    event: str | None = None


class PreviewAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The message by language. `reads`: the one that the visitor would be told in. `problems`: all
    that would keep the message from being launched.
    """

    previews: list[Preview]
    reads: str | None
    problems: list[Problem]


async def preview(call: Call) -> PreviewAnswer:
    """Render a message, and send nothing."""
    body = call.body(PreviewBody)
    pipeline = call.service.motor.pipeline
    message, names = _message(call, body)
    known = pipeline.visitors.find(body.visitor) if body.visitor is not None else None
    if body.visitor is not None and known is None:
        raise NotFound(kind="visitor", record_id=body.visitor)
    for kind in ("zone", "place"):
        wanted = getattr(body, kind)
        if wanted is not None and pipeline.catalogue.find(kind, wanted) is None:
            raise NotFound(kind=kind, record_id=wanted)
    if body.event is not None and body.event not in pipeline.facts.events:
        raise NotFound(kind="event", record_id=body.event)
    destination = pipeline.catalogue.destination
    default = destination.default_language if destination is not None else "en"
    values = preview_values(
        pipeline, visitor=body.visitor, zone=body.zone, place=body.place, event=body.event
    )
    return PreviewAnswer(
        previews=previews(
            message, values, default=default, time_zone=pipeline.facts.destination.time_zone
        ),
        reads=languages.choose(known.languages, message.texts, default) if known else None,
        problems=list(messages.check(message, names, default)),
    )


def _message(call: Call, body: PreviewBody) -> tuple[Message, frozenset[str] | None]:
    """The message that is meant, and the variables that its campaign supplies, None for all."""
    if (body.message is None) == (body.campaign is None):
        raise Invalid.one("message", "give either a message or a campaign")
    if body.message is not None:
        return _decoded(body.message), None
    campaign = call.service.motor.pipeline.catalogue.find("campaign", body.campaign or "")
    if campaign is None:
        raise NotFound(kind="campaign", record_id=body.campaign or "")
    raw = campaign.message
    if body.variant is not None:
        variants = campaign.experiment.variants if campaign.experiment else ()
        found = {each.name: each.message for each in variants}
        if body.variant not in found:
            raise Invalid.one("variant", f"the campaign has no variant {body.variant!r}")
        raw = found[body.variant]
    return _decoded(raw), supplied(campaign)


def _decoded(raw: Any) -> Message:
    try:
        return bodies.convert(raw, Message)
    except Invalid as error:
        raise Invalid(
            [
                FieldError(field=f"message.{each.field}".rstrip("."), reason=each.reason)
                for each in error.errors
            ]
        ) from error


ROUTES = (
    Route(method="POST", path="/v1/messages/preview", handler=preview, tag="campaigns",
          scopes=("campaigns:read",), summary="A message in all languages, as phones will show it",
          body=PreviewBody, answer=PreviewAnswer),
)  # fmt: skip
