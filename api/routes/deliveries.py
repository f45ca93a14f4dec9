"""Deliveries: what is in the outbox, dead letters with their reasons, and sending them again."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from api import limits
from api.calls import Call, Route
from api.errors import Invalid, NotFound, NotPossible
from engine.queries import DeliveryFilter
from notifier.lifecycle import STATES, State
from notifier.outbox import Row
from notifier.pacing import Gate


class DeliveryQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which deliveries, those that changed last first; by default those that reached nobody."""

    state: State | None = None
    channel: str | None = None
    campaign: str | None = None
    visitor: str | None = None
    cursor: Annotated[str, Meta(max_length=limits.RECORD_ID_CHARS_MAX)] | None = None
    limit: Annotated[int, Meta(ge=1, le=limits.PAGE_MAX)] = limits.PAGE_DEFAULT


class DeliveryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A notification and where it stands; times are ms since 1970, null where it was not sent."""

    id: str
    decision: str
    campaign: str
    variant: str | None
    visitor: str
    device: str
    channel: str
    lang: str
    title: str
    state: str
    reason: str
    attempts: int
    doubts: int
    provider_id: str
    created_ms: int
    due_ms: int
    expires_ms: int
    dispatched_ms: int | None
    answered_ms: int | None
    updated_ms: int


class DeliveryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Deliveries; go on with `next` as the cursor."""

    items: list[DeliveryAnswer]
    next: str | None


class ChannelState(msgspec.Struct, frozen=True, kw_only=True):
    """A channel: its notifications by state, and its breaker. `gate`: closed lets all through, open
    nothing until `until_ms`, probing one; `opened`: how often it opened since the start.
    """

    channel: str
    gate: Gate
    until_ms: int | None
    opened: int
    counts: dict[str, int]


class DeliverySummary(msgspec.Struct, frozen=True, kw_only=True):
    """Every channel that is served."""

    channels: list[ChannelState]


async def list_(call: Call) -> DeliveryPage:
    """Deliveries that fit the query."""
    query = call.query(DeliveryQuery)
    page = await call.service.store.deliveries(
        DeliveryFilter(
            state=query.state,
            channel=query.channel,
            campaign=query.campaign,
            visitor=query.visitor,
        ),
        before=_cursor(query.cursor),
        limit=query.limit,
    )
    following = None
    if page.more:
        last = page.rows[-1]
        following = f"{last.updated_ms}:{last.notification.id}"
    return DeliveryPage(items=[shown(row) for row in page.rows], next=following)


async def summary(call: Call) -> DeliverySummary:
    """How many notifications are where, and how each channel stands."""
    counts = await call.service.store.outbox.counts()
    dispatcher = call.service.dispatcher
    return DeliverySummary(
        channels=[
            ChannelState(
                channel=lane.channel,
                gate=lane.gate,
                until_ms=lane.until_ms,
                opened=lane.opened,
                counts={state: counts.get((lane.channel, state), 0) for state in STATES},
            )
            for lane in (dispatcher.status() if dispatcher is not None else ())
        ]
    )


async def requeue(call: Call) -> DeliveryAnswer:
    """Send one that ended as dead, dropped or retired once more, while its time to live lasts."""
    outbox = call.service.store.outbox
    wanted = call.part("id")
    before = await outbox.get(wanted)
    if before is None:
        raise NotFound(kind="delivery", record_id=wanted)
    now_ms = call.service.motor.clock.now_ms()
    if not await outbox.requeue([wanted], now_ms):
        if before.notification.expires_ms <= now_ms:
            raise NotPossible("its time to live is over; sent now, it would no longer help")
        raise NotPossible(f"one that is {before.state} is not sent again")
    if call.service.dispatcher is not None:
        call.service.dispatcher.wake(before.notification.channel)
    after = await outbox.get(wanted)
    assert after is not None
    return shown(after)


def shown(row: Row) -> DeliveryAnswer:
    """A row as it is answered: never the address."""
    sent = row.notification
    return DeliveryAnswer(
        id=sent.id,
        decision=sent.decision_id,
        campaign=sent.campaign,
        variant=sent.variant,
        visitor=sent.visitor,
        device=sent.device_id,
        channel=sent.channel,
        lang=sent.lang,
        title=sent.title,
        state=row.state,
        reason=row.reason,
        attempts=row.attempts,
        doubts=row.doubts,
        provider_id=row.provider_id,
        created_ms=sent.created_ms,
        due_ms=row.due_ms,
        expires_ms=sent.expires_ms,
        dispatched_ms=row.dispatched_ms,
        answered_ms=row.answered_ms,
        updated_ms=row.updated_ms,
    )


def _cursor(text: str | None) -> tuple[int, str] | None:
    if text is None:
        return None
    at, _, wanted = text.partition(":")
    if not at.isascii() or not at.isdigit() or len(at) > 18 or not wanted:
        raise Invalid.one("cursor", "is none that a page gave as `next`")
    return int(at), wanted


ROUTES = (
    Route(method="GET", path="/v1/deliveries", handler=list_, tag="deliveries",
          scopes=("decisions:read",), summary="Deliveries by state; else the dead letters",
          query=DeliveryQuery, answer=DeliveryPage),
    Route(method="GET", path="/v1/deliveries/summary", handler=summary, tag="deliveries",
          scopes=("decisions:read",), summary="Deliveries counted, and how each channel stands",
          answer=DeliverySummary),
    Route(method="POST", path="/v1/deliveries/{id}/requeue", handler=requeue, tag="deliveries",
          scopes=("visitors:write",), summary="Send what failed once more",
          answer=DeliveryAnswer, audited=True),
)  # fmt: skip
