"""The features of a GeoJSON document, each with a stable id and a name.

An id is, in this order: the feature's `id`, its property `id`, its property `code` (with its name
where the file uses the code twice), its name as a slug (numbered where several have it). The first
three are checked for duplicates by the reader; what is not taken over letter by letter is listed
in `changes`.
"""

from __future__ import annotations

import re
from collections import Counter

import msgspec

from content import limits
from content.errors import FormatInvalid
from content.formats import ids

_NAMES = ("name", "nom", "title", "titre", "label", "libelle", "nombre")
# OpenStreetMap's name:fr, and name_fr of tables; longer suffixes (name_alt) are no languages.
_LANGUAGE = re.compile(r"^name(?::([a-z]{2,3})|_([a-z]{2}))(?:[-_]([A-Za-z]{2}))?$", re.I)
_GEOMETRIES = {
    "Point",
    "MultiPoint",
    "LineString",
    "MultiLineString",
    "Polygon",
    "MultiPolygon",
    "GeometryCollection",
}
NO_GEOMETRY = ("geometry", "is missing")
"""The fault of a feature without geometry, which some kinds of records do not need."""
# OGC names of WGS84 with longitude first, which older GeoJSON states in `crs`.
_WGS84 = ("CRS84", "EPSG:4326", "EPSG::4326")


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """A feature taken apart; where `fault` (field, reason) is set, the rest may be missing."""

    index: int
    id: str | None = None
    name: dict[str, str] = {}
    language: str = ""
    geometry: dict[str, object] = {}
    properties: dict[str, object] = {}
    changes: tuple[tuple[str, str], ...] = ()
    fault: tuple[str, str] | None = None


def features_of(document: object, language: str, id_prefix: str) -> list[Feature]:
    """Take a FeatureCollection, a Feature or a bare geometry apart.

    Raises FormatInvalid where the document is none of these or is not in WGS84.
    """
    raw = _raw(document)
    if len(raw) > limits.IMPORT_RECORDS_MAX:
        raise FormatInvalid(f"has more than {limits.IMPORT_RECORDS_MAX} features")
    codes = Counter(_text(_properties(each).get("code")) for each in raw)
    slugs: Counter[str] = Counter()
    return [
        _feature(index, each, language, id_prefix, codes, slugs) for index, each in enumerate(raw)
    ]


def _raw(document: object) -> list[object]:
    if not isinstance(document, dict):
        raise FormatInvalid("is not GeoJSON: it must be an object")
    crs = document.get("crs")
    if crs is not None and not _is_wgs84(crs):
        raise FormatInvalid("has coordinates in another system than WGS84 lon/lat", "crs")
    kind = document.get("type")
    if kind == "FeatureCollection":
        features = document.get("features")
        if not isinstance(features, list):
            raise FormatInvalid("must be an array", "features")
        return features
    if kind == "Feature":
        return [document]
    if kind in _GEOMETRIES:
        return [{"type": "Feature", "geometry": document, "properties": {}}]
    raise FormatInvalid("must be FeatureCollection, Feature or a geometry's", "type")


def _is_wgs84(crs: object) -> bool:
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    return isinstance(name, str) and name.upper().endswith(_WGS84)


def _properties(feature: object) -> dict[str, object]:
    properties = feature.get("properties") if isinstance(feature, dict) else None
    return properties if isinstance(properties, dict) else {}


def _text(value: object) -> str:
    """An id or code as text: texts and whole numbers; empty for all else."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _feature(
    index: int,
    raw: object,
    language: str,
    id_prefix: str,
    codes: Counter[str],
    slugs: Counter[str],
) -> Feature:
    if not isinstance(raw, dict) or raw.get("type") != "Feature":
        return Feature(index=index, fault=("type", "must be a Feature"))
    properties = dict(_properties(raw))
    name = _name(properties, language)
    own = _text(raw.get("id")) or _text(properties.pop("id", None))
    code = _text(properties.pop("code", None))
    changes: list[tuple[str, str]] = []
    made = id_prefix + _id(index, own, code, name, codes, slugs, changes)
    if len(made) > limits.ID_CHARS_MAX:
        made = made[: limits.ID_CHARS_MAX]
        changes.append(("id", f"was cut to {limits.ID_CHARS_MAX} characters"))
    if code and code != made:
        properties["code"] = code
    if own and id_prefix + own != made:
        properties["id"] = own
    if not name:
        name = {language: made}
        changes.append(("name", "is missing: the id stands for it"))
    geometry = raw.get("geometry")
    return Feature(
        index=index,
        id=made,
        name=name,
        language=language,
        geometry=geometry if isinstance(geometry, dict) else {},
        properties=properties,
        changes=tuple(changes),
        fault=None if isinstance(geometry, dict) else NO_GEOMETRY,
    )


def _name(properties: dict[str, object], language: str) -> dict[str, str]:
    """The name by language, taken out of the properties; empty where there is none."""
    texts: dict[str, str] = {}
    for key in _NAMES:
        value = properties.get(key)
        if isinstance(value, str) and value.strip():
            texts[language] = value.strip()
        elif isinstance(value, dict) and value:
            texts |= {str(tag): text for tag, text in value.items() if isinstance(text, str)}
        else:
            continue
        del properties[key]
        break
    for key in list(properties):
        match = _LANGUAGE.match(key)
        value = properties[key]
        if match and isinstance(value, str) and value.strip():
            base, region = (match[1] or match[2]).lower(), (match[3] or "").upper()
            texts.setdefault(f"{base}-{region}" if region else base, value.strip())
            del properties[key]
    return texts


def _id(
    index: int,
    own: str,
    code: str,
    name: dict[str, str],
    codes: Counter[str],
    slugs: Counter[str],
    changes: list[tuple[str, str]],
) -> str:
    title = next(iter(name.values()), "")
    if own or (code and codes[code] == 1):
        given = own or code
        if ids.is_id(given):
            return given
        changes.append(("id", f"{given!r} became {ids.slug(given)!r}"))
        return ids.slug(given)
    if code:
        changes.append(("id", f"several features have the code {code!r}: its name follows it"))
        return f"{ids.slug(code)}-{ids.slug(title)}" if title else f"{ids.slug(code)}-{index}"
    base = ids.slug(title) if title else "feature"
    slugs[base] += 1
    if slugs[base] == 1 and title:
        return base
    changes.append(("id", "made of the name and a number, by the order of the file"))
    return f"{base}-{slugs[base]}"
