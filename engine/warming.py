"""Compiling ahead: what the first ping of an installation would else wait a minute for."""

from __future__ import annotations

import msgspec

from engine.ingest import PingDraft, rows_of
from engine.pipeline import Pipeline
from engine.records import Catalogue, Change, Entry, Record, Tick

START_MS = 1_700_000_000_000
STEP_MS = 60_000

_SHAPES = (
    {"geometry": {"type": "Point", "coordinates": [6.0, 45.0]}, "radius_m": 100.0},
    {
        "geometry": {"type": "LineString", "coordinates": [[6.0, 45.0], [6.001, 45.0]]},
        "half_width_m": 50.0,
        "dwell_s": 60.0,
        "confirm_s": 30.0,
        "report_cross": True,
    },
    {
        "geometry": {
            "type": "Polygon",
            "coordinates": [[[6.0, 45.0], [6.01, 45.0], [6.01, 45.01], [6.0, 45.0]]],
        }
    },
)


def warm() -> None:
    """Run a pipeline of its own through every kernel; quick where they are compiled already."""
    pipeline = Pipeline()
    entries: list[Entry] = [
        Tick(now_ms=START_MS),
        Catalogue(changes=tuple(_zone(at) for at in range(len(_SHAPES))), author="warm"),
        *(rows_of([_ping(at)]) for at in range(4)),
        Tick(now_ms=START_MS + 4 * STEP_MS),
    ]
    position = 0
    for entry in entries:
        record = Record(position=position, received_ms=START_MS, entry=entry)
        pipeline.apply(record)
        position = record.end


def _zone(at: int) -> Change:
    body = {"id": f"zone{at}", "name": {"en": "zone"}, **_SHAPES[at]}
    return Change(kind="zone", id=f"zone{at}", version=1, body=msgspec.json.encode(body))


def _ping(at: int) -> PingDraft:
    return PingDraft(
        visitors=["visitor"],
        fix_ms=[START_MS - (4 - at) * STEP_MS],
        lon=[6.0005 + 0.01 * (at == 2)],
        lat=[45.0],
        accuracy_m=[5.0],
        speed_mps=[1.0],
        flags=[0],
    )
