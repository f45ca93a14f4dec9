"""DATAtourisme into places, events and circuits.

Read are a flux as it is delivered (a zip of index.json and objects/x/xx/*.json), one of its
objects, an array of them, and objects flattened to one a line (NDJSON with id, types, label,
short, lat, lon, periods, opening). The ontology lets a value be one or many, and files do both.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator, Mapping
from typing import Literal, TypeVar

from content.circuits import CircuitRecord
from content.errors import FormatInvalid
from content.events import EventRecord
from content.fields import Record
from content.formats import hours, lenient, loose, packed
from content.formats.drafts import Draft, Gathering
from content.formats.periods import Period, Times, times
from content.formats.report import Report
from content.places import PlaceRecord

R = TypeVar("R", bound=Record)
Kind = Literal["place", "event", "circuit"]
Object = Mapping[str, object]

_EVENTS = {"EntertainmentAndEvent", "schema:Event"}
_GENERAL = {"PointOfInterest", "PlaceOfInterest", "EntertainmentAndEvent", "Tour", "Product"}
_MODES = {"CyclingTour": "cycle", "FluvialTour": "boat", "RoadTour": "drive"}
_INDEX_FILES = ("index.json", "context.jsonld")


def read_places(data: bytes, *, language: str) -> Report[PlaceRecord]:
    """Read what is neither an event nor a tour.

    language: of texts without one. Raises FormatInvalid where the file as a whole cannot be read.
    """
    return _read(data, "place", Gathering(PlaceRecord), language, None)


def read_events(data: bytes, *, language: str, time_zone: str) -> Report[EventRecord]:
    """Read the events; their times are of `time_zone` (IANA). Else as `read_places`."""
    return _read(data, "event", Gathering(EventRecord), language, zoneinfo.ZoneInfo(time_zone))


def read_circuits(data: bytes, *, language: str) -> Report[CircuitRecord]:
    """Read the tours; DATAtourisme says where they begin, not where they lead. Else as
    `read_places`."""
    return _read(data, "circuit", Gathering(CircuitRecord), language, None)


def _read(
    data: bytes,
    kind: Kind,
    gathering: Gathering[R],
    language: str,
    zone: zoneinfo.ZoneInfo | None,
) -> Report[R]:
    for index, found in enumerate(_objects(packed.unpacked(data))):
        if isinstance(found, FormatInvalid):
            gathering.refuse(index, "", str(found))
            continue
        if not isinstance(found, dict):
            gathering.refuse(index, "", "is no object")
            continue
        types = _types(found)
        if _kind(types) != kind:
            gathering.other()
            continue
        own = loose.text(found.get("@id")) or loose.text(found.get("id"))
        if not own:
            gathering.refuse(index, "@id", "is missing")
            continue
        draft = _draft(found, own, types, language)
        if kind == "circuit":
            _circuit(draft, found, types)
        if zone is None:
            gathering.add(index, draft)
            continue
        try:
            made = times(_periods(found), zone)
        except ValueError as error:
            gathering.refuse(index, "takesPlaceAt", str(error), draft.id)
            continue
        if not made:
            gathering.refuse(index, "takesPlaceAt", "says no day", draft.id)
            continue
        gathering.add(index, *_split(draft, made))
    return gathering.report()


def _objects(data: bytes) -> Iterator[object]:
    if packed.is_zip(data):
        for name, content in packed.members(data):
            if name.endswith(".json") and not name.endswith(_INDEX_FILES):
                try:
                    yield lenient.decode(content)
                except FormatInvalid as error:
                    yield FormatInvalid(error.reason, name)
        return
    for each in lenient.documents(data):
        graph = each.get("@graph") if isinstance(each, dict) else None
        yield from graph if isinstance(graph, list) else [each]


def _types(found: Object) -> list[str]:
    raw = found.get("@type") or found.get("types")
    return [each for each in loose.many(raw) if isinstance(each, str)]


def _kind(types: list[str]) -> Kind:
    if _EVENTS & set(types):
        return "event"
    return "circuit" if "Tour" in types else "place"


def _draft(found: Object, own: str, types: list[str], language: str) -> Draft:
    # https://data.datatourisme.gouv.fr/15/003eb63b-...: the flux calls it 15-003eb63b-... too.
    draft = Draft("-".join(own.rstrip("/").split("/")[-2:]) if "/" in own else own, language)
    draft.text("name", found.get("rdfs:label", found.get("label")))
    described = loose.one(found.get("hasDescription"))
    short = loose.member(described, "shortDescription") or found.get("rdfs:comment")
    draft.text("summary", short or found.get("short"))
    draft.text("description", loose.member(described, "dc:description"))
    _whereabouts(draft, found)
    plain = [each for each in types if ":" not in each and each not in _GENERAL]
    draft.tags("themes", list(_names(found.get("hasTheme"))))
    draft.tags("tags" if _kind(types) == "circuit" else "categories", plain)
    _image(draft, found)
    draft.url("website", loose.member(found, "hasContact", "foaf:homepage"))
    if _kind(types) != "circuit":
        _price(draft, found)
    if _kind(types) == "event":
        draft.url("booking_url", loose.member(found, "hasBookingContact", "foaf:homepage"))
    if _kind(types) == "place":
        _access(draft, found)
    draft.keep("source", {"format": "datatourisme", "id": own})
    draft.keep("source_updated", found.get("lastUpdate") or found.get("updated"))
    draft.keep("source_reference", found.get("dc:identifier") or found.get("ref"))
    draft.keep("publisher", loose.member(found, "hasBeenCreatedBy", "schema:legalName"))
    draft.keep("telephone", loose.one(loose.member(found, "hasContact", "schema:telephone")))
    draft.keep("email", loose.one(loose.member(found, "hasContact", "schema:email")))
    return draft


def _whereabouts(draft: Draft, found: Object) -> None:
    at = loose.one(found.get("isLocatedAt"))
    lon = loose.number(loose.member(at, "schema:geo", "schema:longitude"))
    lat = loose.number(loose.member(at, "schema:geo", "schema:latitude"))
    draft.put("lon", loose.number(found.get("lon")) if lon is None else lon)
    draft.put("lat", loose.number(found.get("lat")) if lat is None else lat)
    address = loose.member(at, "schema:address")
    street = ", ".join(
        loose.text(each) for each in loose.many(loose.member(address, "schema:streetAddress"))
    )
    town = " ".join(
        part
        for part in (
            loose.text(loose.member(address, "schema:postalCode") or found.get("postcode")),
            loose.text(loose.member(address, "schema:addressLocality") or found.get("city")),
        )
        if part
    )
    whole = ", ".join(part for part in (street, town) if part)
    if "Tour" in _types(found):
        draft.keep("address", whole)
    else:
        draft.put("address", whole)


def _names(value: object) -> Iterator[str]:
    """The last part of the ids of concepts: kb:CityOutskirts is CityOutskirts."""
    for each in loose.many(value):
        yield loose.text(loose.member(each, "@id") or each).rsplit(":", 1)[-1].rsplit("#", 1)[-1]


def _image(draft: Draft, found: Object) -> None:
    main = found.get("hasMainRepresentation") or found.get("hasRepresentation")
    url = loose.text(loose.member(main, "ebucore:hasRelatedResource", "ebucore:locator"))
    if not url:
        return
    annotation = loose.member(main, "ebucore:hasAnnotation")
    credit = loose.text(loose.member(annotation, "credits"))
    ends = loose.text(loose.member(annotation, "rightsEndDate"))
    if not credit:
        # A picture is not shown without saying whose it is.
        draft.keep("image", {"url": url, "rights_end": ends})
        draft.note("image", "has no credits: kept in extra, not shown")
        return
    image: dict[str, object] = {"url": url, "credit": credit}
    image["alt"] = loose.by_language(loose.member(annotation, "ebucore:title"), draft.language)
    if ends:
        image["rights_end"] = loose.day(ends) or ends
    draft.put("image", image)


def _price(draft: Draft, found: Object) -> None:
    fitting: list[tuple[bool, int, float, object]] = []
    for offer in loose.many(found.get("offers")):
        for spec in loose.many(loose.member(offer, "schema:priceSpecification")):
            amount = loose.number(loose.member(spec, "schema:price"))
            if amount is None:
                amount = loose.number(loose.member(spec, "schema:minPrice"))
            if amount is not None:
                base = "BaseRate" in loose.text(loose.member(spec, "hasEligiblePolicy", "@id"))
                fitting.append((not base, len(fitting), amount, spec))
    if not fitting:
        return
    *_, amount, spec = min(fitting, key=lambda each: each[:2])
    price: dict[str, object] = {"amount": amount}
    price["currency"] = loose.text(loose.member(spec, "schema:priceCurrency")) or "EUR"
    note = loose.member(spec, "additionalInformation")
    note = note or loose.member(spec, "hasEligiblePolicy", "rdfs:label")
    price["note"] = loose.by_language(note, draft.language)
    draft.put("price", price)


def _access(draft: Draft, found: Object) -> None:
    reduced = found.get("reducedMobilityAccess")
    if isinstance(reduced, bool):
        draft.put("accessibility", {"wheelchair": "yes" if reduced else "no"})
    raw = loose.member(found, "isLocatedAt", "schema:openingHoursSpecification")
    specifications = loose.many(raw or found.get("opening"))
    if not specifications:
        return
    rules = hours.opening_hours(specifications)
    if rules:
        draft.put("opening_hours", rules)
    else:
        draft.keep("opening_hours", specifications)
        draft.note("opening_hours", "names no day or no hour: kept as it was in extra")


def _circuit(draft: Draft, found: Object, types: list[str]) -> None:
    draft.put("mode", next((_MODES[each] for each in types if each in _MODES), "walk"))
    for field, keys in (
        ("distance_m", ("tourDistance", "tour_distance_m")),
        ("ascent_m", ("highDifference",)),
        ("duration_min", ("duration",)),
    ):
        for key in keys:
            draft.put(field, loose.number(found.get(key)))


def _periods(found: Object) -> list[Period]:
    """Raises ValueError for a period without a day."""
    periods = []
    for raw in loose.many(found.get("takesPlaceAt") or found.get("periods")):
        first = loose.day(loose.member(raw, "startDate"))
        if first is None:
            raise ValueError("has a period without a day to begin")
        starts = loose.clock(loose.member(raw, "startTime"))
        ends = loose.clock(loose.member(raw, "endTime"))
        last = loose.day(loose.member(raw, "endDate")) or first
        periods.append(Period(first=first, last=last, starts=starts, ends=ends if starts else None))
    return periods


def _split(draft: Draft, made: list[Times]) -> Iterator[Draft]:
    """The draft once for each of its times."""
    for each in made:
        own = Draft(draft.id + each.suffix, draft.language)
        own.values = draft.values | each.fields
        own.extra = dict(draft.extra)
        own.changes = list(draft.changes) if not each.suffix else []
        if each.suffix:
            own.note("takesPlaceAt", f"is at several times of day: also as {own.id}")
        yield own
