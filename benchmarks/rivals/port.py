"""What a contestant of the match benchmark must do."""

from __future__ import annotations

from typing import Protocol

from geofence.columns import F64


class Matcher(Protocol):
    """Matches fixes to zones and finds who entered and left since the round before.

    Everything that can be prepared once (trees, prepared geometries) is, before the clock runs.
    """

    @property
    def name(self) -> str:
        """The key of its figures."""

    def reset(self) -> None:
        """Forget who is where."""

    def step(self, fixes: F64) -> tuple[int, int]:
        """Take one fix of each visitor, [visitors, 2] lon/lat degrees; how many enter, exit."""
