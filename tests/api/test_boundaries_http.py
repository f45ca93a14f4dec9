"""Nobody reaches further than they should: every boundary is tried."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, get_args

import aiohttp
import pytest

from api import app, auth, limits
from api.settings import Settings
from tests.api.conftest import CAMPAIGN, NOW_MS, ZONE


def _path(route: Any) -> str:
    return re.sub(r"{\w+}", "x", route.path)


async def test_every_route_asks_for_a_credential_or_says_that_it_is_open(doors: Any) -> None:
    for route in app.routes():
        if route.open:
            continue
        answer = await doors.call(route.method, _path(route), key="", status=401)
        assert answer["type"] == "urn:balise:problem:not-authenticated", route.path


@pytest.mark.parametrize("role", sorted(auth.ROLES))
async def test_a_role_opens_exactly_the_routes_of_its_scopes(doors: Any, role: str) -> None:
    for route in app.routes():
        if route.open or route.any_caller or route.feeder:
            continue
        allowed = bool(auth.ROLES[role] & set(route.scopes))
        async with doors.client.request(
            route.method, _path(route), headers={"Authorization": f"Bearer {doors.keys[role]}"}
        ) as answer:
            assert (answer.status != 403) == allowed, (route.method, route.path, answer.status)
            assert answer.status != 401


async def test_a_device_opens_the_routes_of_devices_and_no_others(doors: Any) -> None:
    phone = await doors.device()
    for route in app.routes():
        if route.open or route.any_caller or route.feeder or route.path == "/v1/me":
            continue
        async with doors.client.request(
            route.method,
            _path(route),
            headers={"Authorization": f"Bearer {phone['access_token']}"},
        ) as answer:
            assert (answer.status != 403) == route.device, (route.method, route.path)


async def test_a_device_sees_and_changes_nothing_of_another(doors: Any) -> None:
    mine, other = await doors.device(), await doors.device(languages=["de"])
    key = mine["access_token"]
    path = f"/v1/devices/{other['device']}"
    await doors.call("GET", path, key=key, status=404)
    await doors.call("PATCH", path, key=key, json={"push_token": "stolen"}, status=404)
    await doors.call("DELETE", path, key=key, status=404)
    await doors.call("DELETE", f"/v1/visitors/{other['visitor']}", key=key, status=403)
    ping = {"visitor": other["visitor"], "fix_ms": NOW_MS, "lon": 6, "lat": 45}
    answer = await doors.call("POST", "/v1/pings", key=key, json=[ping], status=200)
    assert [q["field"] for q in answer["quarantined"]] == ["visitor"]
    assert answer["accepted"] == 0
    shown = await doors.call("GET", path, key="operator", status=200)
    assert shown["languages"] == ["de"]


async def test_a_removed_device_and_an_erased_visitor_are_out_at_once(doors: Any) -> None:
    first, second = await doors.device(), await doors.device()
    await doors.call(
        "DELETE", f"/v1/devices/{first['device']}", key=first["access_token"], status=204
    )
    await doors.call("DELETE", "/v1/me", key=second["access_token"], status=204)
    for phone in (first, second):
        await doors.call("GET", "/v1/inbox", key=phone["access_token"], status=401)
        await doors.call(
            "POST", "/v1/devices/token", key="", status=401,
            json={"refresh_token": phone["refresh_token"]},
        )  # fmt: skip


async def test_tokens_are_renewed_and_a_reused_one_ends_the_family(
    doors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REFRESH_GRACE_S", 0)
    phone = await doors.device()
    body = {"refresh_token": phone["refresh_token"]}
    fresh = await doors.call("POST", "/v1/devices/token", key="", json=body, status=200)
    assert fresh["visitor"] == phone["visitor"]
    await doors.call("GET", "/v1/me", key=fresh["access_token"], status=200)
    await doors.call("POST", "/v1/devices/token", key="", json=body, status=401)
    body = {"refresh_token": fresh["refresh_token"]}
    await doors.call("POST", "/v1/devices/token", key="", json=body, status=401)


async def test_a_token_is_renewed_again_where_the_answer_was_lost(doors: Any) -> None:
    phone = await doors.device()
    body = {"refresh_token": phone["refresh_token"]}
    await doors.call("POST", "/v1/devices/token", key="", json=body, status=200)
    again = await doors.call("POST", "/v1/devices/token", key="", json=body, status=200)
    await doors.call("GET", "/v1/me", key=again["access_token"], status=200)


async def test_a_credential_that_is_no_text_is_not_one(doors: Any) -> None:
    for credential in (b"balise_admin_\xff\xfe", b"\xe9.\xe9.\xe9", b"a.b.\xff"):
        for header in (b"Authorization: Bearer " + credential,
                       b"Cookie: balise_session=" + credential):  # fmt: skip
            assert await _status(doors, b"GET", b"/v1/zones", header) == 401, header


async def _raw(doors: Any, *lines: bytes, body: bytes = b"") -> Any:
    """A connection on which a request has been written byte by byte."""
    reader, writer = await asyncio.open_connection(doors.client.host, doors.client.port)
    writer.write(b"\r\n".join(lines) + b"\r\nHost: 127.0.0.1\r\n\r\n" + body)
    await writer.drain()
    return reader, writer


async def _status(doors: Any, method: bytes, path: bytes, header: bytes) -> int:
    reader, writer = await _raw(doors, method + b" " + path + b" HTTP/1.1", header)
    line = await reader.readline()
    writer.close()
    return int(line.split()[1])


async def test_a_body_that_does_not_decompress_is_malformed(doors: Any) -> None:
    for encoding in ("gzip", "deflate"):
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        answer = await doors.call(
            "PUT", "/v1/zones/lake", data=b"not compressed", headers=headers, status=400
        )
        assert answer["type"] == "urn:balise:problem:malformed"


async def test_an_instant_beyond_all_calendars_is_a_wrong_field(doors: Any) -> None:
    for name in ("since", "until"):
        for value in ("99999999999999999999999", "-1", "soon"):
            answer = await doors.call("GET", f"/v1/decisions?{name}={value}", status=422)
            assert [e["field"] for e in answer["errors"]] == [name]
    await doors.call("GET", f"/v1/decisions?since={NOW_MS}&until=2026-06-01T00:00:00Z", status=200)


async def test_who_hangs_up_is_in_the_audit_trail_all_the_same(doors: Any) -> None:
    body = json.dumps(ZONE).encode()
    for at in range(40):
        _, writer = await _raw(
            doors,
            f"PUT /v1/zones/z{at} HTTP/1.1".encode(),
            f"Authorization: Bearer {doors.keys['editor']}".encode(),
            b"Content-Type: application/json",
            f"Content-Length: {len(body) - 6 + len(f'z{at}') + 2}".encode(),
            body=body.replace(b'"lake"', f'"z{at}"'.encode(), 1),
        )
        writer.transport.abort()
    seen: set[str] = set()
    for _ in range(100):
        trail = await doors.call("GET", "/v1/audit?limit=100", key="operator", status=200)
        seen = {entry["subject"] for entry in trail["items"]}
        if seen >= set(doors.motor.catalogue("zone")) and doors.motor.catalogue("zone"):
            break
        await asyncio.sleep(0.05)
    await doors.motor.settled()
    assert set(doors.motor.catalogue("zone")) <= seen
    assert len(seen) > 20  # most were read before they hung up


async def test_keys_are_made_listed_without_secrets_and_revoked_at_once(doors: Any) -> None:
    made = await doors.call("POST", "/v1/keys", json={"role": "viewer", "name": "desk"}, status=201)
    me = await doors.call("GET", "/v1/me", key=made["key"], status=200)
    assert (me["role"], "content:read" in me["scopes"]) == ("viewer", True)
    listed = await doors.call("GET", "/v1/keys", status=200)
    assert made["key"] not in str(listed)
    assert made["id"] in [row["id"] for row in listed["items"]]
    await doors.call("DELETE", f"/v1/keys/{made['id']}", status=204)
    await doors.call("GET", "/v1/me", key=made["key"], status=401)
    await doors.call("DELETE", "/v1/keys/key_none", status=404)


async def test_a_key_cannot_make_one_that_reaches_further(doors: Any) -> None:
    narrow = await doors.call(
        "POST", "/v1/keys", json={"role": "admin", "scopes": ["keys:admin"]}, status=201
    )
    await doors.call("POST", "/v1/keys", key=narrow["key"], json={"role": "viewer"}, status=403)
    assert set(get_args(auth.Scope)) > {"keys:admin"}


async def test_what_was_changed_is_in_the_audit_trail_with_who_did_it(doors: Any) -> None:
    await doors.call("PUT", "/v1/zones/lake", key="editor", json=ZONE, status=201)
    trail = await doors.call("GET", "/v1/audit", key="operator", status=200)
    me = await doors.call("GET", "/v1/me", key="editor")
    entry = trail["items"][0]
    assert (entry["who"], entry["what"], entry["subject"]) == (
        me["id"],
        "PUT /v1/zones/{id}",
        "lake",
    )


# -- console sessions ------------------------------------------------------------


async def _log_in(doors: Any, role: str) -> Any:
    async with doors.client.post("/console/session", json={"key": doors.keys[role]}) as answer:
        return answer.status, answer.headers.get("Set-Cookie", "")


async def test_a_session_cookie_is_out_of_reach_of_scripts_and_other_sites(doors: Any) -> None:
    status, cookie = await _log_in(doors, "viewer")
    assert status == 204
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert doors.keys["viewer"] not in cookie
    await doors.call("GET", "/v1/zones", key="", status=200)
    async with doors.client.delete("/console/session") as answer:
        assert answer.status == 204
    await doors.call("GET", "/v1/zones", key="", status=401)


async def test_a_session_writes_from_this_servers_pages_only(doors: Any) -> None:
    await _log_in(doors, "editor")
    own = f"http://{doors.client.host}:{doors.client.port}"
    for origin, status in ((None, 403), ("https://evil.example", 403), ("null", 403), (own, 201)):
        headers = {"Origin": origin} if origin else {}
        await doors.call("PUT", "/v1/zones/lake", key="", json=ZONE, headers=headers, status=status)


async def test_an_app_key_and_a_wrong_key_cannot_log_in(doors: Any) -> None:
    assert (await _log_in(doors, "app"))[0] == 403
    async with doors.client.post("/console/session", json={"key": "balise_admin_x"}) as answer:
        assert answer.status == 401


async def test_campaigns_are_launched_by_editors_and_approvers_only(doors: Any) -> None:
    await doors.call("PUT", "/v1/zones/lake", json=ZONE, status=201)
    await doors.call("PUT", "/v1/campaigns/paddle", key="editor", json=CAMPAIGN, status=201)
    for key, status in (("viewer", 403), ("partner", 403), ("operator", 403), ("approver", 200)):
        await doors.call("POST", "/v1/campaigns/paddle/launch", key=key, status=status)
    await doors.call("POST", "/v1/campaigns/paddle/pause", key="editor", status=200)


@pytest.mark.parametrize("settings", [Settings(open_live=True, address_requests_per_s=0)])
async def test_an_open_live_page_opens_that_page_alone_and_to_no_other_site(
    doors: Any, settings: Settings
) -> None:
    await doors.call("GET", "/v1/live/scene", key="", status=200)
    await doors.call("GET", "/v1/zones", key="", status=401)
    await doors.call("PUT", "/v1/zones/lake", key="", json=ZONE, status=401)
    own = f"http://{doors.client.host}:{doors.client.port}"
    async with doors.client.ws_connect("/v1/live/stream", origin=own) as socket:
        assert (await socket.receive_json())["type"] == "frame"
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await doors.client.ws_connect("/v1/live/stream", origin="https://evil.example")
    assert caught.value.status == 403


@pytest.mark.parametrize("settings", [Settings(open_live=True, address_requests_per_s=0)])
async def test_an_open_live_page_is_read_by_names_of_this_machine_only(
    doors: Any, settings: Settings
) -> None:
    port = doors.client.port
    for host, status in (
        ("127.0.0.1", 200), (f"localhost:{port}", 200), (f"[::1]:{port}", 200),
        ("rebound.example", 403), (f"10.0.0.1:{port}", 403), ("", 403), ("[", 403),
    ):  # fmt: skip
        async with doors.client.get("/v1/live/scene", headers={"Host": host}) as answer:
            assert answer.status == status, host


@pytest.mark.parametrize("settings", [Settings(open_live=True, address_requests_per_s=0)])
async def test_a_session_that_has_ended_leaves_an_open_live_page_open(
    doors: Any, settings: Settings
) -> None:
    headers = {"Cookie": "balise_session=of-yesterday"}
    async with doors.client.get("/v1/live/scene", headers=headers) as answer:
        assert answer.status == 200
    async with doors.client.get("/v1/zones", headers=headers) as answer:
        assert answer.status == 401


async def test_a_closed_live_page_asks_for_a_credential(doors: Any) -> None:
    await doors.call("GET", "/v1/live/scene", key="", status=401)
    await doors.call("GET", "/v1/live/scene", key="viewer", status=200)
    await doors.call("GET", "/v1/live/scene", key="partner", status=403)
