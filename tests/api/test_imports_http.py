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
