"""An extract of OpenStreetMap (XML or PBF) into places. Data is ODbL, whoever shows it says so.

Places are nodes and ways with a name and one of the keys visitors look for. A way lies at the
middle of the box around its nodes. Relations are not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import osmium

from content import limits
from content.errors import FormatInvalid
from content.formats import loose, packed
from content.formats.drafts import Draft, Gathering
from content.formats.report import Report
from content.places import PlaceRecord

# Of a key with a set, only these values; of one with None, all but `no`.
KEYS: Final[Mapping[str, frozenset[str] | None]] = {
    "tourism": None,
    "historic": None,
    "leisure": frozenset({
        "beach_resort", "garden", "ice_rink", "marina", "miniature_golf", "nature_reserve", "park",
        "playground", "sports_centre", "stadium", "swimming_area", "swimming_pool", "water_park",
    }),
    "natural": frozenset({
        "arch", "bay", "beach", "cave_entrance", "geyser", "glacier", "peak", "spring", "volcano",
    }),
    "waterway": frozenset({"waterfall"}),
    "man_made": frozenset({
        "lighthouse", "obelisk", "observatory", "tower", "watermill", "windmill",
    }),
    "amenity": frozenset({
        "arts_centre", "bar", "bicycle_rental", "boat_rental", "cafe", "cinema", "drinking_water",
        "ferry_terminal", "fountain", "ice_cream", "library", "marketplace", "monastery",
        "nightclub", "place_of_worship", "planetarium", "pub", "restaurant", "theatre", "toilets",
    }),
    "shop": frozenset({"gift", "pastry", "wine"}),
}  # fmt: skip
_TAKEN = ("opening_hours", "wheelchair", "website", "contact:website", "url")
_WHEELCHAIR = {"yes": "yes", "designated": "yes", "limited": "limited", "no": "no"}
Format = Literal["osm", "pbf"]


def read_places(data: bytes, *, language: str) -> Report[PlaceRecord]:
    """Read the places of an extract.

    language: of `name`, which is in that of the country. What has no name, or none of the keys, is
    counted as of another kind. Raises FormatInvalid where the file as a whole cannot be read.
    """
    data = packed.unpacked(data)
    if len(data) > limits.IMPORT_BYTES_MAX:
        raise FormatInvalid(f"has more than {limits.IMPORT_BYTES_MAX} bytes")
    form: Format = "osm" if data.lstrip(b" \t\r\n\xef\xbb\xbf").startswith(b"<") else "pbf"
    gathering: Gathering[PlaceRecord] = Gathering(PlaceRecord)
    source = osmium.FileProcessor(osmium.io.FileBuffer(data, form)).with_locations()
    try:
        for index, found in enumerate(source.with_filter(osmium.filter.EmptyTagFilter())):
            tags = {tag.k: tag.v for tag in found.tags}
            categories = _categories(tags)
            placed = isinstance(found, osmium.osm.Node | osmium.osm.Way)
            if not placed or not categories or not _names(tags, language):
                gathering.other()
                continue
            own = f"osm-{'node' if isinstance(found, osmium.osm.Node) else 'way'}-{found.id}"
            position = _position(found)
            if position is None:
                gathering.refuse(index, "lon", "its nodes are not in the file", own)
                continue
            gathering.add(index, _draft(own, tags, categories, position, language))
    except (RuntimeError, ValueError) as error:
        # libosmium names line and column for XML; of PBF it says which block.
        raise FormatInvalid(f"is no extract of OpenStreetMap: {error}") from error
    return gathering.report()


def _categories(tags: Mapping[str, str]) -> list[str]:
    """The values of the keys that make a place; of `historic=yes`, the key says more."""
    return [
        key if value == "yes" else value
        for key, wanted in KEYS.items()
        for value in (part.strip() for part in tags.get(key, "").split(";"))
        if value not in ("", "no") and (wanted is None or value in wanted)
    ]


def _names(tags: Mapping[str, str], language: str) -> dict[str, str]:
    return _texts(tags, "name", language)


def _texts(tags: Mapping[str, str], key: str, language: str) -> dict[str, str]:
    """key:xx by language, and the key itself in `language` where that is not said."""
    found = {
        tag: value
        for name, value in tags.items()
        if name.startswith(f"{key}:") and (tag := loose.language(name.removeprefix(f"{key}:")))
    }
    if tags.get(key):
        found.setdefault(language, tags[key])
    return found


def _position(found: object) -> tuple[float, float] | None:
    if isinstance(found, osmium.osm.Node):
        return (found.location.lon, found.location.lat) if found.location.valid() else None
    assert isinstance(found, osmium.osm.Way)
    known = [node.location for node in found.nodes if node.location.valid()]
    if not known:
        return None
    lons, lats = [at.lon for at in known], [at.lat for at in known]
    # To the seven decimals that OpenStreetMap stores.
    return round((min(lons) + max(lons)) / 2, 7), round((min(lats) + max(lats)) / 2, 7)


def _draft(
    own: str,
    tags: Mapping[str, str],
    categories: list[str],
    position: tuple[float, float],
    language: str,
) -> Draft:
    draft = Draft(own, language)
    draft.values |= {"lon": position[0], "lat": position[1]}
    draft.text("name", _names(tags, language))
    draft.text("summary", _texts(tags, "description", language))
    draft.tags("categories", categories)
    draft.put("opening_hours", tags.get("opening_hours"))
    website = tags.get("website") or tags.get("contact:website") or tags.get("url")
    draft.url("website", website)
    wheelchair = tags.get("wheelchair")
    if wheelchair:
        answer = _WHEELCHAIR.get(wheelchair)
        if answer:
            draft.put("accessibility", {"wheelchair": answer})
        else:
            draft.keep("wheelchair", wheelchair)
            draft.note("wheelchair", f"{wheelchair!r} is none of yes, limited, no: kept in extra")
    if tags.get("fee") == "no":
        draft.put("price", {"amount": 0})
    street = " ".join(tags[key] for key in ("addr:housenumber", "addr:street") if tags.get(key))
    town = " ".join(tags[key] for key in ("addr:postcode", "addr:city") if tags.get(key))
    draft.put("address", ", ".join(part for part in (street, town) if part))
    for key, value in tags.items():
        if key not in _TAKEN and not key.startswith(("name", "addr:", "description")):
            draft.keep(key, value)
    return draft
