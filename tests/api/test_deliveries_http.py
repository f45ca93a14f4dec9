"""Deliveries: dead letters are seen with their reasons, and can be sent again."""

from __future__ import annotations

from typing import Any

from notifier.standin.hook import Fault
from tests.api.test_outlets_http import World, enter, launch, settings, walk_in, world

__all__ = ["settings", "world"]


async def test_a_dead_letter_is_seen_with_its_reason_and_sent_again(
    doors: Any, world: World
) -> None:
    world.hook.faults.append(Fault(status=400))
    phone = await doors.device()
    await enter(doors, ["webhook", "inbox"], phone)
    (dead,) = (await doors.call("GET", "/v1/deliveries", key="viewer", status=200))["items"]
    assert (dead["state"], dead["channel"], dead["attempts"]) == ("dead", "webhook", 1)
    assert dead["reason"].startswith("HTTP 400")
    assert dead["visitor"] == phone["visitor"]
    path = f"/v1/deliveries/{dead['id']}/requeue"
    await doors.call("POST", path, key="viewer", status=403)
    again = await doors.call("POST", path, key="operator", status=200)
    assert (again["state"], again["attempts"]) == ("queued", 0)
    await doors.call("POST", path, status=409)
    await doors.pass_time(1000)
    assert list(world.hook.taken) == [dead["id"]]
    assert (await doors.call("GET", "/v1/deliveries", status=200))["items"] == []
    sent = await doors.call("GET", "/v1/deliveries?state=sent", status=200)
    assert {each["channel"] for each in sent["items"]} == {"webhook", "inbox"}
    trail = await doors.call("GET", "/v1/audit", status=200)
    assert trail["items"][0]["what"] == "POST /v1/deliveries/{id}/requeue"


async def test_what_would_come_too_late_is_not_sent_again(doors: Any, world: World) -> None:
    world.hook.faults.append(Fault(status=410))
    await enter(doors, ["webhook"], await doors.device())
    (dead,) = (await doors.call("GET", "/v1/deliveries", status=200))["items"]
    await doors.pass_time(3_600_000)
    path = f"/v1/deliveries/{dead['id']}/requeue"
    answer = await doors.call("POST", path, status=409)
    assert "time to live" in answer["detail"]
    await doors.call("POST", "/v1/deliveries/ntf_none/requeue", status=404)


async def test_deliveries_are_paged_and_filtered(doors: Any, world: World) -> None:
    phones = [await doors.device() for _ in range(5)]
    await launch(doors, ["inbox"])
    for phone in phones:
        await walk_in(doors, phone)
    seen: list[str] = []
    query = "?state=sent&limit=2"
    while True:
        page = await doors.call("GET", f"/v1/deliveries{query}", status=200)
        seen += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        query = f"?state=sent&limit=2&cursor={page['next']}"
    assert len(seen) == len(set(seen)) == 5
    mine = await doors.call("GET", f"/v1/deliveries?state=sent&visitor={phones[0]['visitor']}")
    assert [each["visitor"] for each in mine["items"]] == [phones[0]["visitor"]]
    none = await doors.call("GET", "/v1/deliveries?state=sent&campaign=other", status=200)
    assert none["items"] == []
    for wrong in ("cursor=x", "cursor=1", "state=lost", "limit=0"):
        await doors.call("GET", f"/v1/deliveries?{wrong}", status=422)


async def test_each_channel_says_how_it_stands(doors: Any, world: World) -> None:
    await enter(doors, ["webhook", "inbox"], await doors.device())
    answer = await doors.call("GET", "/v1/deliveries/summary", key="viewer", status=200)
    found = {each["channel"]: each for each in answer["channels"]}
    assert set(found) == {"webpush", "webhook", "inbox", "log"}
    assert found["webhook"]["counts"]["sent"] == 1
    assert {each["gate"] for each in found.values()} == {"closed"}
