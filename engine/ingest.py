"""What a door hands to the motor, and what it gets back."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import msgspec
import numpy as np

from engine.records import CatalogueKind, PingRows
from geofence.columns import U8, Pings, Status


class Refusal(IntEnum):
    """What becomes of a ping at the edge, before the log; beside geofence's Status codes."""

    NO_CONSENT = 100  # the visitor has not consented to location: discarded, never logged


class PingDraft(NamedTuple):
    """Checked pings in arrival order, one entry a ping in every list.

    visitors: ids; fix_ms: ms since 1970; lon, lat: degrees; accuracy_m, speed_mps: -1 where
    unknown; flags: geofence.columns.PingFlag bits.
    """

    visitors: list[str]
    fix_ms: list[int]
    lon: list[float]
    lat: list[float]
    accuracy_m: list[float]
    speed_mps: list[float]
    flags: list[int]


class PingsReceipt(NamedTuple):
    """status: a Status or Refusal code for each ping of the draft."""

    status: U8

    def count(self, code: Status | Refusal) -> int:
        return int(np.count_nonzero(self.status == code))


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A change asked for: `body` is checked JSON, None deletes.

    if_version: the version the change is based on; None does not ask. 0 asks that there be none.
    """

    kind: CatalogueKind
    id: str
    body: bytes | None
    if_version: int | None = None


def rows_of(drafts: list[PingDraft]) -> PingRows:
    """Join drafts into one batch for the log."""
    table: dict[str, int] = {}
    index = [table.setdefault(v, len(table)) for draft in drafts for v in draft.visitors]

    def column(field: int, dtype: type[np.generic]) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
        return np.concatenate([np.asarray(draft[field], dtype) for draft in drafts])

    pings = Pings(
        visitor=np.asarray(index, np.int32),
        fix_ms=column(1, np.int64),  # type: ignore[arg-type]
        lon=column(2, np.float64),  # type: ignore[arg-type]
        lat=column(3, np.float64),  # type: ignore[arg-type]
        accuracy_m=column(4, np.float32),  # type: ignore[arg-type]
        speed_mps=column(5, np.float32),  # type: ignore[arg-type]
        flags=column(6, np.uint8),  # type: ignore[arg-type]
    )
    return PingRows.of(tuple(table), pings)
