"""Extracts of OpenStreetMap: which elements are places, in which languages, and what is refused."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import osmium
import pytest

from content.errors import FormatInvalid
from content.formats import osm


def extract(*elements: str) -> bytes:
    return f'<osm version="0.6">{"".join(elements)}</osm>'.encode()


def node(number: int, lat: float = 41.4, **tags: str) -> str:
    inner = "".join(
        f'<tag k="{key.replace("__", ":")}" v="{value}"/>' for key, value in tags.items()
    )
    return f'<node id="{number}" lat="{lat}" lon="2.17">{inner}</node>'


def test_names_have_languages_and_hours_stay_as_they_are_written() -> None:
    data = extract(
        node(1, tourism="museum", name="Museu", name__es="Museo", name__zh_Hant="博物館",
             name__left="x", opening_hours="Mo-Su ten to six", wheelchair="limited", fee="no",
             wikidata="Q1", addr__street="Carrer", addr__housenumber="3", addr__city="Barcelona",
             website="www.museu.example")
    )  # fmt: skip
    report = osm.read_places(data, language="ca")
    (record,) = report.records
    assert record.id == "osm-node-1"
    assert record.name == {"ca": "Museu", "es": "Museo", "zh-Hant": "博物館"}
    assert (record.opening_hours, record.opening_hours_invalid) == ("Mo-Su ten to six", True)
    assert record.accessibility.wheelchair == "limited"
    assert record.price is not None
    assert record.price.amount == 0
    assert record.address == "3 Carrer, Barcelona"
    assert record.website == "https://www.museu.example"
    assert record.extra["wikidata"] == "Q1"
    assert {change.field for change in report.changes} == {"opening_hours", "website"}


def test_only_what_visitors_look_for_is_a_place_and_only_with_a_name() -> None:
    data = extract(
        node(1, amenity="parking", name="P"), node(2, tourism="museum"),
        node(3, historic="yes", name="H"), node(4, tourism="no", name="N"),
        node(5, amenity="cafe;bar", name="C"),
        node(6, tourism="viewpoint", name="V", lat=95),
    )  # fmt: skip
    report = osm.read_places(data, language="ca")
    assert [(r.id, r.categories) for r in report.records] == [
        ("osm-node-3", ("historic",)), ("osm-node-5", ("cafe", "bar")),
    ]  # fmt: skip
    assert [problem.id for problem in report.problems] == ["osm-node-6"]
    assert (report.read, report.others) == (3, 3)


def test_a_way_lies_in_the_middle_of_its_nodes_and_one_without_them_is_a_problem() -> None:
    park = '<tag k="leisure" v="park"/><tag k="name" v="P"/>'
    way = f'<way id="{{0}}"><nd ref="{{1}}"/><nd ref="{{2}}"/>{park}</way>'
    data = extract(node(1, 41.4), node(2, 41.6), way.format(7, 1, 2), way.format(8, 5, 6))
    report = osm.read_places(data, language="ca")
    assert [(r.id, r.lat, r.lon) for r in report.records] == [("osm-way-7", 41.5, 2.17)]
    assert [problem.id for problem in report.problems] == ["osm-way-8"]


def test_pbf_gives_the_same_places_as_xml(tmp_path: Path) -> None:
    data = extract(node(1, tourism="museum", name="Museu"), node(2, historic="ruins", name="R"))
    file = tmp_path / "x.osm.pbf"
    with osmium.SimpleWriter(file) as writer:
        for found in osmium.FileProcessor(osmium.io.FileBuffer(data, "osm")):
            writer.add(found)
    packed = osm.read_places(file.read_bytes(), language="ca")
    assert packed.records == osm.read_places(data, language="ca").records
    assert len(packed.records) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"", b"<osm", b"\0\0\0\x0e\x0a\x09OSMHeader and nothing", b"text",
        b'<!DOCTYPE osm [<!ENTITY a "aa">]>' + extract(node(1, tourism="museum", name="&a;")),
    ],
)  # fmt: skip
def test_what_is_no_extract_or_has_entities_is_refused(data: bytes) -> None:
    with pytest.raises(FormatInvalid):
        osm.read_places(data, language="ca")


@pytest.mark.real_data
def test_every_named_sight_of_the_extract_is_read(data_dir: Path) -> None:
    file = data_dir / "barcelona/osm_extract_eixample.osm"
    report = osm.read_places(file.read_bytes(), language="ca")
    assert report.problems == ()
    root = ET.parse(file).getroot()
    tagged = {
        f"osm-{element.tag}-{element.get('id')}": {
            t.get("k"): t.get("v") for t in element.iter("tag")
        }
        for element in root
        if element.tag in ("node", "way")
    }
    sights = {
        own for own, tags in tagged.items()
        if tags.keys() & {"tourism", "historic"} and any(str(k).startswith("name") for k in tags)
    }  # fmt: skip
    found = {record.id: record for record in report.records}
    assert sights <= found.keys()
    assert len(found) > 140
    for own, record in found.items():
        assert record.name.get("ca") in (tagged[own].get("name:ca"), tagged[own].get("name"))
        assert record.opening_hours == tagged[own].get("opening_hours", "")
