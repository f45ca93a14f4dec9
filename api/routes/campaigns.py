"""The life of a campaign by hand: launch, pause, end; and an alert told to everyone at once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from api import limits, resources
from api.calls import Answerer, Call, Reply, Route, etag, if_version
from api.errors import Invalid, NotAllowed, NotFound, NotPossible
from api.routes.catalogue import write
from rules.campaigns import Broadcast, Campaign, Status

Action = Literal["launch", "pause", "end"]

ACTIONS: Final[dict[tuple[Status, Action], Status]] = {
    ("draft", "launch"): "live",
    ("in_review", "launch"): "live",
    ("scheduled", "launch"): "live",
    ("paused", "launch"): "live",
    ("live", "pause"): "paused",
    ("scheduled", "pause"): "paused",
    ("draft", "end"): "ended",
    ("in_review", "end"): "ended",
    ("scheduled", "end"): "ended",
    ("live", "end"): "ended",
    ("paused", "end"): "ended",
}
"""What each action makes of a campaign's status; what is not here is not possible."""


EDITS: Final = frozenset({"PUT /v1/campaigns/{id}", "POST /v1/campaigns/import"})
"""What the audit trail says of edits; launching, pausing and ending are none."""


class BroadcastBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an alert is told; by default in its own words, worth reading for an hour."""

    message: dict[str, object] | None = None
    ttl_s: Annotated[int, Meta(ge=60, le=86_400)] = 3600


def actor(action: Action) -> Answerer:
    """The handler of one action."""

    async def act(call: Call) -> Reply:
        entry = call.service.motor.catalogue("campaign").get(call.part("id"))
        if entry is None:
            raise NotFound(kind="campaign", record_id=call.part("id"))
        status = ACTIONS.get((entry.record.status, action))
        if status is None:
            raise NotPossible(f"a campaign that is {entry.record.status} cannot {action}")
        changed = msgspec.structs.replace(entry.record, status=status)
        if status == "live":
            await _second_pair_of_eyes(call)
            book = call.service.motor.pipeline.catalogue
            faults = resources.campaign_faults(changed, book, live=True)
            if faults:
                raise Invalid(faults)
        based_on = if_version(call.request)
        version = await write(
            call, "campaign", changed, entry.version if based_on is None else based_on
        )
        return Reply(body=changed, headers={"ETag": etag(version)})

    return act


async def _second_pair_of_eyes(call: Call) -> None:
    """Where the setting asks for it: an approver who is not the last editor. Raises NotAllowed."""
    if not call.service.settings.four_eyes:
        return
    call.caller.needs("campaigns:approve")
    before: int | None = None
    while True:
        page = await call.service.store.audit(
            before=before, limit=limits.PAGE_MAX, subject=call.part("id")
        )
        for row in page.rows:
            if row.what in EDITS:
                if row.who == call.caller.id:
                    raise NotAllowed(f"{row.who} edited it last: somebody else launches it")
                return
        if page.next is None:
            return
        before = page.next


async def broadcast(call: Call) -> Reply:
    """Tell an alert to everyone in its zones now, by a campaign made for it."""
    if call.service.settings.four_eyes:
        call.caller.needs("campaigns:approve")
    book = call.service.motor.pipeline.catalogue
    alert = book.find("alert", call.part("id"))
    if alert is None:
        raise NotFound(kind="alert", record_id=call.part("id"))
    if not alert.zone_ids:
        raise NotPossible("the alert names no zones, so there is nobody to tell it to")
    body = call.body(BroadcastBody)
    version = book.version("campaign", f"alert-{alert.id}")
    campaign = Campaign(
        id=f"alert-{alert.id}",
        name=next(iter(alert.name.values())),
        kind="alert",
        status="live",
        # The instant makes telling the same alert again another broadcast.
        trigger=Broadcast(
            zones=alert.zone_ids,
            at=datetime.fromtimestamp(call.service.motor.pipeline.now_ms / 1000, tz=UTC),
        ),
        message=body.message or _words(alert.name, alert.summary),
        ttl_s=body.ttl_s,
    )
    faults = resources.campaign_faults(campaign, book, live=True)
    if faults:
        raise Invalid(faults)
    made = await write(call, "campaign", campaign, None)
    return Reply(body=campaign, status=201 if not version else 200, headers={"ETag": etag(made)})


def _words(name: dict[str, str], summary: dict[str, str]) -> dict[str, object]:
    """An alert's own texts as a message: its title, and its summary where a language has one."""
    return {
        "texts": {
            lang: {"title": title, "body": summary.get(lang, title)} for lang, title in name.items()
        }
    }


ROUTES = (
    *(
        Route(method="POST", path=f"/v1/campaigns/{{id}}/{action}", handler=actor(action),
              tag="campaigns", scopes=("campaigns:write", "campaigns:approve"),
              summary=f"{action.capitalize()} a campaign", answer=Campaign, audited=True)
        for action in ("launch", "pause", "end")
    ),
    Route(method="POST", path="/v1/alerts/{id}/broadcast", handler=broadcast, tag="alerts",
          scopes=("campaigns:write", "campaigns:approve"),
          summary="Tell an alert to everyone in its zones now",
          body=BroadcastBody, answer=Campaign, status=201, audited=True),
)  # fmt: skip
