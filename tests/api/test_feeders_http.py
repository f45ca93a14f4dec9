"""Location apps through real HTTP, into the real engine: each fix counted, nothing refused."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pytest

from api.settings import Settings
from engine.errors import LogRefused, Overloaded
from tests.api.conftest import CAMPAIGN, NOW_MS, ZONE

NOW_S = NOW_MS // 1000
LAKE = {"lat": 45.9, "lon": 6.13}


class Feeder:
    """A phone with a key for its location app."""

    def __init__(self, doors: Any, phone: Any, made: Any) -> None:
        self.doors, self.phone, self.made = doors, phone, made

    async def send(self, app: str, method: str = "POST", status: int = 200, **given: Any) -> bytes:
        path = f"/in/{app}/{self.made['key']}"
        async with self.doors.client.request(method, path, **given) as answer:
            data: bytes = await answer.read()
            assert answer.status == status, data
            return data

    async def state(self) -> Any:
        path = f"/v1/devices/{self.phone['device']}/feed-key"
        return await self.doors.call("GET", path, key=self.phone["access_token"], status=200)

    async def counts(self) -> tuple[int, int, int]:
        state = await self.state()
        return state["accepted"], state["discarded"], state["quarantined"]

    def last_fix(self) -> Any:
        pipeline = self.doors.motor.pipeline
        slot = pipeline.visitors.find_slot(self.phone["visitor"])
        return pipeline.tracker.last_fix(slot)


async def feeder(doors: Any, **body: Any) -> Feeder:
    phone = await doors.device(**body)
    path = f"/v1/devices/{phone['device']}/feed-key"
    made = await doors.call("POST", path, key=phone["access_token"], status=201)
    return Feeder(doors, phone, made)


def location(**changed: Any) -> dict[str, Any]:
    return {"_type": "location", "tst": NOW_S, "acc": 5, "vel": 4, **LAKE} | changed


def feature(at_s: float, lon: float, lat: float) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [lon, lat]},
        "properties": {"timestamp": at_s, "speed": 1, "horizontal_accuracy": 5},
    }


# -- each app -------------------------------------------------------------------------


async def test_owntracks_streams_in_with_whatever_headers_it_has(doors: Any) -> None:
    phone = await feeder(doors)
    headers = {"Authorization": "Basic amFuZTpzZWNyZXQ=", "X-Limit-U": "jane", "X-Limit-D": "phone"}
    assert json.loads(await phone.send("owntracks", json=location(), headers=headers)) == []
    assert phone.last_fix() == (NOW_MS, 6.13, 45.9, 5.0, pytest.approx(4 / 3.6, abs=1e-3))
    assert json.loads(await phone.send("owntracks", data=b"")) == []
    assert json.loads(await phone.send("owntracks", json={"_type": "lwt", "tst": 1})) == []
    answer = json.loads(await phone.send("owntracks", json={"_type": "encrypted", "data": "x"}))
    assert "not supported" in answer[0]["detail"]
    assert await phone.counts() == (1, 0, 1)


async def test_overland_is_answered_by_what_lets_it_forget_the_batch(doors: Any) -> None:
    phone = await feeder(doors)
    batch = {"locations": [feature(NOW_S - 20, 6.129, 45.9), feature(NOW_S, 6.13, 45.9)]}
    for body in (batch, batch, {"locations": []}, {"locations": [None]}, {}, [], "x"):
        assert await phone.send("overland", json=body) == b'{"result":"ok"}'
    assert await phone.counts() == (4, 0, 4)
    assert phone.last_fix()[0] == NOW_MS


async def test_overland_current_triggers_and_the_backlog_is_history(doors: Any) -> None:
    await doors.call("PUT", "/v1/zones/lake", status=201, json=ZONE)
    far = ZONE | {"id": "hill", "geometry": {"type": "Point", "coordinates": [6.2, 45.95]}}
    await doors.call("PUT", "/v1/zones/hill", status=201, json=far)
    campaign = CAMPAIGN | {"trigger": {"type": "enter", "zones": ["lake", "hill"]}}
    await doors.call("PUT", "/v1/campaigns/paddle", status=201, json=campaign)
    await doors.call("POST", "/v1/campaigns/paddle/launch", status=200)
    phone = await feeder(doors)
    now_ms = await doors.pass_time(3_600_000)
    now_s = now_ms // 1000
    batch = [feature(now_s - 1800 + 60 * i, 6.2, 45.95) for i in range(10)]
    body = {"locations": batch, "current": feature(now_s - 5, 6.13, 45.9)}
    assert await phone.send("overland", json=body) == b'{"result":"ok"}'
    for _ in range(5):
        await doors.pass_time(1000)
    page = await doors.call("GET", f"/v1/decisions?visitor={phone.phone['visitor']}", key="viewer")
    told = {d["trigger"]["zone"]: (d["verdict"], d["reason"]) for d in page["items"]}
    assert told["lake"][0] == "send"
    assert told["hill"] == ("suppressed", "backlog")


async def test_traccar_streams_in_by_all_four_shapes(doors: Any) -> None:
    phone = await feeder(doors)
    flat = {"id": "1", "lat": 45.9, "lon": 6.13, "accuracy": 5, "speed": 10}
    coords = {"latitude": 45.9, "longitude": 6.13}
    client = {"location": {"timestamp": "2026-05-28T20:26:43.500Z", "coords": coords}}
    assert await phone.send("traccar", "GET", params=flat | {"timestamp": NOW_S}) == b""
    assert phone.last_fix()[4] == pytest.approx(5.144, abs=1e-3)
    assert await phone.send("traccar", data=flat | {"timestamp": NOW_S + 1}) == b""
    assert await phone.send("traccar", json=[flat | {"timestamp": NOW_S + 2}]) == b""
    assert await phone.send("traccar", json=client) == b""
    assert phone.last_fix()[0] == NOW_MS + 3500
    assert await phone.counts() == (4, 0, 0)


async def test_gpslogger_streams_in_by_the_url_that_it_is_given(doors: Any) -> None:
    phone = await feeder(doors)
    url = phone.made["urls"]["gpslogger"]
    for name, value in (("LAT", 45.9), ("LON", 6.13), ("TIMESTAMP", NOW_S), ("ACC", 4.5),
                        ("SPD", 1.5)):  # fmt: skip
        url = url.replace(f"%{name}", str(value))
    async with doors.client.session.get(url) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
    assert phone.last_fix() == (NOW_MS, 6.13, 45.9, 4.5, 1.5)


async def test_urls_are_of_the_address_that_phones_use(doors: Any) -> None:
    phone = await feeder(doors)
    base = f"http://{doors.client.host}:{doors.client.port}/in"
    assert phone.made["urls"]["overland"] == f"{base}/overland/{phone.made['key']}"


# -- odd cases --------------------------------------------------------------------------


@pytest.mark.parametrize("app", ["owntracks", "overland", "traccar", "gpslogger"])
@pytest.mark.parametrize(
    ("data", "headers"),
    [
        (b"\xff\xfe{", {"Content-Type": "application/json"}),
        (b"{", {"Content-Type": "application/json; charset=utf-16"}),
        (b'{"a":' * 3000, {"Content-Type": "text/plain"}),
        (b"not gzip", {"Content-Encoding": "gzip"}),
        (b"x", {"Content-Encoding": "br2"}),
        (b"", {}),
        (b"null", {"Content-Type": "application/json"}),
    ],
)
async def test_what_can_never_be_read_is_taken_off_the_apps_hands(
    doors: Any, app: str, data: bytes, headers: dict[str, str]
) -> None:
    phone = await feeder(doors)
    await phone.send(app, data=data, headers=headers, status=200)
    await phone.send(app, json=location(), status=200)
    assert (await phone.counts())[0] == (app == "owntracks") + (app == "traccar")


async def test_bad_old_future_and_repeated_fixes_are_taken_and_counted(doors: Any) -> None:
    phone = await feeder(doors)
    for tst in (NOW_S, NOW_S, 1497476456, NOW_S + 10**6, None):
        await phone.send("owntracks", json=location(tst=tst))
    state = await phone.state()
    assert (state["accepted"], state["quarantined"]) == (2, 3), "a duplicate is dropped later"
    assert state["faults"] == [{"field": "timestamp", "reason": "no time that can be read",
                                "index": 0}]  # fmt: skip
    assert state["app"] == "owntracks"
    assert state["last_ms"] == NOW_MS


async def test_without_consent_fixes_are_taken_and_kept_nowhere(doors: Any) -> None:
    phone = await feeder(doors, consents={"push": True})
    await phone.send("owntracks", json=location())
    assert await phone.counts() == (0, 1, 0)
    assert phone.last_fix() is None


async def test_compressed_bodies_are_read(doors: Any) -> None:
    phone = await feeder(doors)
    data = gzip.compress(json.dumps(location()).encode())
    await phone.send("owntracks", data=data, headers={"Content-Encoding": "gzip"})
    assert await phone.counts() == (1, 0, 0)


async def test_what_is_too_large_is_413(doors: Any) -> None:
    phone = await feeder(doors)
    await phone.send("overland", data=io.BytesIO(b" " * (5 << 20)), status=413)
    await phone.send("overland", json={"locations": [0] * 10_001}, status=413)


@pytest.mark.parametrize("settings", [Settings(device_requests_per_s=1, address_requests_per_s=0)])
async def test_a_device_that_sends_too_often_is_told_to_wait(
    doors: Any, settings: Settings
) -> None:
    phone = await feeder(doors)
    statuses = []
    for _ in range(12):
        async with doors.client.get(f"/in/traccar/{phone.made['key']}") as answer:
            statuses.append(answer.status)
            assert answer.status == 200 or int(answer.headers["Retry-After"]) >= 1
    assert set(statuses) == {200, 429}


async def test_passing_faults_ask_the_app_to_come_back(
    doors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = await feeder(doors)
    for error, status in (
        (Overloaded(queue="ingest", retry_after_s=1), 429),
        (LogRefused(reason="disk full"), 503),
    ):

        async def refuse(_: Any, error: Exception = error) -> Any:
            raise error

        monkeypatch.setattr(doors.motor, "ingest", refuse)
        await phone.send("owntracks", json=location(), status=status)


# -- keys -------------------------------------------------------------------------------


async def test_a_wrong_key_is_401_and_so_is_one_that_was_replaced_or_revoked(doors: Any) -> None:
    phone = await feeder(doors)
    path, key = f"/v1/devices/{phone.phone['device']}/feed-key", phone.phone["access_token"]
    for wrong in ("x", "balisef_wrong", doors.keys["admin"], phone.phone["access_token"]):
        async with doors.client.post(f"/in/overland/{wrong}", json={"locations": []}) as answer:
            assert answer.status == 401
    fresh = await doors.call("POST", path, key=key, status=201)
    await phone.send("overland", json={"locations": []}, status=401)
    phone.made = fresh
    await phone.send("overland", json={"locations": []}, status=200)
    await doors.call("DELETE", path, key=key, status=204)
    await phone.send("overland", json={"locations": []}, status=401)
    await doors.call("DELETE", path, key=key, status=404)
    await doors.call("GET", path, key=key, status=404)


async def test_a_key_opens_the_way_in_and_nothing_else(doors: Any) -> None:
    phone = await feeder(doors)
    for path in ("/v1/me", "/v1/inbox", f"/v1/devices/{phone.phone['device']}"):
        await doors.call("GET", path, key=phone.made["key"], status=401)


async def test_a_device_makes_sees_and_ends_its_own_key_only(doors: Any) -> None:
    mine, other = await feeder(doors), await feeder(doors)
    path = f"/v1/devices/{other.phone['device']}/feed-key"
    for method in ("POST", "GET", "DELETE"):
        await doors.call(method, path, key=mine.phone["access_token"], status=404)
    await other.send("overland", json={"locations": []})


async def test_a_key_ends_with_its_device_and_with_its_visitor(doors: Any) -> None:
    removed, erased = await feeder(doors), await feeder(doors)
    path = f"/v1/devices/{removed.phone['device']}"
    await doors.call("DELETE", path, key=removed.phone["access_token"], status=204)
    await doors.call("DELETE", "/v1/me", key=erased.phone["access_token"], status=204)
    for phone in (removed, erased):
        await phone.send("overland", json={"locations": []}, status=401)
    kept = await doors.server.service.store.credentials.feed_keys()
    assert kept == []


async def test_keys_outlive_the_server_as_hashes(doors: Any) -> None:
    phone = await feeder(doors)
    service = doors.server.service
    (row,) = await service.store.credentials.feed_keys()
    assert phone.made["key"] not in str(row)
    service.gate._feeds.clear()
    service.gate._feed_of.clear()
    await service.gate.load()
    await phone.send("overland", json={"locations": []}, status=200)


async def test_no_log_line_and_no_figure_holds_a_key(
    doors: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    phone = await feeder(doors)

    async def fail(_: Any) -> Any:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(doors.motor, "ingest", fail)
    await phone.send("owntracks", json=location(), status=500)
    monkeypatch.undo()
    await phone.send("owntracks", json=location())
    figures = doors.server.service.figures.text().decode()
    assert 'balise_feeder_fixes_total{app="owntracks",outcome="accepted"} 1.0' in figures
    written = "".join(capfd.readouterr())
    assert "/in/owntracks/{key}" in written
    assert phone.made["key"] not in written + figures
