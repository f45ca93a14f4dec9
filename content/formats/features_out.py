"""Records as GeoJSON (RFC 7946) that our own reader takes back as they were."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from content.circuits import CircuitRecord
from content.events import EventRecord
from content.places import PlaceRecord

Placed = PlaceRecord | EventRecord | CircuitRecord


def feature(record: Placed) -> dict[str, Any]:
    """A record as a feature: its position or line as the geometry, null where it has none."""
    fields: dict[str, Any] = msgspec.to_builtins(record)
    geometry = fields.pop("geometry", None)
    if geometry is None and fields.get("lon") is not None:
        geometry = {"type": "Point", "coordinates": [fields.pop("lon"), fields.pop("lat")]}
    if isinstance(record, PlaceRecord):
        fields.pop("opening_hours_invalid", None)  # computed again by whoever reads it
    # `extra` stays an object of its own: its keys may be those of fields.
    return {"type": "Feature", "id": fields.pop("id"), "geometry": geometry, "properties": fields}


def write(records: Iterable[Placed]) -> bytes:
    """A FeatureCollection of records."""
    features = [feature(record) for record in records]
    return msgspec.json.encode({"type": "FeatureCollection", "features": features})
