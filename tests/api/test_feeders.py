"""The decoders of location apps: each app's own payloads, units and times; nothing raises."""

from __future__ import annotations

import json
import math
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import limits
from api.errors import TooLarge
from api.feeders import gpslogger, overland, owntracks, traccar
from api.feeders.fixes import FORM, JSON, Fix, Posted, Sent, draft, moment, number
from geofence.columns import PingFlag

NOW_MS = 1_780_000_000_000
DECODERS = {
    "owntracks": owntracks.decode,
    "overland": overland.decode,
    "traccar": traccar.decode,
    "gpslogger": gpslogger.decode,
}


def query(text: str) -> Posted:
    return Posted(dict(parse_qsl(text, keep_blank_values=True)), b"", "", NOW_MS)


def posted(value: Any, content_type: str = JSON) -> Posted:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Posted({}, body, content_type, NOW_MS)


# -- OwnTracks --------------------------------------------------------------------

LOCATION = {
    "_type": "location", "lat": 48.85833, "lon": 2.29513, "tst": 1497476456, "acc": 12, "vel": 4,
    "batt": 81, "t": "u", "tid": "JJ", "topic": "owntracks/jane/phone",
}  # fmt: skip


def test_owntracks_speed_is_kmh_and_time_is_seconds() -> None:
    sent = owntracks.decode(posted(LOCATION))
    assert sent == Sent([Fix(1497476456000, 2.29513, 48.85833, 12, pytest.approx(4 / 3.6))], [])  # type: ignore[arg-type]


def test_owntracks_leaves_zeros_out_and_minus_one_is_unknown() -> None:
    bare = {k: v for k, v in LOCATION.items() if k not in ("vel", "acc")}
    (fix,) = owntracks.decode(posted(bare)).fixes
    assert (fix.accuracy_m, fix.speed_mps) == (-1, 0)
    (fix,) = owntracks.decode(posted(LOCATION | {"vel": -1, "acc": 0})).fixes
    assert (fix.accuracy_m, fix.speed_mps) == (-1, -1)


def test_owntracks_transition_is_a_fix_where_it_says_where() -> None:
    transition = {
        "_type": "transition", "wtst": 1497470000, "lat": 45.9, "lon": 6.13, "tst": 1497476456,
        "acc": 30, "tid": "JJ", "event": "enter", "desc": "Lake", "t": "c",
    }  # fmt: skip
    (fix,) = owntracks.decode(posted(transition)).fixes
    assert (fix.lon, fix.lat, fix.accuracy_m, fix.speed_mps) == (6.13, 45.9, 30, -1)
    without = {k: v for k, v in transition.items() if k not in ("lat", "lon")}
    assert owntracks.decode(posted(without)) == Sent([], [])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        {"_type": "lwt", "tst": 1497476456},
        {"_type": "waypoint", "desc": "Home", "lat": 51.5, "lon": -0.1, "rad": 150, "tst": 1},
        {"_type": "waypoints", "_creator": "x", "waypoints": [{"_type": "waypoint"}]},
        {"_type": "status", "iOS": {"version": "18.1"}},
        {"_type": "of a later version"},
    ],
)
def test_owntracks_other_messages_are_taken_and_say_nothing(body: Any) -> None:
    sent = owntracks.decode(posted(body))
    assert sent == Sent([], [])
    assert owntracks.reply(sent) == []


def test_owntracks_encrypted_is_answered_by_what_to_do() -> None:
    sent = owntracks.decode(posted({"_type": "encrypted", "data": "3YSq..."}))
    assert sent.fixes == []
    assert sent.faults[0].reason == owntracks.ENCRYPTED
    assert owntracks.reply(sent) == [{"_type": "problem", "detail": owntracks.ENCRYPTED}]


# -- Overland ----------------------------------------------------------------------


def feature(at: Any = "2015-10-01T08:00:00-0700", **changed: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [-122.03, 37.33]},
        "properties": {
            "timestamp": at, "speed": 4, "horizontal_accuracy": 30, "motion": ["walking"],
            "battery_level": 0.8, "device_id": "v1",
        } | changed,
    }  # fmt: skip


def test_overland_speed_is_mps_and_offsets_are_heeded() -> None:
    sent = overland.decode(posted({"locations": [feature()], "current": {}}))
    assert sent == Sent([Fix(1443711600000, -122.03, 37.33, 30, 4)], [])


def test_overland_minus_one_is_unknown() -> None:
    body = {"locations": [feature(speed=-1, horizontal_accuracy=-1)]}
    (fix,) = overland.decode(posted(body)).fixes
    assert (fix.accuracy_m, fix.speed_mps) == (-1, -1)


