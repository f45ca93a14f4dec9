"""Records as resources: what they take, what they refuse, and with which path."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import msgspec
import pytest

from content.alerts import AlertRecord
from content.circuits import CircuitRecord
from content.destination import Destination
from content.errors import RecordInvalid
from content.events import EventRecord
from content.fields import instant_ms
from content.offers import OfferRecord
from content.places import PlaceRecord
from content.zones import ZoneRecord
from geofence.errors import GeometryInvalid
from geofence.shapes import Area, Circle, Corridor

SQUARE = [[6.12, 45.89], [6.13, 45.89], [6.13, 45.9], [6.12, 45.9], [6.12, 45.89]]
PLACE: dict[str, Any] = {"id": "p", "name": {"fr": "P"}, "lon": 6.1, "lat": 45.9}
EVENT: dict[str, Any] = {"id": "e", "name": {"fr": "E"}, "start": "2026-07-18T20:00:00+02:00"}
DESTINATION: dict[str, Any] = {
    "id": "d",
    "name": {"fr": "D"},
    "time_zone": "Europe/Paris",
    "default_language": "fr",
    "languages": ["fr", "en"],
    "country": "FR",
    "lon": 6.1,
    "lat": 45.9,
}


def zone(**changes: Any) -> dict[str, Any]:
    geometry = {"type": "Polygon", "coordinates": [SQUARE]}
    return {"id": "z", "name": {"fr": "Z"}, "geometry": geometry} | changes


def recurring(**changes: Any) -> dict[str, Any]:
    recurrence = {
        "rrule": "FREQ=DAILY",
        "first_date": "2026-07-01",
        "start_rule": {"time": "18:00:00"},
        "duration_min": 60,
    } | changes
    return {"id": "e", "name": {"fr": "E"}, "recurrence": recurrence}


SAMPLES: list[tuple[type[Any], dict[str, Any]]] = [
    (PlaceRecord, PLACE),
    (EventRecord, EVENT),
    (EventRecord, recurring()),
    (ZoneRecord, zone(dwell_s=[60.0, 300.0], capacity=40)),
    (Destination, DESTINATION),
    (AlertRecord, {"id": "a", "name": {"fr": "A"}, "kind": "weather"}),
    (OfferRecord, {"id": "o", "name": {"fr": "O"}, "valid_until": "2026-09-01T00:00:00+02:00"}),
    (
        CircuitRecord,
        {
            "id": "c",
            "name": {"fr": "C"},
            "stops": [{"place_id": "p", "stay_min": 5}],
            "geometry": {"type": "LineString", "coordinates": [[6.1, 45.9], [6.2, 45.9, 450.0]]},
        },
    ),
]


@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
def test_a_record_comes_back_from_its_json_as_it_went(kind: type[Any], sample: Any) -> None:
    record = msgspec.convert(sample, kind)
    assert msgspec.json.decode(msgspec.json.encode(record), type=kind) == record


@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
def test_an_unknown_field_is_refused_by_name(kind: type[Any], sample: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `colour`"):
        msgspec.convert(sample | {"colour": "red"}, kind)


@pytest.mark.parametrize(("kind", "sample"), SAMPLES)
@pytest.mark.parametrize("bad", ["", "a b", "é", "-x", "x" * 101, "a/b"])
def test_an_id_is_plain_and_short(kind: type[Any], sample: Any, bad: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.id"):
        msgspec.convert(sample | {"id": bad}, kind)


@pytest.mark.parametrize("name", [{}, {"FR": "x"}, {"french": "x"}, {"fr": ""}, "x"])
def test_a_name_is_text_by_language_tag(name: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"name"):
        msgspec.convert(PLACE | {"name": name}, PlaceRecord)


@pytest.mark.parametrize("tag", ["fr", "fr-CA", "zh-Hant", "zh-Hant-TW", "es-419", "ca-valencia"])
def test_language_tags_in_their_recommended_case_are_taken(tag: str) -> None:
    assert msgspec.convert(PLACE | {"name": {tag: "x"}}, PlaceRecord).name == {tag: "x"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("lon", 181.0), ("lat", -90.5), ("lon", math.nan), ("lat", math.inf), ("lon", "6.1")],
)
def test_a_place_is_on_the_globe(field: str, value: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match=rf"\$\.{field}"):
        msgspec.convert(PLACE | {field: value}, PlaceRecord)


def test_opening_hours_that_do_not_parse_are_kept_and_flagged() -> None:
    good = msgspec.convert(PLACE | {"opening_hours": "Mo-Fr 10:00-18:00"}, PlaceRecord)
    bad = msgspec.convert(PLACE | {"opening_hours": "tous les jours"}, PlaceRecord)
    assert not good.opening_hours_invalid
    assert (bad.opening_hours, bad.opening_hours_invalid) == ("tous les jours", True)


def test_the_flag_of_opening_hours_cannot_be_claimed() -> None:
    claims = PLACE | {"opening_hours": "24/7", "opening_hours_invalid": True}
    assert not msgspec.convert(claims, PlaceRecord).opening_hours_invalid


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (zone(), Area),
        (zone(geometry={"type": "MultiPolygon", "coordinates": [[SQUARE]]}), Area),
        (zone(geometry={"type": "Point", "coordinates": [6.1, 45.9]}, radius_m=75), Circle),
        (
            zone(geometry={"type": "LineString", "coordinates": SQUARE[:3]}, half_width_m=20),
            Corridor,
        ),
    ],
)
def test_each_geometry_becomes_its_shape(record: dict[str, Any], kind: type[Any]) -> None:
    assert isinstance(msgspec.convert(record, ZoneRecord).to_zone().shape, kind)


def test_tracking_settings_reach_the_zone_in_milliseconds() -> None:
    record = zone(
        confirm_s=30,
        exit_confirm_s=1.5,
        dwell_s=[600, 60, 600],
        exit_margin_m=25,
        report_cross=True,
    )
    made = msgspec.convert(record, ZoneRecord).to_zone()
    assert (made.confirm_ms, made.exit_confirm_ms) == (30_000, 1_500)
    assert made.dwells_ms == (60_000, 600_000)
    assert (made.exit_margin_m, made.accuracy_ceiling_m, made.report_cross) == (25.0, None, True)


def test_one_dwell_is_a_list_of_one() -> None:
    assert msgspec.convert(zone(dwell_s=300), ZoneRecord).to_zone().dwells_ms == (300_000,)


@pytest.mark.parametrize(
    "changes",
    [
        {"radius_m": 50},
        {"half_width_m": 50},
        {"dwell_s": 0},
        {"dwell_s": [60, -1]},
        {"confirm_s": -1},
        {"capacity": 0},
        {"geometry": None},
        {"exit_margin_m": math.nan},
    ],
)
def test_a_zone_with_a_wrong_setting_is_refused_by_its_field(changes: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError, match=next(iter(changes))):
        msgspec.convert(zone(**changes), ZoneRecord)


def test_a_zone_of_wrong_geometry_names_every_fault() -> None:
    ring = [[6.12, 45.89], [math.nan, 45.89], [6.13, 95.0], [6.12, 45.89]]
    record = msgspec.convert(zone(geometry={"type": "Polygon", "coordinates": [ring]}), ZoneRecord)
    with pytest.raises(GeometryInvalid) as caught:
        record.to_zone()
    fields = [problem.field for problem in caught.value.problems]
    assert len(fields) == 2
    assert all(field.startswith("geometry.coordinates[0]") for field in fields)


def test_capacity_comes_from_the_area_where_it_is_not_given() -> None:
    assert msgspec.convert(zone(), ZoneRecord).capacity_persons() is None
    assert msgspec.convert(zone(capacity=7, m2_per_person=1), ZoneRecord).capacity_persons() == 7
    # 0.01 by 0.01 degrees at 45.9 N is about 776 m by 1,111 m.
    counted = msgspec.convert(zone(m2_per_person=10), ZoneRecord).capacity_persons()
    assert counted == pytest.approx(86_200, rel=0.01)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"end": "2026-07-18T19:00:00+02:00"}, "end"),
        ({"start": "2026-07-18T20:00:00"}, "start"),
        ({"start": None}, "start"),
        ({"changes": [{"date": "2026-07-18"}]}, "changes"),
        ({"remaining_places": -1}, "remaining_places"),
        ({"status": "maybe"}, "status"),
    ],
)
def test_an_event_that_contradicts_itself_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert(EVENT | changes, EventRecord)


@pytest.mark.parametrize(
    "changes",
    [
        {"rrule": ""},
        {"rrule": "FREQ=HOURLY"},
        {"rrule": "FREQ=DAILY;INTERVAL=0"},
        {"rrule": "FREQ=DAILY;BYHOUR=3"},
        {"rrule": "FREQ=DAILY;COUNT=3;UNTIL=20260901"},
        {"rrule": "FREQ=DAILY;UNTIL=20260231"},
        {"rrule": "FREQ=DAILY;FREQ=WEEKLY"},
        {"rrule": "FREQ=WEEKLY;BYDAY=LU"},
        {"rrule": "FREQ=MONTHLY;BYMONTHDAY=0"},
        {"rrule": "FREQ=MONTHLY;BYSETPOS=1"},
        {"rrule": "FREQ=MONTHLY;BYMONTHDAY=32"},
        {"rrule": "FREQ=YEARLY;BYMONTH=-1"},
        {"rrule": "FREQ=YEARLY;BYMONTH=1,x"},
        {"rrule": "FREQ=WEEKLY;BYMONTHDAY=1"},
        {"rrule": "FREQ=WEEKLY;BYDAY=2MO"},
        {"rrule": "FREQ=MONTHLY;BYDAY=0MO"},
        {"rrule": "FREQ=MONTHLY;BYWEEKNO=1"},
        {"rrule": "FREQ=DAILY;WKST=XX"},
        {"rrule": "FREQ=DAILY;UNTIL=tomorrow"},
        {"rrule": "FREQ=DAILY;COUNT=-1"},
        {"rrule": "FREQ"},
        {"first_date": None},
        {"first_date": "1900-01-01"},
        {"start_rule": {}},
        {"start_rule": {"time": "18:00:00", "sun": "sunset"}},
        {"start_rule": {"time": "18:00:00", "offset_min": 5}},
        {"start_rule": {"time": "18:00:00Z"}},
        {"start_rule": {"sun": "moonrise"}},
        {"start_rule": {"sun": "sunset", "offset_min": -10_000}},
        {"time_zone": "Europe/Atlantis"},
        {"duration_min": -1},
    ],
)
def test_a_recurrence_that_cannot_be_walked_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(recurring(**changes), EventRecord)


def test_a_day_changes_once() -> None:
    twice = [{"date": "2026-07-18", "status": "cancelled"}, {"date": "2026-07-18"}]
    with pytest.raises(msgspec.ValidationError, match="twice"):
        msgspec.convert(recurring() | {"changes": twice}, EventRecord)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"time_zone": "Mars"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"default_language": "de"}, "languages"),
        ({"languages": ["fr", "fr"]}, "languages"),
        ({"name": {"en": "x"}}, "name"),
        ({"country": "fr"}, "country"),
        ({"colours": {"primary": "blue"}}, "colours"),
    ],
)
def test_settings_of_a_destination_agree(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert(DESTINATION | changes, Destination)


def test_a_circuit_stays_on_the_globe() -> None:
    line = {"type": "LineString", "coordinates": [[6.1, 45.9], [6.1, 95.0]]}
    with pytest.raises(msgspec.ValidationError, match=r"coordinates\[1\]"):
        msgspec.convert({"id": "c", "name": {"fr": "C"}, "geometry": line}, CircuitRecord)


def test_an_offer_is_valid_from_its_first_instant_to_before_its_last() -> None:
    start = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
    end = dt.datetime(2026, 7, 2, tzinfo=dt.UTC)
    offer = OfferRecord(id="o", name={"fr": "O"}, valid_from=start, valid_until=end)
    first, last = instant_ms(start), instant_ms(end)
    assert [offer.valid_at(t) for t in (first - 1, first, last - 1, last)] == [
        False, True, True, False,
    ]  # fmt: skip
    assert OfferRecord(id="o", name={"fr": "O"}).valid_at(0)
    with pytest.raises(RecordInvalid):
        OfferRecord(id="o", name={"fr": "O"}, valid_from=end, valid_until=start)


def test_an_alert_ends_when_lifted() -> None:
    alert = AlertRecord(id="a", name={"fr": "A"}, kind="closure", zone_ids=("z",))
    assert alert.in_force_at(0)
    assert not msgspec.structs.replace(alert, lifted=True).in_force_at(0)
    later = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
    assert not msgspec.structs.replace(alert, valid_from=later).in_force_at(instant_ms(later) - 1)
    assert not msgspec.structs.replace(alert, valid_until=later).in_force_at(instant_ms(later))


def test_instants_are_exact_milliseconds() -> None:
    instant = dt.datetime(2026, 7, 18, 19, 49, 0, 1000, tzinfo=dt.UTC)
    assert instant_ms(instant) == round(instant.timestamp() * 1000)
