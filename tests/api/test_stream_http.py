"""The stream of a phone over a real WebSocket: receipts, messages, bounds, coming back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from api import limits
from api.settings import Settings
from engine.errors import LogRefused
from tests.api.conftest import CAMPAIGN, NOW_MS, ZONE

HERE = {"lon": 6.13, "lat": 45.9, "accuracy_m": 5}


def connect(doors: Any, phone: Any, since: int = 0) -> Any:
    headers = {"Authorization": f"Bearer {phone['access_token']}"}
    return doors.client.ws_connect(f"/v1/stream?since={since}", headers=headers)


async def ask(socket: Any, frame: Any) -> Any:
    await socket.send_str(frame if isinstance(frame, str) else json.dumps(frame))
    return await socket.receive_json(timeout=10)


async def test_each_frame_is_answered_by_what_became_of_its_pings(doors: Any) -> None:
    phone = await doors.device()
    async with connect(doors, phone) as socket:
        answer = await ask(socket, {"id": "a", "pings": HERE | {"fix_ms": NOW_MS}})
        assert (answer["type"], answer["id"], answer["receipt"]["accepted"]) == ("receipt", "a", 1)
        mixed = [HERE | {"fix_ms": NOW_MS}, HERE | {"fix_ms": NOW_MS + 1, "lat": 95}]
        await socket.send_bytes(json.dumps({"id": "b", "pings": mixed}).encode())
        receipt = (await socket.receive_json(timeout=10))["receipt"]
        assert (receipt["duplicate"], receipt["quarantined"][0]["index"]) == (1, 1)
        posted = await doors.call("POST", "/v1/pings", key=phone["access_token"], json=mixed)
        assert set(posted) == set(receipt)


@pytest.mark.parametrize(
    ("frame", "slug"),
    [
        ("{", "malformed"),
        ("[]", "invalid"),
        ({"pings": []}, "invalid"),
        ({"id": 7, "pings": []}, "invalid"),
        ({"id": "x" * 65, "pings": []}, "invalid"),
        ({"id": "x", "pings": [], "more": 1}, "invalid"),
        ({"id": "x", "pings": "none"}, "malformed"),
        ({"id": "x", "pings": [1] * 10_001}, "too-large"),
    ],
)
async def test_what_is_no_frame_is_refused_for_good_and_the_stream_goes_on(
    doors: Any, frame: Any, slug: str
) -> None:
    phone = await doors.device()
    async with connect(doors, phone) as socket:
        answer = await ask(socket, frame)
        assert answer["type"] == "refused"
        assert answer["problem"]["type"] == f"urn:balise:problem:{slug}"
        assert "retry_after_s" not in answer
        good = await ask(socket, {"id": "good", "pings": []})
        assert (good["type"], good["id"]) == ("receipt", "good")


async def test_messages_come_down_and_none_twice_after_coming_back(doors: Any) -> None:
    await doors.call("PUT", "/v1/zones/lake", status=201, json=ZONE)
    await doors.call("PUT", "/v1/campaigns/paddle", status=201, json=CAMPAIGN)
    await doors.call("POST", "/v1/campaigns/paddle/launch", status=200)
    phone = await doors.device()
    now_ms = await doors.pass_time(60_000)
    async with connect(doors, phone) as socket:
        await ask(socket, {"id": "1", "pings": [HERE | {"fix_ms": now_ms - 1000}]})
        for _ in range(5):
            await doors.pass_time(1000)
        message = await socket.receive_json(timeout=10)
        assert (message["type"], message["entry"]["title"]) == ("message", "By the lake?")
    async with connect(doors, phone) as socket:
        assert (await socket.receive_json(timeout=10))["entry"] == message["entry"]
    async with connect(doors, phone, since=message["entry"]["position"]) as socket:
        answer = await ask(socket, {"id": "2", "pings": []})
        assert answer["type"] == "receipt", "nothing that was seen comes again"


async def test_frames_beyond_the_bound_wait_and_all_are_answered(
    doors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = await doors.device()
    ingest, held, full, most = doors.motor.ingest, asyncio.Event(), asyncio.Event(), [0, 0]

    async def slow(draft: Any) -> Any:
        most[0] += 1
        most[1] = max(most)
        if most[0] == limits.STREAM_FRAMES_MAX:
            full.set()
        await held.wait()
        most[0] -= 1
        return await ingest(draft)

    monkeypatch.setattr(doors.motor, "ingest", slow)
    async with connect(doors, phone) as socket:
        count = limits.STREAM_FRAMES_MAX * 3
        for at in range(count):
            ping = HERE | {"fix_ms": NOW_MS + at}
            await socket.send_str(json.dumps({"id": str(at), "pings": [ping]}))
        await asyncio.wait_for(full.wait(), 10)
        held.set()
        answers = [await socket.receive_json(timeout=10) for _ in range(count)]
    assert most[1] == limits.STREAM_FRAMES_MAX
    assert {answer["id"] for answer in answers} == {str(at) for at in range(count)}
    assert sum(answer["receipt"]["accepted"] for answer in answers) == count


async def test_passing_faults_say_when_to_send_again(
    doors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = await doors.device()

    async def refuse(_: Any) -> Any:
        raise LogRefused(reason="disk full")

    monkeypatch.setattr(doors.motor, "ingest", refuse)
    async with connect(doors, phone) as socket:
        answer = await ask(socket, {"id": "1", "pings": []})
        assert (answer["problem"]["status"], answer["retry_after_s"]) == (503, 5)


@pytest.mark.parametrize("settings", [Settings(device_requests_per_s=1, address_requests_per_s=0)])
async def test_frames_count_as_requests(doors: Any, settings: Settings) -> None:
    phone = await doors.device()
    async with connect(doors, phone) as socket:
        answers = [await ask(socket, {"id": "x", "pings": []}) for _ in range(12)]
    assert {answer["type"] for answer in answers} == {"receipt", "refused"}
    assert answers[-1]["problem"]["status"] == 429


@pytest.mark.parametrize("settings", [Settings(body_bytes_max=2048, address_requests_per_s=0)])
async def test_a_stream_is_a_devices_and_a_message_has_a_size(
    doors: Any, settings: Settings
) -> None:
    for key in ("", doors.keys["admin"]):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await doors.client.ws_connect("/v1/stream", headers=headers)
    phone = await doors.device()
    async with connect(doors, phone) as socket:
        await socket.send_str("x" * 2049)
        closed = await socket.receive(timeout=10)
        assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 1009)
