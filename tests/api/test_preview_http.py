"""Previews over HTTP and by command line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from api.server import Server
from tests.api.conftest import CAMPAIGN, ZONE
from tests.api.test_cli import command, server

__all__ = ["server"]

MESSAGE = {
    "texts": {
        "en": {"title": "{{ zone.name }}", "body": "It is {{ level }}."},
        "fr": {"title": "{{ zone.name }}", "body": "Le niveau : {{ level }}."},
    }
}


async def test_a_message_is_shown_in_all_languages_for_what_is_there(doors: Any) -> None:
    await doors.call("PUT", "/v1/zones/lake", json=ZONE)
    phone = await doors.device(languages=["fr-CA", "en"])
    body = {"message": MESSAGE, "zone": "lake", "visitor": phone["visitor"]}
    answer = await doors.call("POST", "/v1/messages/preview", key="viewer", status=200, json=body)
    assert answer["reads"] == "fr"
    assert answer["problems"] == []
    found = {each["lang"]: each for each in answer["previews"]}
    assert found["en"]["title"] == "The lake"
    assert set(found["fr"]["platforms"]) == {"android", "ios", "web"}
    sample = await doors.call(
        "POST", "/v1/messages/preview", key="viewer", status=200, json={"message": MESSAGE}
    )
    assert sample["reads"] is None
    assert all(each["problem"] is None for each in sample["previews"])
    assert (await doors.call("GET", "/v1/decisions", status=200))["items"] == []


async def test_a_campaign_is_previewed_by_its_id_and_variables_it_lacks_are_named(
    doors: Any,
) -> None:
    await doors.call("PUT", "/v1/zones/lake", json=ZONE)
    await doors.call("PUT", "/v1/campaigns/paddle", json=CAMPAIGN)
    answer = await doors.call(
        "POST", "/v1/messages/preview", status=200, json={"campaign": "paddle"}
    )
    assert answer["previews"][0]["title"] == CAMPAIGN["message"]["texts"]["en"]["title"]
    wrong = {"message": {"texts": {"en": {"title": "{{ zonne.name }}", "body": "x"}}}}
    answer = await doors.call("POST", "/v1/messages/preview", status=200, json=wrong)
    assert "zone" in answer["problems"][0]["reason"]


async def test_what_is_not_there_is_said(doors: Any) -> None:
    for body, status in (
        ({}, 422),
        ({"message": MESSAGE, "campaign": "paddle"}, 422),
        ({"message": {"texts": {}}}, 422),
        ({"campaign": "none"}, 404),
        ({"message": MESSAGE, "visitor": "none"}, 404),
        ({"message": MESSAGE, "zone": "none"}, 404),
        ({"message": MESSAGE, "event": "none"}, 404),
    ):
        await doors.call("POST", "/v1/messages/preview", status=status, json=body)
    await doors.call("POST", "/v1/messages/preview", key="app", status=403, json={})


async def test_the_command_shows_every_language(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "message.json"
    await asyncio.to_thread(file.write_text, json.dumps(MESSAGE))
    shown = await command(server, "message", "preview", str(file))
    assert (shown.exit_code, "fr\n" in shown.stdout) == (0, True)
    as_json = await command(server, "message", "preview", str(file), "--json")
    assert [each["lang"] for each in json.loads(as_json.stdout)["previews"]] == ["en", "fr"]
    wrong = {"message": {"texts": {"en": {"title": "<b>x</b>", "body": "x"}}}}
    await asyncio.to_thread(file.write_text, json.dumps(wrong))
    assert (await command(server, "message", "preview", str(file))).exit_code == 1