def test_overland_current_is_the_newest_and_is_never_history() -> None:
    old, fresh = "2026-05-28T20:10:00Z", "2026-05-28T20:26:00Z"
    body = {"locations": [feature(fresh), feature(old)], "current": feature(old)}
    sent = overland.decode(posted(body))
    assert [fix.current for fix in sent.fixes] == [False, False, True]
    pings = draft(sent.fixes, "v", now_ms=NOW_MS)
    assert pings.flags == [0, PingFlag.BACKLOG, 0], "by time; current before its copy"
    assert pings.fix_ms == sorted(pings.fix_ms)


def test_overland_bad_features_leave_the_good_ones() -> None:
    body = {"locations": [
        feature(), None, {"type": "Feature", "geometry": None, "properties": {}},
        feature("yesterday"), feature(horizontal_accuracy=2e6), {"geometry": {"coordinates": [1]}},
        {"geometry": {"coordinates": ["x", 1]}, "properties": {"timestamp": 1443711600}},
    ]}  # fmt: skip
    sent = overland.decode(posted(body))
    assert len(sent.fixes) == 1
    assert [(f.index, f.field) for f in sent.faults] == [
        (1, ""), (2, "geometry"), (3, "timestamp"), (4, "accuracy"), (5, "geometry"), (6, "lon"),
    ]  # fmt: skip


def test_one_value_beyond_json_costs_its_fix_alone() -> None:
    body = json.dumps({"locations": [feature(), feature(speed=math.nan)]}).encode()
    assert [fix.speed_mps for fix in overland.decode(posted(body)).fixes] == [4, -1]


# -- Traccar -------------------------------------------------------------------------

SHAPE_A = "id=1&lat=60.0&lon=30.0&timestamp=1377177267&speed=10&bearing=0&accuracy=5&batt=87"
SHAPE_C = {
    "device_id": "48241179",
    "location": {
        "timestamp": "2025-06-15T13:45:12.862Z",
        "coords": {"latitude": 37.42, "longitude": -122.08, "accuracy": 5, "speed": 10,
                   "heading": -1, "altitude": 5},
        "mock": True, "is_moving": False, "activity": {"type": "still"},
        "battery": {"level": 1, "is_charging": False},
    },
}  # fmt: skip
KNOTS_10 = pytest.approx(5.1444, abs=1e-4)


def test_traccar_query_and_form_speak_knots() -> None:
    for each in (query(SHAPE_A), posted(SHAPE_A.encode(), FORM), posted(SHAPE_A.encode(), "")):
        assert traccar.decode(each) == Sent([Fix(1377177267000, 30, 60, 5, KNOTS_10)], [])  # type: ignore[arg-type]


def test_traccar_json_speaks_mps_and_tells_of_mock_locations() -> None:
    sent = traccar.decode(posted(SHAPE_C))
    assert sent == Sent([Fix(1749995112862, -122.08, 37.42, 5, 10, True)], [])
    flat = dict(parse_qsl(SHAPE_A))
    sent = traccar.decode(posted([flat, flat | {"lat": "91"}, 7]))
    assert sent.fixes == [Fix(1377177267000, 30, 60, 5, 10)]
    assert [(f.index, f.field) for f in sent.faults] == [(1, "lat"), (2, "")]


def test_traccar_aliases_and_what_is_left_out() -> None:
    sent = traccar.decode(query("deviceid=1&location=60.0,30.0&timestamp=1377177267000"))
    assert sent == Sent([Fix(1377177267000, 30, 60)], [])
    assert traccar.decode(query("id=1&lat=60&lon=30")).fixes == [Fix(NOW_MS, 30, 60)]
    assert traccar.decode(query("")) == Sent([], [])
    assert [f.field for f in traccar.decode(query("id=1&valid=false&lat=60&lon=30")).faults] == [
        "valid"
    ]
    assert [f.field for f in traccar.decode(query("id=1&notificationToken=x")).faults] == ["lon"]
    lost = {"device_id": "1", "location": {"timestamp": "2025-06-15T13:45:12Z"}}
    assert [f.field for f in traccar.decode(posted(lost)).faults] == ["location.coords"]


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1377177267", 1377177267000),
        ("1377177267.5", 1377177267500),
        ("1377177267123", 1377177267123),
        ("2013-08-22T13:14:27Z", 1377177267000),
        ("2013-08-22T13:14:27.250Z", 1377177267250),
        ("2013-08-22T15:14:27+02:00", 1377177267000),
        ("2013-08-22T15:14:27 02:00", 1377177267000),  # a plus that was not encoded
        ("2013-08-22 13:14:27", 1377177267000),
        ("", None),
        ("%TIMESTAMP", None),
        ("-1", None),
        ("1e300", None),
        ("9999-12-31T23:59:59-23:00", None),
        ("2013-08-22T25:00:00Z", None),
        (None, None),
        (True, None),
        ([1377177267], None),
    ],
)
def test_moments_are_read_in_every_form(text: Any, ms: int | None) -> None:
    assert moment(text) == ms


