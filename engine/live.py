"""The live picture: what a console shows of the engine as it runs, aggregated here.

Frames are values; the door that sends them encodes them. Real visitors appear only as counts of
cells and zones with at least K_MIN of them, and what they were told as its campaign's name;
simulated ones, who are nobody, one by one.
"""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import msgspec
import numpy as np

from content.destination import Destination
from engine import limits
from engine.catalogue import Entry
from engine.crowd import Source, Trend
from engine.motor import Motor
from geofence.geodesy import outline
from notifier.notifications import Notification
from rules.facts import LEVEL_NAMES

TREND_NAMES = {Trend.UP: "up", Trend.DOWN: "down", Trend.FLAT: "flat"}


class Push(msgspec.Struct, frozen=True, kw_only=True, tag="push"):
    """A push that left: where it fired and what it said."""

    id: str
    at_ms: int
    lon: float | None
    lat: float | None
    lang: str
    title: str
    body: str
    campaign: str
    campaign_name: str
    zone: str | None
    visitor_label: str


class Frame(msgspec.Struct, frozen=True, kw_only=True, tag="frame"):
    """Figures, zones and visitors at one instant.

    simulated: base64 of little-endian float32 pairs (lon, lat) relative to the centre, in degrees,
    one pair a simulated visitor in stable order, NaN before the first fix. density: (lon, lat,
    count) of cells of real visitors.
    """

    now_ms: int
    speed: float
    figures: dict[str, Any]
    zones: list[dict[str, Any]]
    simulated: str
    density: list[tuple[float, float, int]]


class Scenery(NamedTuple):
    """What a scene is drawn from, as it stood at one instant."""

    destination: Destination | None
    time_zone: str
    zones: tuple[Entry, ...]
    places: tuple[Entry, ...]
    campaigns: tuple[Entry, ...]
    simulated: bool


class LivePicture:
    """Builds scene and frames from one motor."""

    def __init__(self, motor: Motor) -> None:
        self._motor = motor
        self._simulated = np.empty(0, np.bool_)
        self._outlines: dict[str, tuple[int, Any]] = {}

    def scene_version(self) -> tuple[int, bool]:
        """What a scene depends on: one drawn of the same version is the same."""
        self._notice_visitors()
        return self._motor.pipeline.catalogue.revision, bool(self._simulated.any())

    def scenery(self) -> Scenery:
        """Take down what `draw` needs."""
        self._notice_visitors()
        catalogue = self._motor.pipeline.catalogue
        return Scenery(
            destination=catalogue.destination,
            time_zone=self._motor.pipeline.facts.destination.time_zone,
            zones=tuple(catalogue.all("zone").values()),
            places=tuple(catalogue.all("place").values()),
            campaigns=tuple(catalogue.all("campaign").values()),
            simulated=bool(self._simulated.any()),
        )

    def draw(self, scenery: Scenery, basemap: Any) -> bytes:
        """What does not move, as JSON: destination, outlines of zones, places, campaigns, basemap.

        Takes a second for some thousand zones: for any one thread at a time.
        """
        destination = scenery.destination
        self._outlines = {
            entry.record.id: self._outline(entry) for entry in scenery.zones
        }  # those of zones that are gone go with them
        zones = [
            {
                "type": "Feature",
                "id": record.id,
                "geometry": {
                    "type": "MultiPolygon",
                    "coordinates": self._outlines[record.id][1],
                },
                "properties": {
                    "id": record.id,
                    "name": record.name,
                    "tags": record.tags,
                    "capacity": record.capacity_persons(),
                },
            }
            for _, record in scenery.zones
        ]
        places = [_place(record) for _, record in scenery.places]
        bounds = _bounds(zones, places)
        return msgspec.json.encode(
            {
                "destination": {
                    "id": destination.id if destination else "destination",
                    "name": destination.name if destination else {"en": "Balise"},
                    "time_zone": scenery.time_zone,
                    "centre": _centre(destination, bounds),
                    "bounds": bounds,
                    "default_language": destination.default_language if destination else "en",
                },
                "zones": {"type": "FeatureCollection", "features": zones},
                "places": {"type": "FeatureCollection", "features": places},
                "basemap": basemap,
                "campaigns": [
                    {"id": record.id, "name": record.name} for _, record in scenery.campaigns
                ],
                "simulated": scenery.simulated,
            }
        )

    def _outline(self, entry: Entry) -> tuple[int, Any]:
        """A zone's version and outline, drawn where it has changed."""
        known = self._outlines.get(entry.record.id)
        if known is not None and known[0] == entry.version:
            return known
        return entry.version, outline(entry.record.to_zone().shape).parts

    def frame(self, at_s: float) -> Frame:
        """The picture now; `at_s` is monotonic, for rates."""
        motor = self._motor
        pipeline = motor.pipeline
        figures = motor.figures
        latency = figures.match_latency()
        self._notice_visitors()
        return Frame(
            now_ms=pipeline.now_ms,
            speed=getattr(motor.clock, "speed", 1.0),
            figures={
                "pings_per_s": round(figures.pings_per_s(at_s)),
                "pings": sum(figures.pings.values()),
                "match_p50_us": latency.p50_us,
                "match_p99_us": latency.p99_us,
                "transitions": {
                    kind: figures.transitions[kind] for kind in ("enter", "exit", "dwell", "cross")
                },
                "pushes": figures.pushes,
                "decisions": figures.decisions,
                "held": dict(figures.held),
                "visitors": len(pipeline.visitors),
                "queue": motor.queue,
            },
            zones=self._zones(),
            **self._visitors(),
        )

    def push(self, notification: Notification, zone: str | None) -> Push:
        """A push for the feed; of one to a real visitor no more than its campaign's name."""
        motor = self._motor
        visitor = motor.pipeline.visitors.find(notification.visitor)
        slot = motor.pipeline.visitors.find_slot(notification.visitor)
        fix = None if slot is None else motor.pipeline.tracker.last_fix(slot)
        simulated = visitor is not None and visitor.simulated
        campaign = motor.pipeline.catalogue.find("campaign", notification.campaign)
        name = campaign.name if campaign else notification.campaign
        if not simulated:
            destination = motor.pipeline.catalogue.destination
            return Push(
                id=notification.id,
                at_ms=notification.created_ms,
                lon=None,
                lat=None,
                lang=destination.default_language if destination else "en",
                title=name,
                body="",
                campaign=notification.campaign,
                campaign_name=name,
                zone=None,
                visitor_label="",
            )
        return Push(
            id=notification.id,
            at_ms=notification.created_ms,
            lon=fix[1] if fix else None,
            lat=fix[2] if fix else None,
            lang=notification.lang,
            title=notification.title,
            body=notification.body,
            campaign=notification.campaign,
            campaign_name=name,
            zone=zone,
            visitor_label=notification.visitor,
        )

    def _zones(self) -> list[dict[str, Any]]:
        pipeline = self._motor.pipeline
        trends = pipeline.crowd.trends()
        inside = pipeline.tracker.occupancy()
        everybody = bool(self._simulated.all())
        out = []
        for zone_id in pipeline.catalogue.all("zone"):
            slot = pipeline.tracker.zone_slot(zone_id)
            if slot >= len(pipeline.crowd.levels):
                continue
            crowd = pipeline.crowd.of(slot, trends)
            occupancy = crowd.persons
            if occupancy is None or crowd.source is Source.PINGS:
                # A figure made of phones: of a few real ones it is not told how many.
                count = int(inside[slot])
                occupancy = count if occupancy is None else occupancy
                if count < limits.K_MIN and not everybody:
                    occupancy = None
            out.append(
                {
                    "id": zone_id,
                    "level": LEVEL_NAMES[crowd.level],
                    "occupancy": occupancy,
                    "trend": TREND_NAMES[crowd.trend],
                }
            )
        return out

    def _notice_visitors(self) -> None:
        """Keep the column of who is simulated as long as the visitors."""
        visitors = self._motor.pipeline.visitors
        known = len(self._simulated)
        if len(visitors) > known:
            more = [visitors.at(slot).simulated for slot in range(known, len(visitors))]
            self._simulated = np.concatenate([self._simulated, np.array(more, np.bool_)])

    def _visitors(self) -> dict[str, Any]:
        lon, lat, fix_ms = self._motor.pipeline.tracker.last_positions()
        count = min(len(lon), len(self._simulated))
        seen = fix_ms[:count] > 0
        simulated = self._simulated[:count]
        centre_lon, centre_lat = _centre(self._motor.pipeline.catalogue.destination, None)
        pairs = np.empty((int(simulated.sum()), 2), "<f4")
        known = seen[simulated]
        pairs[:, 0] = np.where(known, lon[:count][simulated] - centre_lon, np.nan)
        pairs[:, 1] = np.where(known, lat[:count][simulated] - centre_lat, np.nan)
        recent = fix_ms[:count] > self._motor.pipeline.now_ms - limits.LIVE_RECENT_MS
        real = seen & recent & ~simulated
        return {
            "simulated": base64.b64encode(pairs.tobytes()).decode(),
            "density": _density(lon[:count][real], lat[:count][real]),
        }


