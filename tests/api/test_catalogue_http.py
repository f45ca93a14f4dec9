"""The catalogue over HTTP: versions, pages, imports, and every wrong field named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api import limits
from api.settings import Settings
from geofence import limits as geofence_limits
from tests.api.conftest import CAMPAIGN, ZONE

BOWTIE = [[[6.0, 45.0], [6.1, 45.1], [6.1, 45.0], [6.0, 45.1], [6.0, 45.0]]]
RECORDS: dict[str, dict[str, Any]] = {
    "zones": ZONE,
    "places": {"name": {"en": "Pier"}, "lon": 6.13, "lat": 45.9, "must_see": True},
    "offers": {"name": {"en": "Ice cream"}, "place_ids": ["pier"]},
    "alerts": {"name": {"en": "Storm"}, "kind": "weather"},
    "campaigns": CAMPAIGN,
}


@pytest.mark.parametrize("collection", ["zones", "places", "alerts", "campaigns"])
async def test_a_record_is_made_read_listed_replaced_and_deleted(
    doors: Any, collection: str
) -> None:
    body = {k: v for k, v in RECORDS[collection].items() if k != "id"}
    path = f"/v1/{collection}/one"
    made = await doors.call("PUT", path, json=body, status=201)
    assert made["id"] == "one"
    assert await doors.call("GET", path, key="viewer", status=200) == made
    assert (await doors.call("GET", f"/v1/{collection}", key="viewer"))["items"] == [made]
    assert await doors.call("PUT", path, json=made, status=200) == made
    await doors.call("DELETE", path, status=204)
    await doors.call("GET", path, status=404)
    await doors.call("DELETE", path, status=404)
    assert (await doors.call("GET", f"/v1/{collection}"))["items"] == []


async def test_a_write_based_on_an_old_version_is_refused(doors: Any) -> None:
    async def put(status: int, **headers: str) -> str:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await doors.client.put(
            "/v1/zones/lake",
            json=ZONE,
            headers={"Authorization": f"Bearer {doors.keys['admin']}"} | names,
        )
        assert answer.status == status, await answer.text()
        return str(answer.headers.get("ETag", ""))

    await put(412, If_Match='"1"')
    first = await put(201, If_None_Match="*")
    await put(412, If_None_Match="*")
    second = await put(200, If_Match=first)
    await put(412, If_Match=first)
    assert first != second
    await put(422, If_Match="W/whatever")
    await doors.call("GET", "/v1/zones/lake", headers={"If-None-Match": second}, status=304)
    await doors.call("DELETE", "/v1/zones/lake", headers={"If-Match": first}, status=412)


async def test_pages_hold_every_record_once_in_the_order_of_ids(doors: Any) -> None:
    for at in range(7):
        await doors.call(
            "PUT", f"/v1/zones/z{at}", json=ZONE | {"id": f"z{at}", "tags": ["even"][: at % 2]}
        )
    found, cursor = [], ""
    while cursor is not None:
        page = await doors.call("GET", f"/v1/zones?limit=3&cursor={cursor}", status=200)
        found += [item["id"] for item in page["items"]]
        cursor = page["next"]
    assert found == [f"z{at}" for at in range(7)]
    tagged = await doors.call("GET", "/v1/zones?tag=even")
    assert [item["id"] for item in tagged["items"]] == ["z1", "z3", "z5"]
    await doors.call("GET", "/v1/zones?limit=0", status=422)
    answer = await doors.call("GET", "/v1/zones?page=2&limit=x", status=422)
    assert sorted(e["field"] for e in answer["errors"]) == ["limit", "page"]
    await doors.call("GET", "/v1/zones?limit=1&limit=2", status=422)


async def test_every_wrong_field_of_a_record_is_named_at_once(doors: Any) -> None:
    body = {"name": {}, "geometry": 4, "capacity": -1, "tags": "lake", "wrong": 1, "dwell_s": True}
    answer = await doors.call("PUT", "/v1/zones/lake", json=body, status=422)
    assert {e["field"] for e in answer["errors"]} >= {
        "name",
        "geometry",
        "capacity",
        "tags",
        "wrong",
        "dwell_s",
    }
    assert all(e["reason"] for e in answer["errors"])


@pytest.mark.parametrize(
    ("geometry", "field", "reason"),
    [
        ({"type": "Polygon", "coordinates": BOWTIE}, "geometry.coordinates", "self-intersection"),
        ({"type": "Polygon", "coordinates": []}, "geometry.coordinates", ""),
        ({"type": "Polygon", "coordinates": [[[6, 45], [6, 95], [7, 45], [6, 45]]]},
         "geometry.coordinates", "lat"),
        ({"type": "Point", "coordinates": [6, "45"]}, "geometry.coordinates", "number"),
        ({"type": "Sphere", "coordinates": [6, 45]}, "geometry.type", ""),
    ],
)  # fmt: skip
async def test_a_bad_geometry_is_refused_with_field_and_place(
    doors: Any, geometry: Any, field: str, reason: str
) -> None:
    body = {"name": {"en": "x"}, "geometry": geometry}
    answer = await doors.call("PUT", "/v1/zones/bad", json=body, status=422)
    faults = [e for e in answer["errors"] if e["field"].startswith(field)]
    assert any(reason in fault["reason"] for fault in faults), answer


async def test_a_body_that_is_not_json_or_no_object_is_malformed(doors: Any) -> None:
    headers = {"Content-Type": "application/json"}
    for data in (b"{", b"\xff", b"[" * 100_000, b"[]", b"3", b""):
        await doors.call("PUT", "/v1/zones/x", data=data, headers=headers, status=400)


async def test_an_id_in_the_body_must_be_the_one_in_the_path(doors: Any) -> None:
    answer = await doors.call("PUT", "/v1/zones/other", json=ZONE, status=422)
    assert answer["errors"][0]["field"] == "id"


def _collection(*features: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def _feature(record_id: str, geometry: Any, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": record_id,
        "geometry": geometry,
        "properties": {"name": record_id} | properties,
    }


async def test_an_import_takes_good_zones_reports_bad_ones_and_mends_on_request(
    doors: Any,
) -> None:
    good = _feature("good", {"type": "Point", "coordinates": [6.1, 45.9]}, radius_m=50)
    bad = _feature("bad", {"type": "Polygon", "coordinates": BOWTIE})
    body = _collection(bad, good)
    dry = await doors.call("POST", "/v1/zones/import?dry_run=true", json=body, status=200)
    assert (dry["read"], dry["created"], len(dry["problems"])) == (2, 1, 1)
    assert (await doors.call("GET", "/v1/zones"))["items"] == []
    first = await doors.call("POST", "/v1/zones/import", json=body, status=200)
    assert first["created"] == 1
    assert (first["problems"][0]["index"], first["problems"][0]["id"]) == (0, "bad")
    assert first["changes"] == []
    mended = await doors.call("POST", "/v1/zones/import?repair=true", json=body, status=200)
    assert (mended["created"], mended["unchanged"], mended["problems"]) == (1, 1, [])
    assert {change["id"] for change in mended["changes"]} == {"bad"}


async def test_zones_exported_as_geojson_are_read_back_as_they_are(doors: Any) -> None:
    await doors.call("PUT", "/v1/zones/lake", json=ZONE, status=201)
    async with doors.client.get(
        "/v1/zones.geojson", headers={"Authorization": f"Bearer {doors.keys['viewer']}"}
    ) as answer:
        assert answer.content_type == "application/geo+json"
        exported = await answer.read()
    report = await doors.call(
        "POST", "/v1/zones/import", data=exported, headers={"Content-Type": "application/geo+json"}
    )
    assert (report["unchanged"], report["problems"]) == (1, [])


async def test_an_import_of_our_own_records_names_the_line_of_a_bad_one(doors: Any) -> None:
    place = {"name": {"en": "Pier"}, "lon": 6.13, "lat": 45.9}
    lines = [place | {"id": "a"}, place | {"id": "b", "lon": 600}, place | {"id": "c"}]
    report = await doors.call(
        "POST", "/v1/places/import", data="\n".join(map(json.dumps, lines)),
        headers={"Content-Type": "application/x-ndjson"}, status=200,
    )  # fmt: skip
    assert (report["read"], report["created"]) == (3, 2)
    assert [(p["index"], p["field"]) for p in report["problems"]] == [(1, "lon")]


async def test_a_file_that_cannot_be_read_at_all_is_malformed(doors: Any) -> None:
    for data in (b"{", b"7", b'{"type": "FeatureCollection", "features": 3}'):
        await doors.call(
            "POST", "/v1/zones/import", data=data, headers={"Content-Type": "application/json"},
            status=400,
        )  # fmt: skip


def _ndjson(*records: Any) -> dict[str, Any]:
    return {
        "data": "\n".join(json.dumps(record) for record in records),
        "headers": {"Content-Type": "application/x-ndjson"},
    }


@pytest.mark.parametrize("lines", [True, False])
async def test_a_zone_of_our_own_format_that_is_no_shape_is_reported_and_the_others_enter(
    doors: Any, lines: bool
) -> None:
    bowtie = ZONE | {"id": "bad", "geometry": {"type": "Polygon", "coordinates": BOWTIE}}
    del bowtie["radius_m"]
    records = [ZONE | {"id": "a"}, bowtie, ZONE | {"id": "c"}]
    given = _ndjson(*records) if lines else {"json": records}
    report = await doors.call("POST", "/v1/zones/import", status=200, **given)
    assert (report["read"], report["created"], report["unchanged"]) == (3, 2, 0)
    (problem,) = report["problems"]
    assert (problem["index"], problem["id"]) == (1, "bad")
    assert problem["field"].startswith("geometry")
    assert set(doors.motor.catalogue("zone")) == {"a", "c"}


async def test_what_the_engine_refuses_names_the_record_and_lets_the_others_in(doors: Any) -> None:
    most = geofence_limits.ZONES_PER_CELL_MAX
    crowd = [ZONE | {"id": f"z{at:03}"} for at in range(most + 2)]
    elsewhere = ZONE | {"id": "far", "geometry": {"type": "Point", "coordinates": [7.5, 44.0]}}
    report = await doors.call("POST", "/v1/zones/import", status=200, **_ndjson(*crowd, elsewhere))
    assert report["created"] == most + 1
    assert [p["id"] for p in report["problems"]] == [f"z{most:03}", f"z{most + 1:03}"]
    assert {p["field"] for p in report["problems"]} == {"geometry"}
    assert "far" in doors.motor.catalogue("zone")
    answer = await doors.call("PUT", "/v1/zones/more", json=ZONE | {"id": "more"}, status=422)
    assert [e["field"] for e in answer["errors"]] == ["geometry"]
    assert "zone more" in answer["detail"]


async def test_an_import_reaches_the_log_in_parts_that_it_takes_and_no_record_is_longer(
    doors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CHANGE_BYTES_MAX", 3_000)
    place = {"name": {"en": "Pier"}, "lon": 6.13, "lat": 45.9}
    many = [place | {"id": f"p{at}", "name": {"en": "x" * 150}} for at in range(20)]
    huge = place | {"id": "huge", "extra": {"text": "y" * 4_000}}
    longest = 0
    change = doors.motor.change

    async def measured(drafts: Any, *, author: str) -> Any:
        nonlocal longest
        longest = max(longest, sum(len(draft.body) for draft in drafts))
        return await change(drafts, author=author)

    monkeypatch.setattr(doors.motor, "change", measured)
    report = await doors.call("POST", "/v1/places/import", status=200, **_ndjson(*many, huge))
    assert (report["created"], [p["id"] for p in report["problems"]]) == (20, ["huge"])
    assert "at most 3,000 bytes" in report["problems"][0]["reason"]
    assert 0 < longest <= 3_000
    answer = await doors.call("PUT", "/v1/places/huge", json=huge, status=422)
    assert "at most 3,000 bytes" in answer["errors"][0]["reason"]


# -- campaigns -------------------------------------------------------------------


async def test_a_campaign_goes_through_its_life_and_no_other(doors: Any) -> None:
    await doors.call("PUT", "/v1/zones/lake", json=ZONE)
    await doors.call("PUT", "/v1/campaigns/paddle", json=CAMPAIGN, status=201)
    path = "/v1/campaigns/paddle"
    await doors.call("POST", f"{path}/pause", status=409)
    for action, status in (("launch", "live"), ("pause", "paused"), ("launch", "live")):
        changed = await doors.call("POST", f"{path}/{action}", status=200)
        assert changed["status"] == status
    assert (await doors.call("POST", f"{path}/end"))["status"] == "ended"
    await doors.call("POST", f"{path}/launch", status=409)
    await doors.call("POST", "/v1/campaigns/none/launch", status=404)


async def test_an_edit_keeps_a_campaigns_status_and_only_a_launch_lets_it_speak(doors: Any) -> None:
    await doors.call("PUT", "/v1/zones/lake", json=ZONE)
    path = "/v1/campaigns/paddle"
    for status in ("live", "paused", "ended"):
        answer = await doors.call(
            "PUT", path, key="editor", json=CAMPAIGN | {"status": status}, status=422
        )
        (fault,) = answer["errors"]
        assert fault["field"] == "status"
        assert f"POST {path}/launch" in fault["reason"]
    await doors.call("PUT", path, key="editor", json=CAMPAIGN | {"status": "in_review"}, status=201)
    await doors.call("POST", f"{path}/launch", status=200)
    for status in ({}, {"status": "live"}):
        edited = CAMPAIGN | {"name": "Paddle at dawn"} | status
        assert (await doors.call("PUT", path, key="editor", json=edited))["status"] == "live"
    await doors.call("PUT", path, key="editor", json=CAMPAIGN | {"status": "draft"}, status=422)
    assert doors.motor.catalogue("campaign")["paddle"].record.status == "live"


async def test_an_import_keeps_the_status_of_campaigns_and_says_how_to_launch_new_ones(
    doors: Any,
) -> None:
    await doors.call("PUT", "/v1/zones/lake", json=ZONE)
    await doors.call("PUT", "/v1/campaigns/paddle", json=CAMPAIGN, status=201)
    await doors.call("POST", "/v1/campaigns/paddle/launch", status=200)
    changed = CAMPAIGN | {"name": "Paddle at dawn"}
    report = await doors.call(
        "POST", "/v1/campaigns/import", key="editor", status=200,
        **_ndjson(changed, changed | {"id": "new", "status": "live"}),
    )  # fmt: skip
    assert (report["created"], report["updated"], report["problems"]) == (1, 1, [])
    (change,) = report["changes"]
    assert (change["id"], change["field"]) == ("new", "status")
    assert "POST /v1/campaigns/new/launch" in change["what"]
    held = doors.motor.catalogue("campaign")
    assert {key: entry.record.status for key, entry in held.items()} == {
        "paddle": "live",
        "new": "draft",
    }


@pytest.mark.parametrize("settings", [Settings(four_eyes=True, address_requests_per_s=0)])
async def test_under_four_eyes_an_approver_launches_what_somebody_else_edited_last(
    doors: Any, settings: Settings
) -> None:
    await doors.call("PUT", "/v1/zones/lake", json=ZONE)
    path = "/v1/campaigns/paddle"
    await doors.call("PUT", path, key="admin", json=CAMPAIGN, status=201)
    await doors.call("POST", f"{path}/launch", key="editor", status=403)
    answer = await doors.call("POST", f"{path}/launch", key="admin", status=403)
    assert "edited it last" in answer["detail"]
    await doors.call("POST", f"{path}/launch", key="approver", status=200)
    await doors.call("POST", f"{path}/pause", key="editor", status=200)
    await doors.call("POST", f"{path}/launch", key="approver", status=200)
    same = await doors.call("PUT", path, key="editor", json=CAMPAIGN, status=200)
    assert same["status"] == "live"
    edited = CAMPAIGN | {"name": "Paddle at dawn"}
    assert (await doors.call("PUT", path, key="editor", json=edited))["status"] == "in_review"
    await doors.call("POST", f"{path}/launch", key="admin", status=200)
    again = edited | {"name": "Paddle at noon"}
    await doors.call("POST", "/v1/campaigns/import", key="admin", status=200, **_ndjson(again))
    assert doors.motor.catalogue("campaign")["paddle"].record.status == "in_review"
    await doors.call("POST", f"{path}/launch", key="admin", status=403)
    await doors.call("POST", f"{path}/launch", key="approver", status=200)


async def test_a_campaign_that_would_fail_is_not_launched_and_says_why(doors: Any) -> None:
    broken = CAMPAIGN | {
        "trigger": {"type": "enter", "zones": ["nowhere"]},
        "message": {"texts": {"fr": {"title": "Bonjour", "body": "Le lac"}}},
    }
    await doors.call("PUT", "/v1/campaigns/paddle", json=broken, status=201)
    answer = await doors.call("POST", "/v1/campaigns/paddle/launch", status=422)
    fields = {e["field"] for e in answer["errors"]}
    assert {"trigger.zones[0]", "message.texts"} <= fields
    await doors.call("PUT", "/v1/campaigns/two", json=broken | {"id": "two", "status": "live"},
                     status=422)  # fmt: skip


async def test_a_template_is_checked_when_it_is_saved(doors: Any) -> None:
    texts = {"en": {"title": "{{ zone.name", "body": "{{ nothing }}"}}
    answer = await doors.call(
        "PUT", "/v1/campaigns/paddle", json=CAMPAIGN | {"message": {"texts": texts}}, status=422
    )
    assert {e["field"] for e in answer["errors"]} == {
        "message.texts.en.title",
        "message.texts.en.body",
    }


async def test_an_alert_is_told_to_everyone_in_its_zones(doors: Any) -> None:
    await doors.call("PUT", "/v1/zones/lake", json=ZONE)
    alert = {"name": {"en": "Storm"}, "summary": {"en": "Leave the water."}, "kind": "weather"}
    await doors.call("PUT", "/v1/alerts/storm", json=alert, status=201)
    await doors.call("POST", "/v1/alerts/storm/broadcast", json={}, status=409)
    await doors.call("PUT", "/v1/alerts/storm", json=alert | {"zone_ids": ["lake"]}, status=200)
    phone = await doors.device()
    now_ms = await doors.pass_time(1000)
    ping = {"lon": 6.13, "lat": 45.9, "fix_ms": now_ms}
    await doors.call("POST", "/v1/pings", key=phone["access_token"], json=ping, status=200)
    made = await doors.call("POST", "/v1/alerts/storm/broadcast", json={}, status=201)
    assert (made["id"], made["status"]) == ("alert-storm", "live")
    for _ in range(5):
        await doors.pass_time(1000)
    inbox = await doors.call("GET", "/v1/inbox", key=phone["access_token"])
    assert [(e["title"], e["body"]) for e in inbox["items"]] == [("Storm", "Leave the water.")]


# -- crowding --------------------------------------------------------------------


async def test_a_counter_sets_the_level_and_a_level_set_by_hand_wins_until_it_ends(
    doors: Any,
) -> None:
    await doors.call("PUT", "/v1/zones/lake", json=ZONE)
    await doors.pass_time(1000)
    path = "/v1/zones/lake/occupancy"
    assert (await doors.call("GET", path, key="viewer"))["level"] == "unknown"
    await doors.call("POST", "/v1/zones/lake/count", key="partner", json={"persons": 80})
    await doors.pass_time(1000)
    shown = await doors.call("GET", path, key="viewer", status=200)
    assert (shown["level"], shown["persons"], shown["source"]) == ("very_busy", 80, "counter")
    body = {"level": "full", "for_min": 10}
    await doors.call("PUT", "/v1/zones/lake/level", key="operator", json=body, status=200)
    await doors.pass_time(1000)
    assert (await doors.call("GET", path))["source"] == "override"
    await doors.call("PUT", "/v1/zones/lake/level", json={"level": None}, status=200)
    await doors.pass_time(1000)
    assert (await doors.call("GET", path))["level"] == "very_busy"
    assert (await doors.call("GET", "/v1/occupancy"))["items"] == [await doors.call("GET", path)]


async def test_a_count_or_feed_from_the_future_or_of_no_zone_is_refused(doors: Any) -> None:
    await doors.call("PUT", "/v1/zones/lake", json=ZONE)
    future = {"persons": 1, "at_ms": 2_000_000_000_000}
    await doors.call("POST", "/v1/zones/lake/count", json=future, status=422)
    await doors.call("POST", "/v1/zones/none/count", json={"persons": 1}, status=404)
    await doors.call("POST", "/v1/feeds/temperature", json={"value": 21.5}, status=200)
    await doors.call("POST", "/v1/feeds/temperature", json={"value": None}, status=422)


async def test_the_destination_is_one(doors: Any) -> None:
    body = {
        "id": "annecy",
        "name": {"fr": "Annecy"},
        "time_zone": "Europe/Paris",
        "default_language": "fr",
        "languages": ["fr"],
        "country": "FR",
        "lon": 6.13,
        "lat": 45.9,
    }
    await doors.call("GET", "/v1/destination", status=404)
    await doors.call("PUT", "/v1/destination", json=body, status=200)
    await doors.call("PUT", "/v1/destination", json=body | {"id": "aix"}, status=422)
    await doors.call("PUT", "/v1/destination", json=body | {"time_zone": "Mars"}, status=422)
    assert (await doors.call("GET", "/v1/destination", key="viewer"))["id"] == "annecy"
