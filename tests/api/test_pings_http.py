"""Pings over HTTP: each is accounted for, and what fires reaches the phone."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import pytest

from tests.api.conftest import CAMPAIGN, NOW_MS, ZONE

HERE = {"lon": 6.13, "lat": 45.9, "accuracy_m": 5}
AWAY = {"lon": 6.14, "lat": 45.905, "accuracy_m": 5}


async def test_a_phone_by_the_lake_is_told_and_the_decision_says_why_and_when(doors: Any) -> None:
    await doors.call("PUT", "/v1/zones/lake", status=201, json=ZONE)
    await doors.call("PUT", "/v1/campaigns/paddle", status=201, json=CAMPAIGN)
    await doors.call("POST", "/v1/campaigns/paddle/launch", status=200)
    phone = await doors.device()
    now_ms = await doors.pass_time(300_000)
    pings = [AWAY | {"fix_ms": now_ms - 250_000}, HERE | {"fix_ms": now_ms - 10_000}]
    answer = await doors.call("POST", "/v1/pings", key=phone["access_token"], json=pings)
    assert answer["accepted"] == 2
    assert answer["request_id"].startswith("req_")
    for _ in range(5):
        await doors.pass_time(1000)
    inbox = await doors.call("GET", "/v1/inbox", key=phone["access_token"], status=200)
    assert [entry["title"] for entry in inbox["items"]] == ["By the lake?"]
    page = await doors.call("GET", f"/v1/decisions?visitor={phone['visitor']}", key="viewer")
    (decision,) = page["items"]
    assert (decision["verdict"], decision["campaign"]) == ("send", "paddle")
    assert decision["trigger"]["zone"] == "lake"
    assert decision["trace"]
    assert all(decision["times"].values()), "every step has its time"
    shown = await doors.call("GET", f"/v1/decisions/{decision['id']}", key="viewer", status=200)
    assert shown == decision
    assert [n["state"] for n in decision["notifications"]] == ["sent"]


async def test_without_consent_pings_are_answered_discarded_and_counted(doors: Any) -> None:
    phone = await doors.device(consents={"push": True})
    ping = HERE | {"fix_ms": NOW_MS}
    answer = await doors.call("POST", "/v1/pings", key=phone["access_token"], json=ping, status=200)
    assert (answer["accepted"], answer["discarded"]) == (0, 1)
    await doors.call(
        "PUT", "/v1/consents", key=phone["access_token"], json={"location": True}, status=200
    )
    answer = await doors.call("POST", "/v1/pings", key=phone["access_token"], json=ping)
    assert (answer["accepted"], answer["discarded"]) == (1, 0)
    await doors.call("PUT", "/v1/consents", key=phone["access_token"], json={"location": False})
    later = HERE | {"fix_ms": NOW_MS + 1}
    answer = await doors.call("POST", "/v1/pings", key=phone["access_token"], json=later)
    assert answer["discarded"] == 1


async def test_every_ping_of_a_mixed_batch_is_accounted_for(doors: Any) -> None:
    await doors.call(
        "PUT", "/v1/visitors/v1/consents", key="operator", json={"location": True}, status=200
    )
    good = HERE | {"visitor": "v1"}
    body = [
        good | {"fix_ms": NOW_MS},
        good | {"fix_ms": NOW_MS},
        good | {"fix_ms": NOW_MS - 5000},
        good | {"fix_ms": NOW_MS, "lat": 95},
        good | {"fix_ms": NOW_MS, "lon": float("nan")},
        {"visitor": "v1"},
        good | {"fix_ms": NOW_MS + 10**9},
        good | {"fix_ms": NOW_MS // 1000},
        good | {"fix_ms": NOW_MS, "visitor": "unknown"},
        good | {"fix_ms": NOW_MS + 1000, "wrong": 1},
    ]
    answer = await doors.call(
        "POST", "/v1/pings", key="partner", status=200, data=json.dumps(body),
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    counted = {k: v for k, v in answer.items() if isinstance(v, int)}
    assert counted == {"accepted": 1, "duplicate": 1, "late": 1, "suspect": 0, "discarded": 1}
    assert [(q["index"], q["field"]) for q in answer["quarantined"]] == [
        (3, "lat"),
        (4, "lon"),
        (5, "fix_ms"),
        (6, "fix_ms"),
        (7, "fix_ms"),
        (9, "wrong"),
    ]
    assert "seconds" in answer["quarantined"][4]["reason"]


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
async def test_compressed_bodies_are_read(doors: Any, kind: str) -> None:
    phone = await doors.device()
    data = gzip.compress(json.dumps(HERE | {"fix_ms": NOW_MS}).encode())
    answer = await doors.call(
        "POST", "/v1/pings", key=phone["access_token"], data=data, status=200,
        headers={"Content-Type": kind, "Content-Encoding": "gzip"},
    )  # fmt: skip
    assert answer["accepted"] == 1


@pytest.mark.parametrize(
    ("data", "headers", "status", "slug"),
    [
        (b"[{", {"Content-Type": "application/json"}, 400, "malformed"),
        (b"[{}]", {"Content-Type": "text/plain"}, 415, "unsupported-type"),
        (b"[{}]", {}, 415, "unsupported-type"),
        (b"[]", {"Content-Type": "application/json; charset=utf-16"}, 415, "unsupported-type"),
        (b"[]", {"Content-Type": "application/json", "Content-Encoding": "br2"}, 415,
         "unsupported-type"),
        (b"not gzip", {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 400,
         "malformed"),
        (io.BytesIO(b" " * (5 << 20)), {"Content-Type": "application/json"}, 413, "too-large"),
        (b"[" + b"{}," * 10_000 + b"{}]", {"Content-Type": "application/json"}, 413, "too-large"),
        (gzip.compress(b" " * (50 << 20)),
         {"Content-Type": "application/json", "Content-Encoding": "gzip"}, 413, "too-large"),
    ],
)  # fmt: skip
async def test_a_body_that_cannot_be_taken_is_a_problem(
    doors: Any, data: Any, headers: dict[str, str], status: int, slug: str
) -> None:
    answer = await doors.call(
        "POST", "/v1/pings", key="partner", data=data, headers=headers, status=status,
        skip_auto_headers=["Content-Type"],
    )  # fmt: skip
    assert answer["type"] == f"urn:balise:problem:{slug}"
    assert answer["request_id"]


async def test_who_may_not_send_pings_is_told_so(doors: Any) -> None:
    for key, status in (("", 401), ("viewer", 403), ("editor", 403), ("app", 403), ("x", 401)):
        await doors.call("POST", "/v1/pings", key=key, json=[], status=status)
    for key in ("partner", "operator", "admin"):
        answer = await doors.call("POST", "/v1/pings", key=key, json=[], status=200)
        assert answer["quarantined"] == []
