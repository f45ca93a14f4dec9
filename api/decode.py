"""Pings off the wire: typed and fast for good batches, tolerant and exact for bad ones.

A batch whose every ping is good is decoded once, by types. Any fault sends the body through a
second, tolerant reading (which takes NaN and Infinity for what they are), where each ping is judged
alone: the good ones enter, each bad one is named with its index, field and reason. Both readings
hold the same pings to be good, which a property test asserts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from api import limits
from api.errors import FieldError, Malformed, TooLarge
from engine.ingest import PingDraft
from geofence.columns import PingFlag

JSON = "application/json"
NDJSON = "application/x-ndjson"
VISITOR_CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:@+=~"
UNKNOWN = -1.0

_VISITOR_BYTES = VISITOR_CHARS.encode()


class Ping(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """One location fix as a phone sends it. Unknown accuracy or speed: absent, null or -1."""

    fix_ms: Annotated[int, Meta(ge=0, le=limits.FIX_MS_MAX)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    lat: Annotated[float, Meta(ge=-90, le=90)]
    visitor: Annotated[str, Meta(max_length=limits.VISITOR_CHARS_MAX)] | None = None
    accuracy_m: Annotated[float, Meta(ge=-1, le=limits.ACCURACY_M_MAX)] | None = None
    speed_mps: Annotated[float, Meta(ge=-1, le=limits.SPEED_MPS_MAX)] | None = None
    mock: bool | None = None


class Batch(NamedTuple):
    """A decoded body: its good pings, the row each had in it, and the faults of the others."""

    draft: PingDraft
    rows: Sequence[int]
    faults: list[FieldError]
    size: int


_array = msgspec.json.Decoder(list[Ping] | Ping)
_lines = msgspec.json.Decoder(Ping)


def pings(body: bytes, content_type: str, *, owner: str | None) -> Batch:
    """Decode a body of pings.

    `owner` is the visitor of the device that sends, whose pings need not (and may not otherwise)
    name a visitor; None where the sender speaks for many and must name one each.
    Raises Malformed where the body as a whole is not JSON, or TooLarge beyond the limit of pings.
    """
    found = _typed(body, content_type)
    if found is not None:
        _check_count(len(found))
        batch = _columns(found, owner)
        if batch is not None:
            return batch
    return _tolerant(body, content_type, owner)


def in_seconds(fix_ms: int) -> bool:
    """Whether a fix time looks like seconds taken for ms."""
    return 0 < fix_ms < limits.SECONDS_MISTAKEN_BELOW


def _check_count(count: int) -> None:
    if count > limits.PINGS_PER_REQUEST_MAX:
        raise TooLarge(what="pings", limit=limits.PINGS_PER_REQUEST_MAX)


def _typed(body: bytes, content_type: str) -> list[Ping] | None:
    """The pings where every one fits the types; None where one does not."""
    try:
        if content_type == NDJSON:
            return _lines.decode_lines(body)
        found = _array.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, list) else [found]


def _columns(found: list[Ping], owner: str | None) -> Batch | None:
    """The columns of typed pings; None where a check that types cannot express fails."""
    if owner is None:
        visitors = [p.visitor for p in found]
        if not all(visitors):
            return None
        named: list[str] = visitors  # type: ignore[assignment]  # None is falsy
        if "".join(named).encode("utf-8", "replace").translate(None, _VISITOR_BYTES):
            return None
    else:
        if any(p.visitor is not None and p.visitor != owner for p in found):
            return None
        named = [owner] * len(found)
    accuracy_m = _known([p.accuracy_m for p in found])
    speed_mps = _known([p.speed_mps for p in found])
    if _has_negative(accuracy_m) or _has_negative(speed_mps):
        return None
    draft = PingDraft(
        visitors=named,
        fix_ms=[p.fix_ms for p in found],
        lon=[p.lon for p in found],
        lat=[p.lat for p in found],
        accuracy_m=accuracy_m,
        speed_mps=speed_mps,
        flags=[PingFlag.MOCK.value if p.mock else 0 for p in found],
    )
    return Batch(draft, range(len(found)), [], len(found))


def _known(values: list[float | None]) -> list[float]:
    return [UNKNOWN if v is None else v for v in values]


def _has_negative(values: list[float]) -> bool:
    return min(values, default=0) < 0 and any(v < 0 and v != UNKNOWN for v in values)


def _tolerant(body: bytes, content_type: str, owner: str | None) -> Batch:
    """Judge each ping alone."""
    items = _split_lines(body) if content_type == NDJSON else _split_array(body)
    _check_count(len(items))
    good: list[Ping] = []
    index: list[int] = []
    faults: list[FieldError] = []
    for at, item in enumerate(items):
        fault = judge(item, owner)
        if fault is None:
            good.append(_ping(item))
            index.append(at)
        else:
            faults.append(FieldError(index=at, field=fault[0], reason=fault[1]))
    batch = _columns(good, owner)
    assert batch is not None, "the tolerant reading passed a ping that the typed one refuses"
    return Batch(batch.draft, index, faults, len(items))


class _Broken(NamedTuple):
    """A line that is not JSON."""

    reason: str


def lenient(body: bytes) -> object:
    """The JSON of a body, NaN and Infinity included. Raises Malformed with the place."""
    try:
        return _loads(body.decode())
    except UnicodeDecodeError as error:
        raise Malformed("the body is not UTF-8", at=f"byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise Malformed(
            f"the body is not JSON: {error.msg}", at=f"line {error.lineno}, column {error.colno}"
        ) from error
    except RecursionError as error:
        raise Malformed("the body is nested too deeply") from error


def _split_array(body: bytes) -> list[object]:
    found = lenient(body)
    if isinstance(found, list):
        return found
    if isinstance(found, dict):
        return [found]
    raise Malformed(f"expected an object or an array of objects, got {_kind(found)}")


def _split_lines(body: bytes) -> list[object]:
    items: list[object] = []
    for line in body.split(b"\n"):
        if not line.strip():
            continue
        try:
            items.append(_loads(line.decode()))
        except UnicodeDecodeError as error:
            items.append(_Broken(f"not UTF-8 (byte {error.start} of the line)"))
        except json.JSONDecodeError as error:
            items.append(_Broken(f"not JSON: {error.msg} (column {error.colno})"))
        except RecursionError:
            items.append(_Broken("nested too deeply"))
        _check_count(len(items))
    return items


def _parse_int(digits: str) -> int | float:
    # Python refuses to convert thousands of digits; beyond 64 bits no field takes the number.
    return int(digits) if len(digits) <= 20 else float(digits)


def _loads(text: str) -> object:
    return json.loads(text, parse_int=_parse_int)


def judge(item: object, owner: str | None) -> tuple[str, str] | None:
    """The first fault of a ping as (field, reason), or None where it is good."""
    if isinstance(item, _Broken):
        return "", item.reason
    if not isinstance(item, dict):
        return "", f"expected an object, got {_kind(item)}"
    for name in item:
        if name not in _FIELDS:
            return _quoted(name), "unknown field"
    for name, (needed, check) in _FIELDS.items():
        if name not in item:
            if needed:
                return name, "required"
            continue
        reason = check(item[name])
        if reason:
            return name, _swapped(item) if name == "lat" and _swapped(item) else reason
    return _visitor_fault(item.get("visitor"), owner)


def _visitor_fault(visitor: str | None, owner: str | None) -> tuple[str, str] | None:
    if owner is None:
        if visitor is None:
            return "visitor", "required: this key speaks for many visitors"
        if not visitor:
            return "visitor", "must not be empty"
        strange = sorted(set(visitor) - _VISITOR_SET)
        if strange:
            shown = _quoted("".join(strange))
            return "visitor", f"may hold letters, digits and -_.:@+=~ only, not {shown}"
    elif visitor is not None and visitor != owner:
        return "visitor", "a device sends pings of its own visitor only"
    return None


def _swapped(item: dict[str, object]) -> str:
    lon, lat = item.get("lon"), item.get("lat")
    numbers = isinstance(lon, int | float) and isinstance(lat, int | float)
    if numbers and 90 < abs(lat) <= 180 and abs(lon) <= 90:  # type: ignore[arg-type]
        return f"must be from -90 to 90, got {lat:g}; are lon and lat swapped?"
    return ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _between(low: float, high: float, *, optional: bool = False) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if optional and (value is None or (_is_number(value) and value == UNKNOWN)):
            return ""
        if not _is_number(value):
            return f"expected a number, got {_kind(value)}"
        if not math.isfinite(value):
            return "must be a finite number"
        if not low <= value <= high:
            return f"must be from {low:g} to {high:g}, got {value:g}"
        return ""

    return check


def _fix_ms_check(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"expected an integer (ms since 1970 UTC), got {_kind(value)}"
    if isinstance(value, float):
        if math.isfinite(value):
            return f"expected an integer (ms since 1970 UTC), got {value!r}"
        return "must be a finite number"
    if not 0 <= value <= limits.FIX_MS_MAX:
        return f"must be from 0 to {limits.FIX_MS_MAX}, got {value}"
    return ""


def _visitor_check(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return f"expected a string, got {_kind(value)}"
    if len(value) > limits.VISITOR_CHARS_MAX:
        return f"at most {limits.VISITOR_CHARS_MAX} characters, got {len(value)}"
    return ""


def _mock_check(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return ""
    return f"expected true or false, got {_kind(value)}"


_FIELDS: dict[str, tuple[bool, Callable[[Any], str]]] = {
    "fix_ms": (True, _fix_ms_check),
    "lon": (True, _between(-180, 180)),
    "lat": (True, _between(-90, 90)),
    "visitor": (False, _visitor_check),
    "accuracy_m": (False, _between(0, limits.ACCURACY_M_MAX, optional=True)),
    "speed_mps": (False, _between(0, limits.SPEED_MPS_MAX, optional=True)),
    "mock": (False, _mock_check),
}
_VISITOR_SET = frozenset(VISITOR_CHARS)


def _ping(item: Any) -> Ping:
    return Ping(**item)


def _quoted(text: str) -> str:
    shown = ascii(text)[1:-1]
    return shown if len(shown) <= 60 else shown[:57] + "..."


_KINDS = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}


def _kind(value: object) -> str:
    """The JSON name of a value's type."""
    if value is None:
        return "null"
    if isinstance(value, float) and not math.isfinite(value):
        return "a number that is not finite"
    return _KINDS.get(type(value), "a number")
