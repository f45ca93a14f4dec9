"""Records as schema.org JSON-LD, for pages and search engines, and for our own reader.

What recurs by a rule that schema.org can say has an `eventSchedule`; what recurs otherwise has its
next occurrences as `subEvent`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from content.circuits import CircuitRecord
from content.events import EventRecord, Recurrence
from content.fields import Image, Price
from content.formats.schemaorg import DAYS, FREQUENCIES, parts_of
from content.occurrences import Sky, expand
from content.offers import OfferRecord
from content.places import PlaceRecord

Shown = PlaceRecord | EventRecord | CircuitRecord | OfferRecord

AHEAD_MS = 90 * 86_400_000
"""How far ahead occurrences are listed one by one: a season."""
_STATUS = {"scheduled": "EventScheduled", "sold_out": "EventScheduled",
           "cancelled": "EventCancelled", "moved": "EventRescheduled"}  # fmt: skip
_DAYS = {short: day for day, short in DAYS.items()}
_EVERY = {name: letter for letter, name in FREQUENCIES.items()}
_SAYABLE = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH"}


def write(records: Iterable[Shown], *, sky: Sky, now_ms: int) -> bytes:
    """A document with a `@graph` of records; occurrences are those after `now_ms`."""
    graph = [_node(record, sky, now_ms) for record in records]
    return msgspec.json.encode({"@context": "https://schema.org", "@graph": graph})


def _node(record: Shown, sky: Sky, now_ms: int) -> dict[str, Any]:
    node: dict[str, Any] = {
        "@type": "Thing",
        "identifier": record.id,
        "name": _texts(record.name),
        "disambiguatingDescription": _texts(record.summary),
        "description": _texts(record.description),
        "url": record.website,
        "image": _image(record.image),
        "keywords": list(record.tags),
        "touristType": list(record.themes),
    }
    if isinstance(record, PlaceRecord):
        node |= _place(record)
    elif isinstance(record, EventRecord):
        node |= _event(record, sky, now_ms)
    elif isinstance(record, CircuitRecord):
        node |= _circuit(record)
    else:
        node |= _offer(record)
    return {key: value for key, value in node.items() if value not in (None, "", [], {})}


def _texts(text: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"@language": tag, "@value": words} for tag, words in text.items()]


def _image(image: Image | None) -> dict[str, Any] | None:
    if image is None:
        return None
    found = {
        "@type": "ImageObject",
        "contentUrl": image.url,
        "creditText": image.credit,
        "caption": _texts(image.alt),
        "license": image.licence,
        "expires": image.rights_end and image.rights_end.isoformat(),
    }
    return {key: value for key, value in found.items() if value}


def _geo(lon: float | None, lat: float | None) -> dict[str, Any] | None:
    if lon is None or lat is None:
        return None
    return {"@type": "GeoCoordinates", "longitude": lon, "latitude": lat}


def _place(place: PlaceRecord) -> dict[str, Any]:
    wheelchair = place.accessibility.wheelchair
    feature = {"@type": "LocationFeatureSpecification", "name": "wheelchair", "value": wheelchair}
    return {
        "@type": "TouristAttraction",
        "additionalType": list(place.categories),
        "geo": _geo(place.lon, place.lat),
        "address": place.address,
        # Rules that do not parse are nobody's opening hours.
        "openingHours": "" if place.opening_hours_invalid else place.opening_hours,
        "amenityFeature": feature if wheelchair else None,
        "isAccessibleForFree": True if _free(place.price) else None,
    }


def _free(price: Price | None) -> bool:
    return price is not None and price.amount == 0


def _event(event: EventRecord, sky: Sky, now_ms: int) -> dict[str, Any]:
    location = {"@type": "Place", "identifier": event.place_id, "address": event.address,
                "geo": _geo(event.lon, event.lat)}  # fmt: skip
    location = {key: value for key, value in location.items() if value}
    offer: dict[str, Any] = {"@type": "Offer", "url": event.booking_url}
    if event.price is not None:
        offer |= {"price": event.price.amount, "priceCurrency": event.price.currency}
    if event.status == "sold_out":
        offer["availability"] = "https://schema.org/SoldOut"
    offer = {key: value for key, value in offer.items() if value is not None}
    node: dict[str, Any] = {
        "@type": "Event",
        "additionalType": list(event.categories),
        "eventStatus": f"https://schema.org/{_STATUS[event.status]}",
        "location": location if len(location) > 1 else None,
        "offers": offer if len(offer) > 1 else None,
        "remainingAttendeeCapacity": event.remaining_places,
        "startDate": event.start and event.start.isoformat(),
        "endDate": event.end and event.end.isoformat(),
    }
    if event.recurrence is not None:
        schedule = _schedule(event.recurrence, sky)
        if schedule is not None:
            node["eventSchedule"] = schedule
        else:
            node["subEvent"] = _occurrences(event, sky, now_ms)
    return node


def _schedule(recurrence: Recurrence, sky: Sky) -> dict[str, Any] | None:
    """A recurrence as a Schedule; None where schema.org has no words for it."""
    parts = parts_of(recurrence.rrule)
    time, first = recurrence.start_rule.time, recurrence.first_date
    days = parts.get("BYDAY", "").split(",")
    if time is None or first is None or recurrence.dates or not parts.keys() <= _SAYABLE:
        return None
    if parts.get("FREQ") not in _EVERY or any(day not in ("", *_DAYS) for day in days):
        return None
    until = parts.get("UNTIL", "")
    if len(until) > 8:
        return None  # an instant, of which a date would say too much or too little
    found = {
        "@type": "Schedule",
        "repeatFrequency": f"P{parts.get('INTERVAL', '1')}{_EVERY[parts['FREQ']]}",
        "repeatCount": int(parts["COUNT"]) if "COUNT" in parts else None,
        "startDate": first.isoformat(),
        "endDate": until and dt.date.fromisoformat(until).isoformat(),
        "byDay": [f"https://schema.org/{_DAYS[day]}" for day in days if day],
        "byMonthDay": [int(n) for n in parts.get("BYMONTHDAY", "").split(",") if n],
        "byMonth": [int(n) for n in parts.get("BYMONTH", "").split(",") if n],
        "startTime": time.isoformat(),
        "duration": f"PT{recurrence.duration_min}M",
        "scheduleTimezone": recurrence.time_zone or sky.time_zone.key,
        "exceptDate": [day.isoformat() for day in recurrence.except_dates],
    }
    return {key: value for key, value in found.items() if value not in (None, "", [])}


def _occurrences(event: EventRecord, sky: Sky, now_ms: int) -> list[dict[str, Any]]:
    return [
        {
            "@type": "Event",
            "identifier": found.id,
            "name": _texts(event.name),
            "startDate": _instant(found.start_ms, sky),
            "endDate": _instant(found.end_ms, sky),
            "eventStatus": f"https://schema.org/{_STATUS[found.status]}",
        }
        for found in expand([event], now_ms, now_ms + AHEAD_MS, sky)
    ]


def _instant(at_ms: int, sky: Sky) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1000, tz=sky.time_zone).isoformat()


def _circuit(circuit: CircuitRecord) -> dict[str, Any]:
    items = [
        {
            "@type": "ListItem",
            "position": at,
            "item": {"@type": "TouristAttraction", "identifier": stop.place_id},
            "description": _texts(stop.text),
        }
        for at, stop in enumerate(circuit.stops, 1)
    ]
    itinerary = {"@type": "ItemList", "numberOfItems": len(items), "itemListElement": items}
    return {"@type": "TouristTrip", "itinerary": itinerary if items else None}


def _offer(offer: OfferRecord) -> dict[str, Any]:
    place = {"@type": "TouristAttraction", "identifier": offer.place_id}
    event = {"@type": "Event", "identifier": offer.event_id}
    return {
        "@type": "Offer",
        "validFrom": offer.valid_from and offer.valid_from.isoformat(),
        "validThrough": offer.valid_until and offer.valid_until.isoformat(),
        "availableAtOrFrom": place if offer.place_id else None,
        "itemOffered": event if offer.event_id else None,
    }