def _centre(
    destination: Destination | None, bounds: tuple[float, float, float, float] | None
) -> tuple[float, float]:
    if destination is not None:
        return destination.lon, destination.lat
    if bounds is not None:
        return (bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2
    return 0.0, 0.0


def _place(record: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": record.id,
        "geometry": {"type": "Point", "coordinates": (record.lon, record.lat)},
        "properties": {
            "id": record.id,
            "name": record.name,
            "must_see": record.must_see,
            "off_the_beaten_track": record.off_the_beaten_track,
            "categories": record.categories,
        },
    }


def _density(lon: Any, lat: Any) -> list[tuple[float, float, int]]:
    """Counts by cell of DENSITY_CELL_DEG, those under K_MIN left out."""
    if not len(lon):
        return []
    cell = limits.DENSITY_CELL_DEG
    cells = np.stack([np.floor(lon / cell), np.floor(lat / cell)], axis=1)
    found, counts = np.unique(cells, axis=0, return_counts=True)
    return [
        (round((x + 0.5) * cell, 6), round((y + 0.5) * cell, 6), int(count))
        for (x, y), count in zip(found.tolist(), counts.tolist(), strict=True)
        if count >= limits.K_MIN
    ]


def _bounds(*collections: list[dict[str, Any]]) -> tuple[float, float, float, float]:
    """West, south, east and north of all features; the whole world where there are none."""
    points = [
        point
        for features in collections
        for feature in features
        for point in _points(feature["geometry"]["coordinates"])
    ]
    if not points:
        return -180.0, -60.0, 180.0, 75.0
    lon, lat = zip(*points, strict=True)
    return min(lon), min(lat), max(lon), max(lat)


def _points(coordinates: Any) -> list[tuple[float, float]]:
    if isinstance(coordinates[0], int | float):
        return [(float(coordinates[0]), float(coordinates[1]))]
    return [point for part in coordinates for point in _points(part)]
