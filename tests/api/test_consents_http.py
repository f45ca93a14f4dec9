"""Consents of many visitors at once: all of them are recorded, or the bad rows are named."""

from __future__ import annotations

import json
from typing import Any

import pytest

NDJSON = {"Content-Type": "application/x-ndjson"}


def row(visitor: str, **purposes: bool) -> dict[str, Any]:
    return {"visitor": visitor, "purposes": purposes or {"location": True}}


@pytest.mark.parametrize("lines", [False, True])
async def test_many_consents_are_recorded_and_let_pings_in(doors: Any, lines: bool) -> None:
    rows = [row(f"v{number}") for number in range(2_500)] + [row("v1", location=False, push=True)]
    data = "\n".join(map(json.dumps, rows)) + "\n" if lines else json.dumps(rows)
    headers = NDJSON if lines else {"Content-Type": "application/json"}
    answer = await doors.call(
        "POST", "/v1/consents", key="operator", data=data, headers=headers, status=200
    )
    assert answer == {"recorded": 2_501}
    book = doors.motor.pipeline.visitors
    assert sum(book.find(f"v{number}").allows("location") for number in range(2_500)) == 2_499
    shown = await doors.call("GET", "/v1/visitors/v1/consents", key="operator", status=200)
    assert (shown["location"], shown["push"]) == (False, True)


async def test_one_bad_row_refuses_all_and_every_bad_row_is_named(doors: Any) -> None:
    rows = [row("good"), row("with space"), {"visitor": "b"}, row("c") | {"x": 1}, "d", row("e")]
    rows[5] = {"visitor": "e", "purposes": {}}
    answer = await doors.call("POST", "/v1/consents", key="operator", json=rows, status=422)
    assert [(fault["index"], fault["field"]) for fault in answer["errors"]] == [
        (1, "visitor"), (2, "purposes"), (3, "x"), (4, ""), (5, "purposes")
    ]  # fmt: skip
    assert doors.motor.pipeline.visitors.find("good") is None


@pytest.mark.parametrize(
    ("data", "headers", "status"),
    [
        ("[{", {"Content-Type": "application/json"}, 400),
        ("{}", {"Content-Type": "application/json"}, 400),
        ('{"visitor": "a"\n{}', NDJSON, 400),
        ("[]", {"Content-Type": "text/plain"}, 415),
        (json.dumps([row("v")] * 10_001), {"Content-Type": "application/json"}, 413),
    ],
)
async def test_a_body_that_cannot_be_taken_is_a_problem(
    doors: Any, data: str, headers: dict[str, str], status: int
) -> None:
    await doors.call(
        "POST", "/v1/consents", key="operator", data=data, headers=headers, status=status
    )


async def test_only_those_who_may_write_visitors_may_record_consents(doors: Any) -> None:
    phone = await doors.device()
    for key, status in (("", 401), ("viewer", 403), ("app", 403), (phone["access_token"], 403)):
        await doors.call("POST", "/v1/consents", key=key, json=[row("v")], status=status)
    answer = await doors.call("POST", "/v1/consents", key="admin", json=[], status=200)
    assert answer == {"recorded": 0}
