"""Small worlds to run the engine in: Annecy with a crowd, and a square with one campaign."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from engine.pipeline import Pipeline
from engine.records import Catalogue, Change, Consent, Device, Entry, PingRows, Record, Tick
from geofence.columns import Pings

START_MS = 1_784_394_000_000  # 2026-07-18, 19:00 in Paris


def change(kind: Any, record_id: str, body: Any, version: int = 1) -> Change:
    """A catalogue change from plain data; None deletes."""
    encoded = None if body is None else json.dumps(body).encode()
    return Change(kind=kind, id=record_id, version=version, body=encoded)


def square(zone_id: str, lon: float = 6.0, **more: Any) -> dict[str, Any]:
    """A zone of about 780 by 1,110 m whose south-west corner is (lon, 45)."""
    ring = [(lon, 45.0), (lon + 0.01, 45.0), (lon + 0.01, 45.01), (lon, 45.01), (lon, 45.0)]
    return {
        "id": zone_id,
        "name": {"en": zone_id},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        **more,
    }


def campaign(campaign_id: str, trigger: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A live campaign that says little."""
    return {
        "id": campaign_id,
        "name": campaign_id,
        "kind": "promotion",
        "status": "live",
        "trigger": trigger,
        "message": {"texts": {"en": {"title": "Hello", "body": "You are in {{ zone.name }}."}}},
        "restraint": {"quiet_hours": None},
        **more,
    }


def known(visitor: str, *languages: str) -> list[Entry]:
    """A visitor with a device and all consents."""
    return [
        Device(
            device=f"{visitor}-phone",
            visitor=visitor,
            platform="android",
            languages=languages or ("en",),
            push_token=f"token-{visitor}",
        ),
        Consent(
            visitor=visitor,
            purposes={"location": True, "push": True, "analytics": False},
            at_ms=START_MS,
        ),
    ]


def pings(*fixes: tuple[str, int, float, float]) -> PingRows:
    """Good fixes: (visitor, seconds after START_MS, lon, lat)."""
    table = tuple(dict.fromkeys(visitor for visitor, _, _, _ in fixes))
    count = len(fixes)
    return PingRows.of(
        table,
        Pings(
            visitor=np.array([table.index(v) for v, _, _, _ in fixes], np.int32),
            fix_ms=np.array([START_MS + s * 1000 for _, s, _, _ in fixes], np.int64),
            lon=np.array([lon for _, _, lon, _ in fixes]),
            lat=np.array([lat for _, _, _, lat in fixes]),
            accuracy_m=np.full(count, 5, np.float32),
            speed_mps=np.full(count, 1.2, np.float32),
            flags=np.zeros(count, np.uint8),
        ),
    )


def tick(second: int) -> Tick:
    """A tick so many seconds after START_MS."""
    return Tick(now_ms=START_MS + second * 1000)


def records(entries: Iterable[Entry]) -> list[Record]:
    """Entries as a log, from position 0."""
    out: list[Record] = []
    for entry in entries:
        position = out[-1].end if out else 0
        out.append(Record(position=position, received_ms=START_MS, entry=entry))
    return out


def catalogue(*changes: Change) -> Catalogue:
    """Changes that take effect together."""
    return Catalogue(changes=changes, author="test")


def run(entries: Iterable[Entry], pipeline: Pipeline | None = None) -> list[tuple[Any, ...]]:
    """What is decided, in order: (campaign, visitor, verdict, reason)."""
    pipeline = pipeline or Pipeline()
    return [
        (d.campaign, d.visitor, d.verdict, str(d.reason))
        for record in records(entries)
        for ruling in pipeline.apply(record).rulings
        for d in (ruling.decision(),)
    ]


def decisions_of(log: Sequence[Record]) -> list[Any]:
    """Every decision of a log, in full."""
    pipeline = Pipeline()
    return [r.decision() for record in log for r in pipeline.apply(record).rulings]