@pytest.mark.parametrize(
    ("text", "value"),
    [("45,9", 45.9), (" 1.5 ", 1.5), ("-0.5e1", -5), ("1_0", None), ("nan", None), ("0x1", None),
     ("inf", None), (math.inf, None), (10**400, None), (False, None), ("", None), (7, 7.0)],
)  # fmt: skip
def test_numbers_are_what_people_mean(text: Any, value: float | None) -> None:
    assert number(text) == value


# -- GPSLogger -------------------------------------------------------------------------


def test_gpslogger_speed_is_mps_and_unknown_accuracy_is_zero() -> None:
    sent = gpslogger.decode(query("lat=45.9&lon=6.13&timestamp=1377177267&accuracy=0.0&speed=1.2"))
    assert sent == Sent([Fix(1377177267000, 6.13, 45.9, -1, 1.2)], [])
    form = urlencode({"lat": 45.9, "lon": 6.13, "timestamp": "2013-08-22T13:14:27.000Z"})
    assert gpslogger.decode(posted(form.encode(), FORM)).fixes == [Fix(1377177267000, 6.13, 45.9)]
    assert [f.field for f in gpslogger.decode(query("lat=%LAT&lon=6&timestamp=1")).faults] == [
        "lat"
    ]


# -- whatever comes ---------------------------------------------------------------------

JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["_type", "lat", "lon", "tst", "acc", "vel", "locations", "current", "geometry",
             "coordinates", "properties", "timestamp", "speed", "horizontal_accuracy", "location",
             "coords", "latitude", "longitude", "accuracy", "valid", "mock", "event"]
        )
        | st.text(max_size=5),
        inner | st.sampled_from(["location", "transition", "encrypted", "2013-08-22T13:14:27Z"]),
        max_size=6,
    ),
    max_leaves=12,
)  # fmt: skip


def judge(decoder: Any, request: Posted) -> None:
    sent = decoder(request)
    pings = draft(sent.fixes, "v", now_ms=NOW_MS)
    for fix_ms, lon, lat, accuracy_m, speed_mps in zip(*pings[1:6], strict=True):
        assert 0 <= fix_ms <= limits.FIX_MS_MAX
        assert abs(lon) <= 180
        assert abs(lat) <= 90
        assert accuracy_m == -1 or 0 < accuracy_m <= limits.ACCURACY_M_MAX
        assert speed_mps == -1 or 0 <= speed_mps <= limits.SPEED_MPS_MAX
    assert all(len(each.reason) <= limits.REASON_CHARS_MAX for each in sent.faults)


@pytest.mark.parametrize("app", sorted(DECODERS))
@given(value=JSONISH)
def test_no_json_makes_a_decoder_raise(app: str, value: Any) -> None:
    judge(DECODERS[app], posted(value))


@pytest.mark.parametrize("app", sorted(DECODERS))
@given(body=st.binary(max_size=60), kind=st.sampled_from([JSON, FORM, "text/plain"]))
def test_no_bytes_make_a_decoder_raise(app: str, body: bytes, kind: str) -> None:
    judge(DECODERS[app], posted(body, kind))
    judge(DECODERS[app], posted(b"[" * 5000 + body, kind))


@pytest.mark.parametrize("app", ["traccar", "gpslogger"])
@given(
    values=st.dictionaries(
        st.sampled_from(["lat", "lon", "timestamp", "speed", "accuracy", "location", "valid"]),
        st.text(max_size=12) | st.floats().map(str) | st.integers().map(str),
    )
)
def test_no_query_makes_a_decoder_raise(app: str, values: dict[str, str]) -> None:
    judge(DECODERS[app], Posted(values, b"", "", NOW_MS))


@pytest.mark.parametrize("app", ["traccar", "gpslogger"])
def test_a_form_of_very_many_fields_is_a_fault(app: str) -> None:
    sent = DECODERS[app](posted(b"&".join([b"a=1"] * 200), FORM))
    assert (sent.fixes, len(sent.faults)) == ([], 1)


@pytest.mark.parametrize(
    ("app", "body"),
    [
        ("overland", {"locations": [1] * 10_001}),
        ("traccar", [1] * 10_001),
        ("owntracks", [1] * 10_001),
    ],
)
def test_more_pings_than_a_request_takes_are_too_large(app: str, body: Any) -> None:
    with pytest.raises(TooLarge):
        DECODERS[app](posted(body))
