"""What can be wrong with what callers hand to the index and the tracker.

GeofenceError
└── GeometryInvalid     a geometry is not a shape a zone can have; carries every problem found
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
    """Base of all errors of this package."""


class GeometryInvalid(GeofenceError):
    """A geometry that is not a shape; `problems` has at least one entry."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        assert problems
        super().__init__("; ".join(f"{p.field}: {p.reason}" for p in problems))
        self.problems = problems
