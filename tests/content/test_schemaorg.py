"""schema.org JSON-LD in the shapes that web sites really embed."""

from __future__ import annotations

import datetime as dt
import json
import zoneinfo
from typing import Any

import pytest

from content.errors import FormatInvalid
from content.formats import schemaorg

PARIS = zoneinfo.ZoneInfo("Europe/Paris")
CASTLE: dict[str, Any] = {
    "@context": "https://schema.org",
    "@type": ["TouristAttraction", "Museum"],
    "@id": "https://a.example/places/castle",
    "name": [{"@language": "fr", "@value": "Le château"},
             {"@language": "en", "@value": "The castle"}],
    "description": "Vieux.",
    "geo": {"@type": "GeoCoordinates", "latitude": 45.89, "longitude": "6.12"},
    "address": {"streetAddress": "Place", "postalCode": "74000", "addressLocality": "Annecy"},
    "url": "https://a.example/castle",
    "keywords": "old, stone",
    "isAccessibleForFree": True,
    "openingHours": ["Mo-Fr 09:00-17:00", "Sa 10:00-12:00"],
    "image": {"contentUrl": "https://a.example/x.jpg", "creditText": "A. Nom",
              "license": "CC BY 4.0", "expires": "2027-01-01"},
}  # fmt: skip
CONCERT: dict[str, Any] = {
    "@type": "MusicEvent",
    "identifier": "concert-1",
    "name": "Concert",
    "startDate": "2026-07-14T20:30",
    "endDate": "2026-07-14T22:00",
    "eventStatus": "https://schema.org/EventScheduled",
    "location": {"@type": "Place", "name": "Le Pâquier",
                 "geo": {"latitude": 45.9, "longitude": 6.13}},
    "offers": {"price": "12,50", "priceCurrency": "EUR", "url": "https://a.example/book",
               "availability": "https://schema.org/SoldOut"},
}  # fmt: skip


def prefixed(value: Any) -> Any:
    if isinstance(value, dict):
        return {k if k.startswith("@") else f"schema:{k}": prefixed(v) for k, v in value.items()}
    return [prefixed(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "document",
    [CASTLE, [CASTLE], {"@graph": [CASTLE]}, prefixed(CASTLE),
     {"@context": "https://schema.org", "@graph": [{"@type": "WebSite"}, CASTLE]}],
)  # fmt: skip
def test_a_place_is_the_same_in_every_wrapping(document: Any) -> None:
    report = schemaorg.read_places(json.dumps(document).encode(), language="fr")
    (record,) = report.records
    assert report.problems == ()
    assert record.id == "places-castle"
    assert record.name == {"fr": "Le château", "en": "The castle"}
    assert record.description == {"fr": "Vieux."}
    assert (record.lon, record.lat) == (6.12, 45.89)
    assert record.address == "Place, 74000 Annecy"
    assert record.categories == ("Museum",)
    assert record.tags == ("old", "stone")
    assert record.opening_hours == "Mo-Fr 09:00-17:00; Sa 10:00-12:00"
    assert record.price is not None
    assert record.image is not None
    assert (record.image.credit, record.image.rights_end) == ("A. Nom", dt.date(2027, 1, 1))


def test_a_picture_without_credit_is_kept_but_not_shown() -> None:
    data = json.dumps(CASTLE | {"image": "https://a.example/x.jpg"}).encode()
    report = schemaorg.read_places(data, language="fr")
    assert report.records[0].image is None
    assert report.records[0].extra["image"] == "https://a.example/x.jpg"
    assert [change.field for change in report.changes] == ["image"]


def test_an_event_has_its_place_price_and_status() -> None:
    document = [CONCERT, CASTLE, CONCERT | {"identifier": "b", "startDate": "2026-07-14",
                "endDate": None, "location": {"identifier": "castle", "name": "C"},
                "eventStatus": "EventCancelled"},
                CONCERT | {"identifier": "c", "startDate": "soon"}]  # fmt: skip
    report = schemaorg.read_events(
        json.dumps(document).encode(), language="fr", time_zone="Europe/Paris"
    )
    first, second = report.records
    assert first.start == dt.datetime(2026, 7, 14, 20, 30, tzinfo=PARIS)
    assert (first.lon, first.address, first.status) == (6.13, "Le Pâquier", "sold_out")
    assert first.price is not None
    assert first.price.amount == 12.5
    assert first.booking_url == "https://a.example/book"
    assert (second.place_id, second.status) == ("castle", "cancelled")
    assert second.end == dt.datetime(2026, 7, 15, tzinfo=PARIS)
    assert [(p.index, p.id, p.field) for p in report.problems] == [(3, "c", "startDate")]
    assert (report.read, report.others) == (3, 1)


def test_a_schedule_recurs() -> None:
    schedule = {"@type": "Schedule", "repeatFrequency": "P1W", "byDay": ["https://schema.org/Tuesday"],
                "startDate": "2026-07-07", "endDate": "2026-08-25", "startTime": "08:00",
                "endTime": "13:00", "exceptDate": "2026-07-14"}  # fmt: skip
    event = {"@type": "Event", "identifier": "m", "name": "Marché", "eventSchedule": schedule}
    bad = event | {"identifier": "n", "eventSchedule": schedule | {"repeatFrequency": "often"}}
    report = schemaorg.read_events(
        json.dumps([event, bad]).encode(), language="fr", time_zone="Europe/Paris"
    )
    (record,) = report.records
    assert record.recurrence is not None
    assert record.recurrence.rrule == "FREQ=WEEKLY;UNTIL=20260825;BYDAY=TU"
    assert record.recurrence.duration_min == 300
    assert record.recurrence.except_dates == (dt.date(2026, 7, 14),)
    assert [problem.id for problem in report.problems] == ["n"]


def test_an_itinerary_gives_stops_in_its_order() -> None:
    trip = {"@type": "TouristTrip", "identifier": "t", "name": "Tour", "itinerary": {
        "@type": "ItemList", "itemListElement": [
            {"@type": "ListItem", "position": 2, "item": {"identifier": "b", "name": "B"}},
            {"@type": "ListItem", "position": 1, "item": CASTLE, "description": "Start"},
            {"@type": "ListItem", "position": 3, "item": {"name": "nowhere"}},
        ]}}  # fmt: skip
    report = schemaorg.read_circuits(json.dumps(trip).encode(), language="en")
    (record,) = report.records
    assert [(stop.place_id, stop.text) for stop in record.stops] == [
        ("places-castle", {"en": "Start"}), ("b", {}),
    ]  # fmt: skip
    assert (record.lon, record.lat) == (6.12, 45.89)
    assert [change.field for change in report.changes] == ["itinerary"]


def test_an_offer_names_what_it_is_for_and_until_when() -> None:
    offer = {"@type": "Offer", "identifier": "o", "name": "Half price", "validFrom": "2026-07-01",
             "validThrough": "2026-07-31", "itemOffered": CONCERT, "availableAtOrFrom": CASTLE,
             "price": 5}  # fmt: skip
    data = json.dumps(offer).encode()
    report = schemaorg.read_offers(data, language="en", time_zone="Europe/Paris")
    (record,) = report.records
    assert (record.place_id, record.event_id) == ("places-castle", "concert-1")
    assert record.valid_from == dt.datetime(2026, 7, 1, tzinfo=PARIS)
    assert record.valid_until == dt.datetime(2026, 8, 1, tzinfo=PARIS)
    assert record.extra["price"] == 5


@pytest.mark.parametrize("data", [b"", b"{", b"<html>"])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(FormatInvalid):
        schemaorg.read_places(data, language="fr")
