"""What can go wrong in rules.

RulesError
├── CampaignError   a campaign says something impossible; `problems` lists it field by field
├── UnknownTimeZoneError   the destination's time zone is not in the tz database
└── SnapshotError   a snapshot of another format
"""

from __future__ import annotations

import msgspec


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a campaign: a path as `condition.of[1].start`, and why."""

    field: str
    reason: str


class RulesError(Exception):
    """Base of every error that rules raises."""


class CampaignError(RulesError):
    """A campaign that decodes yet makes no sense."""

    def __init__(self, campaign: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(
            f"campaign {campaign}: " + "; ".join(f"{p.field}: {p.reason}" for p in problems)
        )
        self.campaign = campaign
        self.problems = problems


class UnknownTimeZoneError(RulesError):
    """The named time zone does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(f"unknown time zone {name!r}")
        self.name = name


class SnapshotError(RulesError):
    """A snapshot that this version cannot read."""

    def __init__(self, found: object, expected: int) -> None:
        super().__init__(f"snapshot format {found!r}, expected {expected}")
        self.found = found
        self.expected = expected
