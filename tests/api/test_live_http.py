"""The live picture over HTTP: cheap for the engine, and silent about single visitors."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from engine import limits as engine_limits
from engine import live
from tests.api.conftest import CAMPAIGN, ZONE


async def _scene(doors: Any) -> Any:
    return await doors.call("GET", "/v1/live/scene", key="viewer", status=200)


async def test_a_scene_is_drawn_in_a_thread_once_for_all_and_again_only_where_it_changed(
    doors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    outline = live.outline

    def noted(shape: Any) -> Any:
        drawn.append(threading.get_ident())
        return outline(shape)

    monkeypatch.setattr(live, "outline", noted)
    for at in range(5):
        await doors.call("PUT", f"/v1/zones/z{at}", json=ZONE | {"id": f"z{at}"}, status=201)
    first, same = await asyncio.gather(_scene(doors), _scene(doors))
    assert first == same == await _scene(doors)
    assert [f["id"] for f in first["zones"]["features"]] == [f"z{at}" for at in range(5)]
    assert len(drawn) == 5
    assert threading.get_ident() not in drawn
    moved = ZONE | {"id": "z1", "radius_m": 300, "name": {"en": "Moved"}}
    await doors.call("PUT", "/v1/zones/z1", json=moved, status=200)
    await doors.call("DELETE", "/v1/zones/z2", status=204)
    again = {f["id"]: f for f in (await _scene(doors))["zones"]["features"]}
    assert set(again) == {"z0", "z1", "z3", "z4"}
    assert again["z1"]["properties"]["name"] == {"en": "Moved"}
    assert again["z1"]["geometry"] != again["z0"]["geometry"]
    assert len(drawn) == 6


async def test_the_figures_of_all_zones_cost_one_look_at_the_engine_and_change_nothing_in_it(
    doors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(20):
        await doors.call("PUT", f"/v1/zones/z{at:02}", json=ZONE | {"id": f"z{at:02}"}, status=201)
    crowd, tracker = doors.motor.pipeline.crowd, doors.motor.pipeline.tracker
    looks: list[str] = []

    def counted(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def call(*given: Any) -> Any:
            looks.append(name)
            return real(*given)

        monkeypatch.setattr(owner, name, call)

    counted(crowd, "trends")
    counted(crowd, "grow")
    counted(tracker, "occupancy")
    items = (await doors.call("GET", "/v1/occupancy", key="viewer", status=200))["items"]
    assert [item["zone"] for item in items] == [f"z{at:02}" for at in range(20)]
    assert sorted(looks) == ["occupancy", "trends"]


async def _frame(socket: Any) -> Any:
    while True:
        message = await socket.receive_json()
        if message["type"] == "frame":
            return message


async def test_the_live_page_does_not_tell_how_few_real_visitors_are_inside(doors: Any) -> None:
    await doors.call("PUT", "/v1/zones/lake", json=ZONE, status=201)
    headers = {"Authorization": f"Bearer {doors.keys['viewer']}"}
    told = []
    async with asyncio.timeout(30), doors.client.ws_connect(
        "/v1/live/stream", headers=headers
    ) as socket:  # fmt: skip
        for at in range(engine_limits.K_MIN):
            phone = await doors.device()
            now_ms = await doors.pass_time(1000)
            ping = {"lon": 6.13, "lat": 45.9, "fix_ms": now_ms}
            await doors.call("POST", "/v1/pings", key=phone["access_token"], json=ping)
            if at in (0, engine_limits.K_MIN - 2, engine_limits.K_MIN - 1):
                await _frame(socket)  # one may have been made before the ping
                told.append((await _frame(socket))["zones"][0]["occupancy"])
        assert told == [None, None, engine_limits.K_MIN]
        # A counter counts persons, not phones.
        await doors.call("POST", "/v1/zones/lake/count", key="partner", json={"persons": 3})
        await doors.pass_time(1000)
        await _frame(socket)
        assert (await _frame(socket))["zones"][0]["occupancy"] == 3


async def test_a_push_to_a_real_visitor_is_shown_as_its_campaigns_name_alone(doors: Any) -> None:
    await doors.call("PUT", "/v1/zones/lake", json=ZONE, status=201)
    await doors.call("PUT", "/v1/campaigns/paddle", json=CAMPAIGN, status=201)
    await doors.call("POST", "/v1/campaigns/paddle/launch", status=200)
    phone = await doors.device()
    headers = {"Authorization": f"Bearer {doors.keys['viewer']}"}
    async with asyncio.timeout(30), doors.client.ws_connect(
        "/v1/live/stream", headers=headers
    ) as socket:  # fmt: skip
        await _frame(socket)
        now_ms = await doors.pass_time(1000)
        ping = {"lon": 6.13, "lat": 45.9, "fix_ms": now_ms}
        await doors.call("POST", "/v1/pings", key=phone["access_token"], json=ping, status=200)
        for _ in range(10):
            await doors.pass_time(1000)
        push: Any = {"type": ""}
        while push["type"] != "push":
            push = await socket.receive_json()
    assert (push["title"], push["body"]) == (CAMPAIGN["name"], "")
    assert (push["zone"], push["lon"], push["lat"], push["visitor_label"]) == (None, None, None, "")
