"""Imports of any format over HTTP: found out, dry, followed while they run, and run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api import limits
from tests.api.conftest import Doors

ANY = {"Content-Type": "application/octet-stream"}
CSV = b"ref;nom;lat;lng\n1;Ch\xe2teau;45,9;6,1\n2;Nulle part;;\n"
COLUMNS = {"id": "ref", "id_prefix": "t-", "fields": {"name.fr": "nom", "lat": "lat", "lon": "lng"}}


async def test_a_table_comes_in_by_its_map_and_a_second_time_changes_nothing(doors: Any) -> None:
    path = f"/v1/places/import?columns={json.dumps(COLUMNS)}"
    dry = await doors.call("POST", f"{path}&dry_run=true", data=CSV, headers=ANY, status=200)
    assert (dry["read"], dry["created"], len(dry["problems"])) == (2, 1, 1)
    assert doors.motor.catalogue("place") == {}
    first = await doors.call("POST", path, data=CSV, headers=ANY, status=200)
    assert (first["created"], first["problems"][0]["id"]) == (1, "t-2")
    assert (await doors.call("GET", "/v1/places/t-1"))["name"] == {"fr": "Château"}
    again = await doors.call("POST", path, data=CSV, headers=ANY, status=200)
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 1)


async def test_one_file_fills_several_collections_and_says_what_it_passed_over(doors: Any) -> None:
    data = json.dumps({"@context": "https://schema.org", "@graph": [
        {"@type": "TouristAttraction", "identifier": "a", "name": "A",
         "geo": {"latitude": 45.9, "longitude": 6.1}},
        {"@type": "Event", "identifier": "b", "name": "B", "startDate": "2026-07-14T20:00"},
    ]}).encode()  # fmt: skip
    for collection in ("places", "events"):
        report = await doors.call(
            "POST", f"/v1/{collection}/import?language=fr", data=data, headers=ANY, status=200
        )
        assert (report["read"], report["others"], report["created"]) == (1, 1, 1)
    assert (await doors.call("GET", "/v1/events/b"))["name"] == {"fr": "B"}


async def test_a_follower_is_told_how_far_it_is_and_then_the_report(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CHANGE_RECORDS_MAX", 4)
    rows = "\n".join(f"{at},P{at},45.9,6.1" for at in range(10))
    headers = ANY | {"Authorization": f"Bearer {doors.keys['admin']}",
                     "Accept": "application/x-ndjson"}  # fmt: skip
    async with doors.client.post(
        "/v1/places/import", data=f"id,name,lat,lon\n{rows}\n".encode(), headers=headers
    ) as answer:
        assert answer.content_type == "application/x-ndjson"
        lines = [msgspec.json.decode(line) async for line in answer.content]
    assert lines[:-1] == [{"done": 0, "of": 10}, {"done": 4, "of": 10}, {"done": 8, "of": 10}]
    assert lines[-1]["report"]["created"] == 10


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/v1/places/import?format=gpx", b"id,name\n", 400),
        ("/v1/events/import", b"<gpx></gpx>", 400),
        ("/v1/places/import?format=word", b"x", 422),
        ("/v1/places/import?columns=%7B", b"id,name\n", 400),
        ("/v1/places/import?columns=%7B%22feilds%22:1%7D", b"id,name\n", 422),
        ("/v1/places/import?language=French", b"id,name\n", 422),
    ],
)
async def test_what_cannot_be_is_said(doors: Any, path: str, data: bytes, status: int) -> None:
    await doors.call("POST", path, data=data, headers=ANY, status=status)


@pytest.mark.real_data
async def test_a_real_flux_enters_whole(doors: Any, data_dir: Path) -> None:
    data = (data_dir / "val_de_loire/datatourisme_2550_slim.ndjson.gz").read_bytes()
    counts = {}
    for collection in ("places", "events", "circuits"):
        report = await doors.call(
            "POST", f"/v1/{collection}/import?language=fr", data=data, headers=ANY, status=200
        )
        assert report["problems"] == []
        counts[collection] = report["read"]
    assert counts == {"places": 2015, "events": 472, "circuits": 63}


async def exported(doors: Doors, path: str, status: int = 200, **headers: str) -> Any:
    sent = {"Authorization": f"Bearer {doors.keys['viewer']}"} | headers
    async with doors.client.get(path, headers=sent) as answer:
        assert answer.status == status
        return answer.content_type, await answer.read(), answer.headers.get("ETag", "")


EVENT = {"name": {"fr": "Fête", "en": "Party"}, "start": "2026-07-14T20:00:00+02:00",
         "lon": 6.13, "lat": 45.9}  # fmt: skip
CIRCUIT = {"name": {"fr": "Tour"}, "geometry": {"type": "LineString",
           "coordinates": [[6.1, 45.9], [6.2, 45.9]]}}  # fmt: skip


async def test_each_collection_goes_out_in_the_formats_of_its_kind_and_comes_in_again(
    doors: Any,
) -> None:
    await doors.call("PUT", "/v1/places/p", json={"name": {"fr": "P"}, "lon": 6.1, "lat": 45.9})
    await doors.call("PUT", "/v1/events/e", json=EVENT)
    await doors.call("PUT", "/v1/circuits/c", json=CIRCUIT)
    await doors.call("PUT", "/v1/offers/o", json={"name": {"fr": "O"}, "place_id": "p"})
    for path, kind in {
        "places.geojson": "application/geo+json", "events.geojson": "application/geo+json",
        "circuits.geojson": "application/geo+json", "places.jsonld": "application/ld+json",
        "events.jsonld": "application/ld+json", "circuits.jsonld": "application/ld+json",
        "offers.jsonld": "application/ld+json", "events.ics": "text/calendar",
        "circuits.gpx": "application/gpx+xml",
    }.items():  # fmt: skip
        found, data, tag = await exported(doors, f"/v1/{path}")
        assert found == kind
        await exported(doors, f"/v1/{path}", 304, **{"If-None-Match": tag})
        collection, _, ending = path.partition(".")
        report = await doors.call(
            "POST", f"/v1/{collection}/import?dry_run=true&language=fr", data=data, headers=ANY,
            status=200,
        )  # fmt: skip
        assert (report["read"], report["problems"]) == (1, [])
        assert ending != "geojson" or report["unchanged"] == 1
    assert b"SUMMARY;LANGUAGE=en:Party" in (await exported(doors, "/v1/events.ics?lang=en"))[1]


async def test_a_tag_changes_with_the_collection(doors: Any) -> None:
    before = (await exported(doors, "/v1/events.ics"))[2]
    await doors.call("PUT", "/v1/events/e", json=EVENT)
    middle = (await exported(doors, "/v1/events.ics"))[2]
    await doors.call("PUT", "/v1/events/e", json=EVENT | {"status": "cancelled"})
    after = (await exported(doors, "/v1/events.ics", **{"If-None-Match": middle}))[2]
    assert len({before, middle, after}) == 3


async def test_a_picture_goes_out_until_its_rights_end(doors: Any) -> None:
    image = {"url": "https://a.example/x.jpg", "alt": {}, "credit": "A"}
    for own, ends in (("on", "2026-05-28"), ("off", "2026-05-27")):
        place = {
            "name": {"fr": "P"},
            "lon": 6.1,
            "lat": 45.9,
            "image": image | {"rights_end": ends},
        }
        await doors.call("PUT", f"/v1/places/{own}", status=201, json=place)
    features = json.loads((await exported(doors, "/v1/places.geojson"))[1])["features"]
    assert {f["id"]: "image" in f["properties"] for f in features} == {"on": True, "off": False}
