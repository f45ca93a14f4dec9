"""What the room refuses.

GeofenceError
├── GeometryInvalid  a geometry that is no shape of a zone: problems, each placed
├── ZoneInvalid      a zone that cannot be tracked: field, reason
├── OverlapExceeded  more zones over one spot than the index lists: zone, limit
├── ZoneUnknown      no zone of that id
├── PingsInvalid     a batch whose columns cannot be read: column, reason, row
├── RulesInvalid     tracking rules that contradict one another: field, reason
└── SnapshotInvalid  arrays that are no snapshot of these rules and zones: reason
"""

from __future__ import annotations

import msgspec


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One fault of a geometry: the field as a path, why, and where on the map if that is known."""

    field: str
    reason: str
    lon: float | None = None
    lat: float | None = None


class GeofenceError(Exception):
    """Base of everything that this package raises on bad input."""


class GeometryInvalid(GeofenceError):
    """A geometry that is not a shape; `problems` has at least one entry."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{p.field}: {p.reason}" for p in problems))
        self.problems = problems


class ZoneInvalid(GeofenceError):
    """A zone that cannot be tracked. `zone` is its id, `field` the part at fault."""

    def __init__(self, zone: str, field: str, reason: str) -> None:
        super().__init__(f"zone {zone!r}: {field}: {reason}")
        self.zone, self.field, self.reason = zone, field, reason


class OverlapExceeded(GeofenceError):
    """Zone `zone` would be one too many over a spot; `limit` zones fit."""

    def __init__(self, zone: str, limit: int) -> None:
        super().__init__(f"zone {zone!r}: more than {limit} zones over one spot")
        self.zone, self.limit = zone, limit


class ZoneUnknown(GeofenceError):
    """No zone has the id `zone`."""

    def __init__(self, zone: str) -> None:
        super().__init__(f"no zone {zone!r}")
        self.zone = zone


class PingsInvalid(GeofenceError):
    """Column `column` of a batch cannot be read; `row` is the first bad row, -1 for all."""

    def __init__(self, column: str, reason: str, row: int = -1) -> None:
        super().__init__(f"pings: {column}: {reason}" + (f" (row {row})" if row >= 0 else ""))
        self.column, self.reason, self.row = column, reason, row


class RulesInvalid(GeofenceError):
    """Rule `field` cannot be."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"tracking rules: {field}: {reason}")
        self.field, self.reason = field, reason


class SnapshotInvalid(GeofenceError):
    """The arrays are no snapshot of a tracker with these zones."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"snapshot: {reason}")
        self.reason = reason
