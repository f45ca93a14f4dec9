"""Errors of the doors; `api.problems` gives each its HTTP status.

ApiError
├── Malformed            the body is not what its content type says
├── Invalid              the body is well-formed and its fields are wrong
├── UnsupportedType      the content type is none that the route takes
├── TooLarge             more bytes or more records than the route takes
├── NotAuthenticated     no credential, or one that does not hold
├── NotAllowed           the credential does not reach this far
├── NotFound             no such record
├── NotPossible          the record's state does not allow it
├── NotModified          the caller has the newest version
├── RateLimited          more requests than agreed
├── Unavailable          starting, stopping, or something it needs is away
├── SettingInvalid       a setting of a file, the environment or the command line
└── Refused              a command cannot be carried out (command line)
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class FieldError(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong with one field; `index` is the record's place in a batch."""

    field: str
    reason: str
    index: int | None = None


class ApiError(Exception):
    """Base of what the doors raise for conditions a caller can meet."""


class Malformed(ApiError):
    """The body cannot be read; `at` says where."""

    def __init__(self, reason: str, *, at: str = "") -> None:
        super().__init__(f"{reason} ({at})" if at else reason)
        self.reason = reason
        self.at = at


class Invalid(ApiError):
    """Well-formed, and wrong in the fields of `errors`."""

    def __init__(self, errors: Sequence[FieldError], *, detail: str = "") -> None:
        super().__init__(detail or "; ".join(f"{e.field}: {e.reason}" for e in errors[:5]))
        self.errors = tuple(errors)

    @staticmethod
    def one(field: str, reason: str) -> Invalid:
        """The error of a single field."""
        return Invalid([FieldError(field=field, reason=reason)])


class UnsupportedType(ApiError):
    """The content type is not among `accepted`."""

    def __init__(self, *, found: str, accepted: Sequence[str]) -> None:
        super().__init__(
            f"the content type {found or '(none)'} is not taken here; send {' or '.join(accepted)}"
        )
        self.accepted = tuple(accepted)


class TooLarge(ApiError):
    """More than `limit` of `what`."""

    def __init__(self, *, what: str, limit: int) -> None:
        super().__init__(f"at most {limit:,} {what} in one request")
        self.what = what
        self.limit = limit


class NotAuthenticated(ApiError):
    """No credential, or one that does not hold; `expired` asks the caller to refresh."""

    def __init__(self, reason: str, *, expired: bool = False) -> None:
        super().__init__(reason)
        self.expired = expired


class NotAllowed(ApiError):
    """The credential is good and lacks `scope`."""

    def __init__(self, reason: str, *, scope: str = "") -> None:
        super().__init__(reason)
        self.scope = scope


class NotFound(ApiError):
    """No record of that kind has that id."""

    def __init__(self, *, kind: str, record_id: str) -> None:
        super().__init__(f"there is no {kind} {record_id}")
        self.kind = kind
        self.record_id = record_id


class NotPossible(ApiError):
    """The request is good, and the record is in no state for it."""


class NotModified(ApiError):
    """The caller's version, `etag`, is the newest."""

    def __init__(self, *, etag: str) -> None:
        super().__init__("not modified")
        self.etag = etag


class RateLimited(ApiError):
    """Too many requests; room again in `retry_after_s`."""

    def __init__(self, *, retry_after_s: float) -> None:
        super().__init__("more requests than this caller is allowed")
        self.retry_after_s = retry_after_s


class Unavailable(ApiError):
    """Not now: `reason`."""

    def __init__(self, reason: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class SettingInvalid(ApiError):
    """The setting `name`, read from `source`, cannot be used."""

    def __init__(self, *, name: str, source: str, reason: str) -> None:
        super().__init__(f"{name} ({source}): {reason}")
        self.name = name
        self.source = source
        self.reason = reason


class Refused(ApiError):
    """A command that cannot be carried out, in one sentence."""
