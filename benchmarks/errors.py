"""What can go wrong with a benchmark.

BenchmarkError
├── CountsDiffer    two contestants found different transitions: figures would compare nothing
├── InstanceFailed  the server under test did not start, or answered what it must not
└── WorkloadInvalid an option that no workload can be made of: field, reason
"""

from __future__ import annotations


class BenchmarkError(Exception):
    """Base of all errors of this package."""


class CountsDiffer(BenchmarkError):
    """`contestant` found `found` (enter, exit) where `expected` was right, in round `number`."""

    def __init__(
        self, contestant: str, number: int, found: tuple[int, int], expected: tuple[int, int]
    ) -> None:
        super().__init__(
            f"{contestant}, round {number}: {found[0]} enter and {found[1]} exit, "
            f"but the oracle has {expected[0]} and {expected[1]}"
        )
        self.contestant, self.number = contestant, number
        self.found, self.expected = found, expected


class InstanceFailed(BenchmarkError):
    """The server under test cannot be measured: `reason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the server under test {reason}")
        self.reason = reason


class WorkloadInvalid(BenchmarkError):
    """Option `field` of a benchmark cannot be."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason
