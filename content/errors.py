"""What can go wrong with content.

ContentError
├── RecordInvalid       one record breaks a rule of its kind (also a ValueError)
├── FormatInvalid       a file as a whole cannot be read
└── TooManyOccurrences  an expansion would pass its bound
"""

from __future__ import annotations


class ContentError(Exception):
    """Base of this package's errors."""


class RecordInvalid(ContentError, ValueError):
    """One field of a record breaks a rule that its type alone does not say.

    A ValueError, so that msgspec reports it with the path when it happens while decoding.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class FormatInvalid(ContentError):
    """A file cannot be read at all; `where` is a position in it such as a byte or a member."""

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(f"{where}: {reason}" if where else reason)
        self.reason = reason
        self.where = where


class TooManyOccurrences(ContentError):
    """The window asked for holds more occurrences of events than `limit`."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit} occurrences in the window")
        self.limit = limit
