"""GPX 1.0 and 1.1: tracks and routes into circuits, waypoints into places; and circuits back.

Lengths are geodesic over all points. Ascent counts climbs only from turning points at least
`CLIMB_M` apart, since the heights that receivers record tremble by some metres.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping
from xml.sax.saxutils import escape, quoteattr

from content import limits
from content.circuits import CircuitRecord
from content.errors import FormatInvalid
from content.formats import ids, loose, packed, xmltree
from content.formats.drafts import Draft, Gathering
from content.formats.report import Report
from content.formats.xmltree import Node
from content.places import PlaceRecord
from content.texts import pick
from geofence.geodesy import distance_m

CLIMB_M = 5.0
Point = tuple[float, ...]


def read_circuits(data: bytes, *, language: str) -> Report[CircuitRecord]:
    """Read the tracks, then the routes: each one with two points or more is a circuit.

    language: of the names. An id is the name as a slug, numbered where several have it. Raises
    FormatInvalid where the file as a whole cannot be read.
    """
    root = _root(data)
    gathering: Gathering[CircuitRecord] = Gathering(CircuitRecord)
    taken: Counter[str] = Counter()
    lines = [*root.all("trk"), *root.all("rte")]
    for index, line in enumerate(lines):
        draft = _named(line, language, taken, "circuit")
        nodes = [point for segment in line.all("trkseg") for point in segment.all("trkpt")]
        nodes = nodes or list(line.all("rtept"))
        points = [point for node in nodes if (point := _point(node)) is not None]
        if len(points) < len(nodes):
            draft.note("geometry", f"{len(nodes) - len(points)} points without a position left out")
        if len(points) < 2:
            gathering.refuse(index, "geometry", "has fewer than two points", draft.id)
            continue
        if len(points) > limits.LINE_POSITIONS_MAX:
            gathering.refuse(
                index, "geometry", f"has more than {limits.LINE_POSITIONS_MAX} points", draft.id
            )
            continue
        draft.put("geometry", {"type": "LineString", "coordinates": points})
        draft.put("distance_m", round(length_m(points), 1))
        if all(len(point) == 3 for point in points):
            draft.put("ascent_m", round(ascent_m([point[2] for point in points]), 1))
        _duration(draft, nodes)
        gathering.add(index, draft)
    for _waypoint in root.all("wpt"):
        gathering.other()
    return gathering.report()


def read_places(data: bytes, *, language: str) -> Report[PlaceRecord]:
    """Read the waypoints; else as `read_circuits`."""
    root = _root(data)
    gathering: Gathering[PlaceRecord] = Gathering(PlaceRecord)
    taken: Counter[str] = Counter()
    for index, node in enumerate(root.all("wpt")):
        draft = _named(node, language, taken, "waypoint")
        point = _point(node)
        if point is None:
            gathering.refuse(index, "lat", "has no position", draft.id)
            continue
        draft.values |= {"lon": point[0], "lat": point[1]}
        draft.tags("categories", [node.text("type")])
        gathering.add(index, draft)
    for _line in (*root.all("trk"), *root.all("rte")):
        gathering.other()
    return gathering.report()


def _root(data: bytes) -> Node:
    root = xmltree.parse(packed.unpacked(data))
    if root.name != "gpx":
        raise FormatInvalid(f"is not GPX: its root is {root.name}")
    return root


def _named(node: Node, language: str, taken: Counter[str], otherwise: str) -> Draft:
    name = node.text("name")
    base = ids.slug(name) if name else otherwise
    taken[base] += 1
    numbered = taken[base] > 1 or not name
    draft = Draft(f"{base}-{taken[base]}" if numbered else base, language)
    if numbered:
        draft.note("id", "made of the name and a number, by the order of the file")
    if not name:
        draft.note("name", "is missing: the id stands for it")
    draft.text("name", name or draft.id)
    draft.text("summary", node.text("cmt"))
    draft.text("description", node.text("desc"))
    link = next(node.all("link"), None)
    draft.url("website", link.attributes.get("href", "") if link else node.text("url"))
    draft.keep("gpx_type", node.text("type"))
    draft.keep("gpx_source", node.text("src"))
    return draft


def _point(node: Node) -> Point | None:
    lon, lat = loose.number(node.attributes.get("lon")), loose.number(node.attributes.get("lat"))
    if lon is None or lat is None or not (-180 <= lon <= 180 and -90 <= lat <= 90):
        return None
    height = loose.number(node.text("ele"))
    return (lon, lat) if height is None else (lon, lat, height)


def _duration(draft: Draft, nodes: list[Node]) -> None:
    """Minutes from the first fix to the last, if the points are timed."""
    first, last = _instant(nodes[0]), _instant(nodes[-1])
    if first is not None and last is not None and last > first:
        draft.put("duration_min", max(1, round((last - first).total_seconds() / 60)))


def _instant(node: Node) -> dt.datetime | None:
    try:
        found = dt.datetime.fromisoformat(node.text("time"))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)


def length_m(points: Iterable[Point]) -> float:
    """The length of a line, metres on the ellipsoid."""
    total, before = 0.0, None
    for point in points:
        if before is not None:
            total += distance_m(before[0], before[1], point[0], point[1])
        before = point
    return total


def ascent_m(heights: Iterable[float]) -> float:
    """Metres climbed in all, by turning points at least `CLIMB_M` apart."""
    total, low, high = 0.0, None, None
    for height in heights:
        if low is None or high is None:
            low = high = height
        elif height > high:
            high = height
        elif height <= high - CLIMB_M:
            total += high - low if high - low >= CLIMB_M else 0.0
            low = high = height
        elif height < low:
            low = high = height
    if low is not None and high is not None and high - low >= CLIMB_M:
        total += high - low
    return total


def write_circuits(
    circuits: Iterable[CircuitRecord],
    places: Mapping[str, PlaceRecord],
    *,
    languages: Iterable[str],
    default_language: str,
) -> bytes:
    """GPX 1.1: a track for each circuit with a line, a waypoint for each stop at a known place.

    Texts are in the first of `languages` that they have, else in `default_language`.
    """
    wanted = list(languages)

    def said(text: Mapping[str, str]) -> str:
        found = pick(text, wanted, default_language)
        return _clean(found[1]) if found else ""

    waypoints: dict[str, str] = {}
    tracks: list[str] = []
    for circuit in circuits:
        for stop in circuit.stops:
            place = places.get(stop.place_id)
            if place is not None:
                waypoints[place.id] = (
                    f'<wpt lat="{place.lat!r}" lon="{place.lon!r}">'
                    + _element("name", said(place.name))
                    + _element("desc", said(place.summary))
                    + "</wpt>"
                )
        if circuit.geometry is not None:
            tracks.append(_track(circuit, said))
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<gpx version="1.1" creator="Balise" '
        'xmlns="http://www.topografix.com/GPX/1/1">'
    )
    return "\n".join([head, *waypoints.values(), *tracks, "</gpx>\n"]).encode()


def _track(circuit: CircuitRecord, said: object) -> str:
    assert callable(said)
    assert circuit.geometry is not None
    link = f"<link href={quoteattr(_clean(circuit.website))}/>" if circuit.website else ""
    points = "".join(
        f'<trkpt lat="{point[1]!r}" lon="{point[0]!r}">'
        + (f"<ele>{point[2]!r}</ele>" if len(point) == 3 else "")
        + "</trkpt>"
        for point in circuit.geometry.coordinates
    )
    return (
        "<trk>"
        + _element("name", said(circuit.name))
        + _element("cmt", said(circuit.summary))
        + _element("desc", said(circuit.description))
        + link
        + f"<trkseg>{points}</trkseg></trk>"
    )


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>" if text else ""


def _clean(text: str) -> str:
    """A text without the characters that XML cannot hold."""
    return "".join(
        char
        for char in text
        if char in "\t\n\r"
        or (char >= " " and not "\ud800" <= char <= "\udfff" and char < "\ufffe")
        or char >= "\U00010000"
    )
