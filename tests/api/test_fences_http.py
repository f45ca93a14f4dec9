"""The fences that a phone watches by itself: the nearest, and when to ask again."""

from __future__ import annotations

import json
from typing import Any

from geofence.geodesy import distance_m
from tests.api.conftest import NOW_MS, ZONE
from tests.api.test_feeders_http import feeder, location

HERE = {"lon": 6.0, "lat": 45.9}


def zone(number: int, **changed: Any) -> dict[str, Any]:
    """Zones in a row to the east, about 780 m apart, the first 780 m away."""
    place = {"type": "Point", "coordinates": [6.0 + 0.01 * (number + 1), 45.9]}
    name = {"en": f"Zone {number}", "fr": f"Lieu {number}"}
    return ZONE | {"id": f"z{number}", "name": name, "geometry": place} | changed


async def put(doors: Any, *zones: dict[str, Any]) -> None:
    for each in zones:
        await doors.call("PUT", f"/v1/zones/{each['id']}", json=each)
    await doors.motor.settled()


async def ask(doors: Any, phone: Any, **asked: Any) -> Any:
    return await doors.call(
        "GET", "/v1/fences", key=phone["access_token"], params=HERE | asked, status=200
    )


async def test_each_system_is_given_what_it_lets_an_app_watch(doors: Any) -> None:
    await put(doors, *(zone(i) for i in range(25)))
    ios = await doors.device(platform="ios", languages=["fr-CH"])
    android = await doors.device(platform="android")
    found = await ask(doors, ios)
    assert [fence["zone"] for fence in found["items"]] == [f"z{i}" for i in range(20)]
    assert found["items"][0]["name"] == "Lieu 0"
    assert found["items"][0]["radius_m"] == 200
    assert len((await ask(doors, android))["items"]) == 25
    assert len((await ask(doors, ios, limit=100))["items"]) == 20
    assert len((await ask(doors, ios, limit=3))["items"]) == 3


async def test_within_the_circle_no_zone_is_near_that_was_not_told_of(doors: Any) -> None:
    await put(doors, *(zone(i) for i in range(5)))
    phone = await doors.device()
    found = await ask(doors, phone, limit=3)
    again = found["ask_again"]
    assert (again["lon"], again["lat"]) == (6.0, 45.9)
    left_out_m = distance_m(6.0, 45.9, 6.04, 45.9) - 200
    assert 100 <= again["radius_m"] < left_out_m
    assert (await ask(doors, phone))["ask_again"]["radius_m"] == 50_000, "nothing was left out"


async def test_fences_follow_the_zones(doors: Any) -> None:
    phone = await doors.device()
    assert (await ask(doors, phone))["items"] == []
    await put(doors, zone(0), zone(1))
    assert [f["zone"] for f in (await ask(doors, phone))["items"]] == ["z0", "z1"]
    await put(doors, zone(0, geometry={"type": "Point", "coordinates": [6.5, 45.9]}))
    assert [f["zone"] for f in (await ask(doors, phone))["items"]] == ["z1", "z0"]
    await doors.call("DELETE", "/v1/zones/z1", status=204)
    await doors.motor.settled()
    assert [f["zone"] for f in (await ask(doors, phone))["items"]] == ["z0"]


async def test_places_that_are_none_are_refused(doors: Any) -> None:
    phone = await doors.device()
    for asked in ({"lon": 181}, {"lat": "nan"}, {"limit": 0}, {"limit": 101}):
        await doors.call(
            "GET", "/v1/fences", key=phone["access_token"], params=HERE | asked, status=422
        )


# -- OwnTracks --------------------------------------------------------------------------


async def told(phone: Any, **changed: Any) -> Any:
    answer = json.loads(await phone.send("owntracks", json=location(**changed)))
    return {each["desc"]: each for cmd in answer for each in cmd["waypoints"]["waypoints"]}


async def test_owntracks_is_told_of_fences_once_and_again_where_others_are_near(doors: Any) -> None:
    await put(doors, *(zone(i) for i in range(30)))
    phone = await feeder(doors)
    first = await told(phone, **HERE)
    assert list(first) == [f"Zone {i}" for i in range(20)]
    assert first["Zone 0"]["rad"] == 200
    assert len({each["tst"] for each in first.values()}) == 20
    now_s = NOW_MS // 1000
    assert await told(phone, **HERE, tst=now_s + 1) == {}
    await doors.pass_time(3_600_000)
    far = await told(phone, lon=6.3, lat=45.9, tst=now_s + 3600)
    assert (far["Zone 29"]["rad"], far["Zone 0"]["rad"]) == (200, 0), "what is far may rest"
    assert far["Zone 12"]["tst"] == first["Zone 12"]["tst"]
    await put(doors, zone(29, radius_m=300))
    edited = await told(phone, lon=6.3, lat=45.9, tst=now_s + 3601)
    assert edited["Zone 29"]["rad"] == 300


async def test_owntracks_is_told_nothing_without_consent(doors: Any) -> None:
    await put(doors, zone(0))
    phone = await feeder(doors, consents={"push": True})
    assert await told(phone) == {}
