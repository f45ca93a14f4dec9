"""What every answer has, and what operators and browsers ask for."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import aiohttp
import msgspec
import pytest

from api import app, limits
from api.settings import Settings
from engine.clock import StepClock
from tests.api.conftest import CAMPAIGN, NOW_MS, ZONE

REF = re.compile(r'"\$ref":"#/components/(\w+)/([^"]+)"')


def _bearer(doors: Any, key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {doors.keys.get(key, key)}"}


async def test_every_answer_has_a_request_id_and_the_security_headers(doors: Any) -> None:
    for path in ("/healthz", "/v1/zones", "/nowhere", "/console/nowhere"):
        async with doors.client.get(path) as answer:
            assert answer.headers["X-Request-Id"].startswith("req_")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            assert "Server" not in answer.headers
            assert "Strict-Transport-Security" not in answer.headers
    async with doors.client.get("/healthz", headers={"X-Request-Id": "trace-12345"}) as answer:
        assert answer.headers["X-Request-Id"] == "trace-12345"
    async with doors.client.get("/healthz", headers={"X-Request-Id": "a b\tc"}) as answer:
        assert answer.headers["X-Request-Id"].startswith("req_")


async def test_it_says_when_it_is_ready_and_why_when_it_is_not(doors: Any) -> None:
    assert (await doors.call("GET", "/healthz", key="", status=200))["status"] == "ok"
    ready = await doors.call("GET", "/readyz", key="", status=200)
    assert ready == {"status": "ready", "now_ms": NOW_MS}
    for part, words in (("blocked", "the log"), ("store_blocked", "the store")):
        setattr(doors.motor, part, "(sqlite3.OperationalError) /srv/balise: no space left")
        answer = await doors.call("GET", "/readyz", key="", status=503)
        assert answer["detail"].startswith(words)
        assert "sqlite3" not in answer["detail"]
        assert "/srv" not in answer["detail"]
        setattr(doors.motor, part, "")
    lane = next(iter(doors.server.service.dispatcher._lanes.values()))
    lane.failure = RuntimeError("secret")
    answer = await doors.call("GET", "/readyz", key="", status=503)
    assert "channel" in answer["detail"]
    assert "secret" not in answer["detail"]
    lane.failure = None
    await doors.call("GET", "/readyz", key="", status=200)
    doors.server.service.stopping.set()
    await doors.call("GET", "/readyz", key="", status=503)


async def test_figures_are_given_to_operators_by_route_and_not_by_id(doors: Any) -> None:
    await doors.call("PUT", "/v1/zones/secret-id", json=ZONE | {"id": "secret-id"}, status=201)
    async with doors.client.get("/metrics", headers=_bearer(doors, "operator")) as answer:
        text = await answer.text()
    assert 'route="/v1/zones/{id}",status="201"' in text
    assert "secret-id" not in text
    assert "balise_match_seconds" in text
    await doors.call("GET", "/metrics", key="viewer", status=403)


async def test_the_description_of_the_api_is_complete_and_refers_to_what_it_holds(
    doors: Any,
) -> None:
    async with doors.client.get("/v1/openapi.json") as answer:
        data = await answer.read()
    document = msgspec.json.decode(data)
    assert document["openapi"] == "3.1.0"
    described = {(m.upper(), p) for p, ms in document["paths"].items() for m in ms}
    assert described == {(r.method, r.path) for r in app.routes() if not r.hidden}
    components = document["components"]
    for section, name in REF.findall(msgspec.json.encode(document).decode()):
        assert name in components[section]
    names = [op["operationId"] for ms in document["paths"].values() for op in ms.values()]
    assert len(names) == len(set(names))
    for path, methods in document["paths"].items():
        for operation in methods.values():
            given = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert given == set(re.findall(r"{(\w+)}", path))


@pytest.mark.parametrize("settings", [Settings(cors_origins=("https://visit.example",))])
async def test_only_pages_of_the_origins_named_may_call(doors: Any, settings: Settings) -> None:
    asked = {"Access-Control-Request-Method": "POST"}
    for origin, allowed in (("https://visit.example", True), ("https://evil.example", False)):
        async with doors.client.options("/v1/pings", headers=asked | {"Origin": origin}) as answer:
            assert (answer.status == 204) == allowed
            assert ("Access-Control-Allow-Origin" in answer.headers) == allowed
        async with doors.client.get("/healthz", headers={"Origin": origin}) as answer:
            assert ("Access-Control-Allow-Origin" in answer.headers) == allowed


@pytest.mark.parametrize(
    "settings", [Settings(device_requests_per_s=0.1, address_requests_per_s=0.3)]
)
async def test_who_asks_too_often_is_told_to_wait(doors: Any, settings: Settings) -> None:
    phone = await doors.device()
    await doors.call("GET", "/v1/inbox", key=phone["access_token"], status=200)
    answer = await doors.call("GET", "/v1/inbox", key=phone["access_token"], status=429)
    assert answer["type"] == "urn:balise:problem:rate-limited"
    await doors.device()
    await doors.device()
    async with doors.client.post(
        "/v1/devices", json={"platform": "ios"}, headers=_bearer(doors, "app")
    ) as refused:
        assert refused.status == 429
        assert int(refused.headers["Retry-After"]) >= 1
    await doors.call("GET", "/v1/zones", key="viewer", status=200)


@pytest.mark.parametrize(
    "settings", [Settings(public_url="https://push.example.org", address_requests_per_s=0)]
)
async def test_over_https_cookies_are_secure_and_browsers_are_told_to_stay(
    doors: Any, settings: Settings
) -> None:
    async with doors.client.post("/console/session", json={"key": doors.keys["viewer"]}) as answer:
        assert "Secure" in answer.headers["Set-Cookie"]
        assert answer.headers["Strict-Transport-Security"]


# -- devices ---------------------------------------------------------------------


async def test_languages_are_taken_as_phones_write_them(doors: Any) -> None:
    phone = await doors.device(languages=["fr_CH", "EN-us", "fr-CH"])
    shown = await doors.call(
        "GET", f"/v1/devices/{phone['device']}", key=phone["access_token"], status=200
    )
    assert shown["languages"] == ["fr-CH", "en-US"]
    answer = await doors.call(
        "POST", "/v1/devices", key="app", status=422,
        json={"platform": "symbian", "languages": ["en", "!!"], "x": 1},
    )  # fmt: skip
    assert {e["field"] for e in answer["errors"]} == {"platform", "x"}
    answer = await doors.call(
        "POST", "/v1/devices", key="app", status=422,
        json={"platform": "ios", "languages": ["en", "!!"]},
    )  # fmt: skip
    assert [e["field"] for e in answer["errors"]] == ["languages[1]"]


async def test_a_device_changes_its_push_token_and_never_shows_it(doors: Any) -> None:
    phone = await doors.device()
    path, key = f"/v1/devices/{phone['device']}", phone["access_token"]
    assert not (await doors.call("GET", path, key=key))["has_push_token"]
    changed = await doors.call("PATCH", path, key=key, json={"push_token": "tok-1"}, status=200)
    assert changed["has_push_token"]
    assert "tok-1" not in str(changed)
    assert changed["languages"] == ["en"]
    stored = doors.motor.pipeline.visitors.device(phone["device"])
    assert stored.push_token == "tok-1"


async def test_consents_left_out_keep_their_value(doors: Any) -> None:
    phone = await doors.device(consents={"location": True})
    key = phone["access_token"]
    await doors.call("PUT", "/v1/consents", key=key, json={}, status=422)
    await doors.call("PUT", "/v1/consents", key=key, json={"location": "yes"}, status=422)
    shown = await doors.call("PUT", "/v1/consents", key=key, json={"push": True}, status=200)
    assert (shown["location"], shown["push"], shown["analytics"]) == (True, True, False)
    assert shown == await doors.call("GET", "/v1/consents", key=key)
    same = await doors.call("GET", f"/v1/visitors/{phone['visitor']}/consents", key="operator")
    assert same == shown
    await doors.call("GET", "/v1/visitors/nobody/consents", key="operator", status=404)


async def test_a_profile_with_impossible_dates_never_reaches_the_log(doors: Any) -> None:
    path = "/v1/visitors/v1/profile"
    await doors.call("PUT", path, key="operator", json={"stay_from": "2026-02-31"}, status=422)
    body = {
        "segments": ["family"],
        "attributes": {"age": 7, "vip": True},
        "stay_from": "2026-02-28",
    }
    shown = await doors.call("PUT", path, key="operator", json=body, status=200)
    assert shown == body | {"visitor": "v1", "stay_until": None}


async def test_a_visitor_that_operators_name_has_an_id_of_visible_characters(doors: Any) -> None:
    for visitor, status in (
        ("v" * 128, 200), ("jeanne+1@example.org", 200), ("v" * 129, 422), ("a%20b", 422),
        ("a%00b", 422), ("a%E2%80%8Bb", 422), ("%0A", 422),
    ):  # fmt: skip
        for method, path, body in (
            ("PUT", "profile", {"segments": ["family"]}),
            ("PUT", "consents", {"location": True}),
        ):
            answer = await doors.call(
                method, f"/v1/visitors/{visitor}/{path}", key="operator", json=body, status=status
            )
            if status == 422:
                assert [e["field"] for e in answer["errors"]] == ["id"]
        status = 204 if status == 200 else status
        await doors.call("DELETE", f"/v1/visitors/{visitor}", key="operator", status=status)


# -- the inbox as a stream -------------------------------------------------------


async def _told(doors: Any, phone: Any, visits: int) -> None:
    """Make the phone enter the zone so often, each time with a message."""
    for _ in range(visits):
        for lon in (6.17, 6.13):
            now_ms = await doors.pass_time(600_000)
            ping = {"lon": lon, "lat": 45.9, "fix_ms": now_ms}
            answer = await doors.call("POST", "/v1/pings", key=phone["access_token"], json=ping)
            assert answer["accepted"] == 1
        for _ in range(5):
            await doors.pass_time(1000)


async def test_a_socket_resumes_where_it_was_and_goes_on_live(doors: Any) -> None:
    free = {"quiet_hours": None, "per_visitor": None, "cooldown_s": 0}
    await doors.call("PUT", "/v1/zones/lake", json=ZONE)
    await doors.call(
        "PUT", "/v1/campaigns/paddle", json=CAMPAIGN | {"restraint": free, "ttl_s": 7200}
    )
    await doors.call("POST", "/v1/campaigns/paddle/launch", status=200)
    phone = await doors.device()
    await _told(doors, phone, 2)
    headers = _bearer(doors, phone["access_token"])
    page = await doors.call("GET", "/v1/inbox?limit=1", key=phone["access_token"], status=200)
    assert len(page["items"]) == 1
    async with doors.client.ws_connect(
        f"/v1/inbox/stream?since={page['next']}", headers=headers
    ) as socket:
        second = await asyncio.wait_for(socket.receive_json(), 10)
        assert second["position"] > page["next"]
        await _told(doors, phone, 1)
        third = await asyncio.wait_for(socket.receive_json(), 10)
        assert third["position"] > second["position"]
        await doors.call(
            "POST", f"/v1/inbox/{third['id']}/read", key=phone["access_token"], status=204
        )
        other = await doors.device()
        await doors.call(
            "POST", f"/v1/inbox/{third['id']}/read", key=other["access_token"], status=404
        )


async def test_a_stream_is_for_the_phone_itself_and_needs_an_upgrade(doors: Any) -> None:
    for key, status in (("", 401), ("admin", 403)):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await doors.client.ws_connect(
                "/v1/inbox/stream", headers=_bearer(doors, key) if key else {}
            )
        assert caught.value.status == status
    phone = await doors.device()
    await doors.call("GET", "/v1/inbox/stream", key=phone["access_token"], status=426)


async def _closed(socket: Any) -> int:
    """The code that a socket is closed with, whatever was sent on it before."""
    async with asyncio.timeout(10):
        while True:
            message = await socket.receive()
            if message.type == aiohttp.WSMsgType.CLOSE:
                return int(message.data)
            assert message.type == aiohttp.WSMsgType.TEXT


async def test_a_removed_device_and_an_erased_visitor_hear_nothing_more(doors: Any) -> None:
    for method, path in (("DELETE", "/v1/devices/{device}"), ("DELETE", "/v1/me")):
        phone, other = await doors.device(), await doors.device()
        key = phone["access_token"]
        async with (
            doors.client.ws_connect("/v1/inbox/stream", headers=_bearer(doors, key)) as socket,
            doors.client.ws_connect(
                "/v1/inbox/stream", headers=_bearer(doors, other["access_token"])
            ) as open_still,
        ):
            await doors.call(method, path.format(**phone), key=key, status=204)
            assert await _closed(socket) == aiohttp.WSCloseCode.POLICY_VIOLATION
            assert not open_still.closed
            assert len(doors.server.service.sockets) == 1


async def test_a_revoked_key_watches_nothing_more(doors: Any) -> None:
    made = await doors.call("POST", "/v1/keys", json={"role": "viewer"}, status=201)
    async with doors.client.ws_connect(
        "/v1/live/stream", headers=_bearer(doors, made["key"])
    ) as socket:
        await doors.call("DELETE", f"/v1/keys/{made['id']}", status=204)
        assert await _closed(socket) == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_a_socket_ends_with_what_opened_it(
    doors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SOCKET_RECHECK_S", 0.05)
    clock = StepClock(start_ms=doors.server.service.clock.now_ms())
    monkeypatch.setattr(doors.server.service.gate, "clock", clock)
    phone = await doors.device()
    key = await doors.call(
        "POST", "/v1/keys", json={"role": "viewer", "expires_ms": clock.now_ms() + 60_000}
    )
    async with (
        doors.client.ws_connect(
            "/v1/inbox/stream", headers=_bearer(doors, phone["access_token"])
        ) as inbox,
        doors.client.ws_connect("/v1/live/stream", headers=_bearer(doors, key["key"])) as live,
    ):
        assert (await live.receive_json())["type"] == "frame"
        assert not inbox.closed
        clock.set(clock.now_ms() + 2 * 3_600_000)
        assert await _closed(inbox) == aiohttp.WSCloseCode.POLICY_VIOLATION
        assert await _closed(live) == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_sockets_are_bounded_in_number(doors: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SOCKETS_MAX", 1)
    phone = await doors.device()
    headers = _bearer(doors, phone["access_token"])
    async with doors.client.ws_connect("/v1/inbox/stream", headers=headers):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await doors.client.ws_connect("/v1/inbox/stream", headers=headers)
    assert caught.value.status == 503


async def test_stopping_closes_sockets_with_a_reason(doors: Any) -> None:
    phone = await doors.device()
    socket = await doors.client.ws_connect(
        "/v1/inbox/stream", headers=_bearer(doors, phone["access_token"])
    )
    await socket.ping()
    await doors.call("GET", "/v1/me", key=phone["access_token"])
    closing = asyncio.create_task(doors.client.server.app.shutdown())
    message = await asyncio.wait_for(socket.receive(), 10)
    assert message.type == aiohttp.WSMsgType.CLOSE
    assert message.data == aiohttp.WSCloseCode.GOING_AWAY
    await closing
