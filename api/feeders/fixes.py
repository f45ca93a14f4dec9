"""What the decoders of all apps share: fixes, moments and numbers as apps write them.

These apps send a refused request again for ever, so nothing here raises: what cannot be a fix
becomes a fault, and the rest of the request is taken. A value that is wrong costs the fix only
where there is no fix without it: time, position, and an accuracy beyond all use.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from api import decode, limits
from api.decode import UNKNOWN
from api.errors import FieldError, Malformed
from engine.ingest import PingDraft
from geofence.columns import PingFlag

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"


class Posted(NamedTuple):
    """A request as it came; `now_ms` is when."""

    query: Mapping[str, str]
    body: bytes
    content_type: str
    now_ms: int


class Fix(NamedTuple):
    """One fix: ms since 1970, degrees, metres, m/s; -1 where unknown.

    current: the app says that this is where the phone is, which is never history.
    """

    fix_ms: int
    lon: float
    lat: float
    accuracy_m: float = UNKNOWN
    speed_mps: float = UNKNOWN
    mock: bool = False
    current: bool = False


class Sent(NamedTuple):
    """What a request held: its fixes, and the faults of the rest, by place in the request."""

    fixes: list[Fix]
    faults: list[FieldError]

    def add(self, found: Fix | FieldError) -> None:
        """Put a decoded item where it belongs."""
        if isinstance(found, Fix):
            self.fixes.append(found)
        else:
            self.faults.append(found)


Decoder = Callable[[Posted], Sent]


def nothing() -> Sent:
    """A request with nothing in it so far."""
    return Sent([], [])


def fault(reason: str, *, field: str = "", index: int | None = None) -> FieldError:
    """A fault of an item."""
    return FieldError(field=field, reason=reason[: limits.REASON_CHARS_MAX], index=index)


def make(
    *,
    at: object,
    lon: object,
    lat: object,
    accuracy_m: object = None,
    speed: object = None,
    mps: float = 1.0,
    mock: object = False,
    current: bool = False,
    index: int | None = None,
) -> Fix | FieldError:
    """A fix from values as an app wrote them; `speed` times `mps` is m/s.

    Zero accuracy is what phones say of a position whose accuracy they do not know.
    """
    fix_ms = moment(at)
    if fix_ms is None:
        return fault("no time that can be read", field="timestamp", index=index)
    x, y = number(lon), number(lat)
    if x is None or not -180 <= x <= 180:
        return fault("must be a number from -180 to 180", field="lon", index=index)
    if y is None or not -90 <= y <= 90:
        return fault("must be a number from -90 to 90", field="lat", index=index)
    accuracy = number(accuracy_m)
    if accuracy is None or accuracy <= 0:
        accuracy = UNKNOWN
    if accuracy > limits.ACCURACY_M_MAX:
        return fault("too inaccurate to be of use", field="accuracy", index=index)
    pace = number(speed)
    pace = UNKNOWN if pace is None or pace < 0 else pace * mps
    if pace > limits.SPEED_MPS_MAX:
        pace = UNKNOWN
    return Fix(fix_ms, x, y, accuracy, pace, truth(mock), current)


def draft(fixes: Sequence[Fix], visitor: str, *, now_ms: int) -> PingDraft:
    """Pings in the order of their time; what comes late is marked as history.

    Of two of the same time, the one that the app calls current is kept.
    """
    ordered = sorted(fixes, key=lambda fix: (fix.fix_ms, not fix.current))
    oldest_ms = now_ms - limits.BACKLOG_AFTER_MS

    def flags(fix: Fix) -> int:
        history = fix.fix_ms < oldest_ms and not fix.current
        return (PingFlag.MOCK if fix.mock else 0) | (PingFlag.BACKLOG if history else 0)

    return PingDraft(
        visitors=[visitor] * len(ordered),
        fix_ms=[fix.fix_ms for fix in ordered],
        lon=[fix.lon for fix in ordered],
        lat=[fix.lat for fix in ordered],
        accuracy_m=[fix.accuracy_m for fix in ordered],
        speed_mps=[fix.speed_mps for fix in ordered],
        flags=[int(flags(fix)) for fix in ordered],
    )


def read(body: bytes, sent: Sent) -> Any:
    """The JSON of a body, None where it is none; the fault is put down."""
    try:
        return decode.lenient(body)
    except Malformed as error:
        sent.faults.append(fault(str(error)))
        return None


# -- values ---------------------------------------------------------------------

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_OFFSET_AFTER_SPACE: Final = re.compile(r"(T.*) (\d\d:?\d\d)$")


def number(value: object) -> float | None:
    """A finite number, given as one or as text; None for anything else."""
    if isinstance(value, str):
        text = value.strip()
        # Some locales write a comma, and `float` would take more than anybody means.
        found = _NUMBER.fullmatch(text[:40].replace(",", "."))
        return finite(found.group()) if found else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return finite(value)


def finite(value: str | float) -> float | None:
    """As a float, None where it is beyond them."""
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def truth(value: object) -> bool:
    """Whether a flag is set, as JSON or as text."""
    return value is True or (isinstance(value, str) and value.strip().lower() in ("true", "1"))


def moment(value: object) -> int | None:
    """Ms since 1970 of a time as apps write it: seconds, ms, ISO 8601, `yyyy-MM-dd HH:mm:ss`.

    A time without offset is UTC. None where it is no time, or before 1970 or after 9999.
    """
    count = number(value)
    if count is not None:
        ms = count if count >= limits.SECONDS_MISTAKEN_BELOW else count * 1000
    elif isinstance(value, str):
        ms = _iso_ms(value.strip())
    else:
        return None
    return round(ms) if 0 < ms <= limits.FIX_MS_MAX else None


def _iso_ms(text: str) -> float:
    """-1 where it is none."""
    # A plus sign that nobody encoded arrives as a space.
    text = _OFFSET_AFTER_SPACE.sub(r"\1+\2", text[:40])
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000
    except (ValueError, OverflowError):
        return -1.0
