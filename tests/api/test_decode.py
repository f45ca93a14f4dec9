"""The ping decoder: what is good enters, what is bad is named, whatever stands beside it."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import decode, limits
from api.errors import Malformed, TooLarge

GOOD: dict[str, Any] = {"visitor": "v1", "fix_ms": 1_724_000_000_000, "lon": 6.13, "lat": 45.9}


def read(items: object, *, owner: str | None = None) -> decode.Batch:
    return decode.pings(json.dumps(items).encode(), decode.JSON, owner=owner)


def test_an_object_an_array_and_lines_hold_the_same_pings() -> None:
    one = json.dumps(GOOD).encode()
    bodies = [
        (one, decode.JSON),
        (b"[" + one + b"]", decode.JSON),
        (one + b"\n", decode.NDJSON),
        (b"\r\n" + one + b"\r\n\n  \n", decode.NDJSON),
    ]
    drafts = {repr(decode.pings(body, kind, owner=None).draft) for body, kind in bodies}
    assert len(drafts) == 1


def test_unknown_accuracy_and_speed_are_minus_one_however_they_are_written() -> None:
    batch = read([GOOD, GOOD | {"accuracy_m": None}, GOOD | {"accuracy_m": -1, "speed_mps": -1.0}])
    assert batch.draft.accuracy_m == [-1, -1, -1]
    assert batch.draft.speed_mps == [-1, -1, -1]
    assert not batch.faults


def test_an_empty_batch_is_no_error() -> None:
    assert read([]).size == 0
    assert decode.pings(b"", decode.NDJSON, owner=None).size == 0


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"lon": "6.1"}, "lon", "expected a number, got a string"),
        ({"lat": True}, "lat", "expected a number, got a boolean"),
        ({"lat": None}, "lat", "expected a number, got null"),
        ({"lon": math.nan}, "lon", "must be a finite number"),
        ({"lat": -math.inf}, "lat", "must be a finite number"),
        ({"lon": 180.1}, "lon", "must be from -180 to 180, got 180.1"),
        ({"lon": 45.9, "lat": 96.13}, "lat", "are lon and lat swapped?"),
        ({"lat": 500}, "lat", "must be from -90 to 90, got 500"),
        ({"fix_ms": 1.5}, "fix_ms", "expected an integer"),
        ({"fix_ms": "2026-06-01"}, "fix_ms", "expected an integer"),
        ({"fix_ms": False}, "fix_ms", "expected an integer"),
        ({"fix_ms": -1}, "fix_ms", "must be from 0"),
        ({"fix_ms": 10**400}, "fix_ms", "must be a finite number"),
        ({"accuracy_m": -0.5}, "accuracy_m", "must be from 0"),
        ({"accuracy_m": [1]}, "accuracy_m", "got an array"),
        ({"speed_mps": 1e9}, "speed_mps", "must be from 0 to 1000"),
        ({"mock": 1}, "mock", "expected true or false"),
        ({"heading": 4}, "heading", "unknown field"),
        ({"visitor": ""}, "visitor", "must not be empty"),
        ({"visitor": 7}, "visitor", "expected a string"),
        ({"visitor": "a/b c"}, "visitor", "may hold letters"),
        ({"visitor": "\ud800"}, "visitor", "may hold letters"),
        ({"visitor": "v" * 129}, "visitor", "at most 128 characters"),
    ],
)
def test_a_bad_ping_is_named_by_index_and_field_and_costs_no_good_one(
    change: dict[str, Any], field: str, reason: str
) -> None:
    batch = read([GOOD, GOOD | change, GOOD])
    assert list(batch.rows) == [0, 2]
    assert batch.draft.visitors == ["v1", "v1"]
    (fault,) = batch.faults
    assert (fault.index, fault.field) == (1, field)
    assert reason in fault.reason


@pytest.mark.parametrize("name", ["fix_ms", "lon", "lat", "visitor"])
def test_a_missing_field_is_named(name: str) -> None:
    (fault,) = read([{k: v for k, v in GOOD.items() if k != name}]).faults
    assert fault.field == name
    assert fault.reason.startswith("required")


def test_what_is_no_object_is_quarantined_in_its_place() -> None:
    batch = read([3, GOOD, None, [GOOD]])
    assert list(batch.rows) == [1]
    assert [f.index for f in batch.faults] == [0, 2, 3]


def test_a_broken_line_costs_only_itself() -> None:
    line = json.dumps(GOOD).encode()
    body = b"\n".join([line, b'{"visitor": ', line, b"\xff\xfe", b"[" * 100_000, line])
    batch = decode.pings(body, decode.NDJSON, owner=None)
    assert list(batch.rows) == [0, 2, 5]
    assert [f.index for f in batch.faults] == [1, 3, 4]
    assert all(f.field == "" for f in batch.faults)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "line 1, column 1"),
        (b'[{"visitor": "v1", "fix_ms": 1,\n "lon": }]', "line 2, column 9"),
        (b"[] x", "line 1, column 4"),
        (b'["\xff"]', "byte 2"),
        (b"[" * 100_000, "nested too deeply"),
        (b"7", "expected an object or an array"),
    ],
)
def test_a_body_that_is_not_json_is_refused_with_the_place(body: bytes, place: str) -> None:
    with pytest.raises(Malformed, match=place):
        decode.pings(body, decode.JSON, owner=None)


def test_more_pings_than_a_request_may_hold_are_refused_whole() -> None:
    body = b"[" + b",".join([json.dumps(GOOD).encode()] * (limits.PINGS_PER_REQUEST_MAX + 1)) + b"]"
    with pytest.raises(TooLarge):
        decode.pings(body, decode.JSON, owner=None)
    with pytest.raises(TooLarge):
        decode.pings(body[:-1] + b",7]", decode.JSON, owner=None)
    with pytest.raises(TooLarge):
        decode.pings(b"x\n" * (limits.PINGS_PER_REQUEST_MAX + 1), decode.NDJSON, owner=None)


def test_a_device_sends_its_own_visitor_named_or_not_and_no_other() -> None:
    unnamed = {k: v for k, v in GOOD.items() if k != "visitor"}
    batch = read([unnamed, GOOD, GOOD | {"visitor": "v2"}], owner="v1")
    assert batch.draft.visitors == ["v1", "v1"]
    (fault,) = batch.faults
    assert (fault.index, fault.field) == (2, "visitor")


good_pings = st.fixed_dictionaries(
    {
        "visitor": st.text(alphabet=decode.VISITOR_CHARS, min_size=1, max_size=12),
        "fix_ms": st.integers(0, limits.FIX_MS_MAX),
        "lon": st.floats(-180, 180) | st.integers(-180, 180),
        "lat": st.floats(-90, 90),
    },
    optional={
        "accuracy_m": st.none() | st.just(-1) | st.floats(0, limits.ACCURACY_M_MAX),
        "speed_mps": st.none() | st.floats(0, limits.SPEED_MPS_MAX),
        "mock": st.none() | st.booleans(),
    },
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner)
)
mutations = st.dictionaries(
    st.sampled_from([*GOOD, "accuracy_m", "speed_mps", "mock", "more"]), anything, min_size=1
)


@st.composite
def maybe_bad(draw: st.DrawFn) -> Any:
    if draw(st.integers(0, 5)) == 0:
        return draw(anything)
    ping: dict[str, Any] = draw(good_pings)
    ping.update(draw(mutations))
    return ping


def is_good(item: Any) -> bool:
    """An oracle that shares nothing with the decoder: msgspec's types, plus what they miss."""
    try:
        ping = msgspec.json.decode(json.dumps(item), type=decode.Ping)
    except (msgspec.MsgspecError, UnicodeError):
        return False
    known = [v for v in (ping.accuracy_m, ping.speed_mps) if v is not None]
    if any(v < 0 and v != -1 for v in known):
        return False
    return bool(ping.visitor) and all(c in decode.VISITOR_CHARS for c in ping.visitor or "")


