"""The demonstration's destination: Annecy and its lake, written and drawn by hand for Balise.

The places exist; texts are ours, and opening hours, prices, capacities, events, offers and alerts
are made up. Lines and outlines are drawn to look right on a map of the whole lake, not surveyed.

Files beside this module: destination, places, events, circuits, offers, alerts (JSON, as the API
takes them), zones (GeoJSON), campaigns (JSON, in the format of `rules`, which this package does
not read), basemap (GeoJSON for the live map; `kind` is lake, river, road, cycle, park, wood, town,
label or peak) and ways (GeoJSON lines that share their end points; `kind` is walk, cycle, boat or
drive, `from` and `to` name the ends).
"""

from __future__ import annotations

import importlib.resources
from typing import TypeVar

import msgspec

from content.alerts import AlertRecord
from content.circuits import CircuitRecord
from content.destination import Destination
from content.errors import FormatInvalid
from content.events import EventRecord
from content.fields import Record
from content.formats.geojson import read_zones
from content.formats.jsonfile import read_records
from content.formats.report import Report
from content.offers import OfferRecord
from content.places import PlaceRecord
from content.zones import ZoneRecord

R = TypeVar("R", bound=Record)


class Annecy(msgspec.Struct, frozen=True, kw_only=True):
    """The whole destination; campaigns, basemap and ways are files for those who read them."""

    destination: Destination
    zones: tuple[ZoneRecord, ...]
    places: tuple[PlaceRecord, ...]
    events: tuple[EventRecord, ...]
    circuits: tuple[CircuitRecord, ...]
    offers: tuple[OfferRecord, ...]
    alerts: tuple[AlertRecord, ...]
    campaigns: bytes
    basemap: bytes
    ways: bytes


def read(name: str) -> bytes:
    """A file of this package by its name, such as `basemap.geojson`."""
    return importlib.resources.files(__name__).joinpath(name).read_bytes()


def load() -> Annecy:
    """Read and check the destination. Raises FormatInvalid where a shipped file is damaged."""
    (destination,) = _all("destination.json", read_records(read("destination.json"), Destination))
    zones = read_zones(read("zones.geojson"), language=destination.default_language)
    return Annecy(
        destination=destination,
        zones=_all("zones.geojson", zones),
        places=_records("places.json", PlaceRecord),
        events=_records("events.json", EventRecord),
        circuits=_records("circuits.json", CircuitRecord),
        offers=_records("offers.json", OfferRecord),
        alerts=_records("alerts.json", AlertRecord),
        campaigns=read("campaigns.json"),
        basemap=read("basemap.geojson"),
        ways=read("ways.geojson"),
    )


def _records(name: str, kind: type[R]) -> tuple[R, ...]:
    return _all(name, read_records(read(name), kind))


def _all(name: str, report: Report[R]) -> tuple[R, ...]:
    if report.problems:
        first = report.problems[0]
        raise FormatInvalid(f"{first.field}: {first.reason}", f"{name} record {first.index}")
    return report.records
