"""Pings in: checked, taken, and each accounted for."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from api import decode
from api.calls import Call, Route
from api.errors import FieldError
from engine.ingest import PingsReceipt, Refusal
from geofence.columns import Status

REFUSED: Final = {
    Status.FUTURE: "too far in the future",
    Status.TOO_OLD: "older than the oldest fix that is kept",
}
"""Reasons of what only the engine can tell to be bad: it owns the time."""


class PingsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a body of pings; the counts and `quarantined` add up to its size.

    duplicate: their visitor and fix time were seen before. late: older than the visitor's newest
    fix; they amend history and never push. suspect: a teleport or mock location, which waits for a
    second fix that agrees. discarded: their visitor has not consented to location; nothing is kept.
    quarantined: bad for ever; do not send them again.
    """

    request_id: str
    accepted: int
    duplicate: int
    late: int
    suspect: int
    discarded: int
    quarantined: list[FieldError]


async def ingest(call: Call) -> PingsAnswer:
    """Take pings in; answers once they are as durable as the settings say."""
    return await take(call, call.body(bytes), call.request.content_type)


async def take(call: Call, body: bytes, content_type: str) -> PingsAnswer:
    """Take a body of pings in for a caller. Raises Malformed, TooLarge, Overloaded, LogRefused."""
    owner = call.caller.visitor if call.caller.kind == "device" else None
    batch = decode.pings(body, content_type, owner=owner)
    receipt = await call.service.motor.ingest(batch.draft)
    return PingsAnswer(
        request_id=call.request_id,
        accepted=receipt.count(Status.ACCEPTED),
        duplicate=receipt.count(Status.DUPLICATE),
        late=receipt.count(Status.LATE),
        suspect=receipt.count(Status.SUSPECT),
        discarded=receipt.count(Refusal.NO_CONSENT),
        quarantined=_quarantined(batch, receipt),
    )


def _quarantined(batch: decode.Batch, receipt: PingsReceipt) -> list[FieldError]:
    """The faults that the decoder and the engine found, in the order of the body."""
    found = list(batch.faults)
    for status, reason in REFUSED.items():
        for row in np.flatnonzero(receipt.status == status).tolist():
            hint = ""
            if status is Status.TOO_OLD and decode.in_seconds(batch.draft.fix_ms[row]):
                hint = "; this looks like seconds, ms are wanted"
            found.append(FieldError(index=batch.rows[row], field="fix_ms", reason=reason + hint))
    return sorted(found, key=lambda fault: fault.index or 0)


ROUTES = (
    Route(
        method="POST",
        path="/v1/pings",
        handler=ingest,
        summary="Send pings: one object, an array, or one object a line",
        tag="pings",
        scopes=("pings:write",),
        device=True,
        sessions=False,
        body=bytes,
        takes=(decode.JSON, decode.NDJSON),
        answer=PingsAnswer,
    ),
)