@settings(max_examples=300, deadline=None)
@given(st.lists(good_pings | maybe_bad(), max_size=8), st.booleans())
def test_a_mixed_batch_never_loses_a_good_ping_nor_takes_a_bad_one(
    items: list[Any], lines: bool
) -> None:
    body = ("\n" if lines else ",").join(json.dumps(i) for i in items)
    batch = decode.pings(
        (body if lines else f"[{body}]").encode(),
        decode.NDJSON if lines else decode.JSON,
        owner=None,
    )
    expected = [i for i, item in enumerate(items) if is_good(item)]
    assert list(batch.rows) == expected
    assert sorted([*batch.rows, *(f.index for f in batch.faults if f.index is not None)]) == list(
        range(len(items))
    )
    for row, at in enumerate(batch.rows):
        assert batch.draft.visitors[row] == items[at]["visitor"]
        assert batch.draft.fix_ms[row] == items[at]["fix_ms"]
        assert batch.draft.lon[row] == items[at]["lon"]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_crash_the_decoder(body: bytes, lines: bool) -> None:
    kind = decode.NDJSON if lines else decode.JSON
    try:
        batch = decode.pings(body, kind, owner=None)
    except Malformed:
        assert not lines
    else:
        assert len(batch.rows) + len(batch.faults) == batch.size
