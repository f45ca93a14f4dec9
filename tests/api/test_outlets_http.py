"""Web pushes and webhooks, from a registration to what a browser or a receiver is given."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from api.cli import app
from api.settings import Settings
from engine.records import WebPush
from notifier import signatures
from notifier.channels import webpush_wire
from notifier.standin.hook import HookStandin
from notifier.standin.listening import serve
from notifier.standin.webpush import Fault, PushStandin
from tests.api.conftest import CAMPAIGN, ZONE

SECRET = signatures.new_secret()
PRIVATE_KEY, PUBLIC_KEY = webpush_wire.new_key()


class World(msgspec.Struct, frozen=True, kw_only=True):
    """A push service and an integrator's server."""

    pushes: PushStandin
    push_url: str
    hook: HookStandin
    hook_url: str

    def subscribe(self) -> Any:
        return msgspec.json.decode(self.pushes.subscribe(self.push_url, PUBLIC_KEY))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    pushes = PushStandin(now_s=time.time)
    hook = HookStandin([signatures.key_of(SECRET)], now_s=time.time)
    served = [await serve(pushes), await serve(hook)]
    yield World(pushes=pushes, push_url=served[0].url, hook=hook, hook_url=f"{served[1].url}/hook")
    for each in served:
        await each.runner.cleanup()


@pytest.fixture
def settings(world: World, tmp_path: Path) -> Settings:
    key, secret = tmp_path / "vapid.pem", tmp_path / "webhook.secret"
    key.write_text(PRIVATE_KEY)
    secret.write_text(SECRET + "\n")
    return Settings(
        device_requests_per_s=0,
        address_requests_per_s=0,
        vapid_private_key=str(key),
        vapid_subject="mailto:ops@example.org",
        webhook_url=world.hook_url,
        webhook_secrets=str(secret),
        outgoing_networks=("127.0.0.0/8",),
    )


async def enter(doors: Any, channels: list[str], phone: Any) -> None:
    """Let the phone enter a zone whose campaign speaks on these channels, and deliver."""
    await launch(doors, channels)
    await walk_in(doors, phone)


async def launch(doors: Any, channels: list[str]) -> None:
    """A zone, and a campaign that speaks to who enters it."""
    await doors.call("PUT", "/v1/zones/lake", json=ZONE)
    await doors.call("PUT", "/v1/campaigns/paddle", json=CAMPAIGN | {"channels": channels})
    await doors.call("POST", "/v1/campaigns/paddle/launch", status=200)


async def walk_in(doors: Any, phone: Any) -> None:
    """Let the phone come from outside, and what is decided be delivered."""
    for lon in (6.17, 6.13):
        ping = {"lon": lon, "lat": 45.9, "fix_ms": await doors.pass_time(60_000)}
        await doors.call("POST", "/v1/pings", key=phone["access_token"], json=ping, status=200)
    for _ in range(5):
        await doors.pass_time(1000)


async def test_a_browser_that_registers_its_subscription_is_pushed_to(
    doors: Any, world: World
) -> None:
    answer = await doors.call("GET", "/v1/web-push", key="", status=200)
    assert answer == {"public_key": PUBLIC_KEY}
    phone = await doors.device(platform="web", web_push=world.subscribe() | {"expirationTime": 0})
    path, key = f"/v1/devices/{phone['device']}", phone["access_token"]
    shown = await doors.call("GET", path, key=key, status=200)
    assert (shown["has_web_push"], shown["has_push_token"]) == (True, False)
    assert "endpoint" not in str(shown)
    await enter(doors, ["webpush"], phone)
    (pushed,) = world.pushes.pushes
    assert pushed.payload["title"] == CAMPAIGN["message"]["texts"]["en"]["title"]
    decision = (await doors.call("GET", "/v1/decisions", status=200))["items"][0]
    (sent,) = decision["notifications"]
    assert (sent["channel"], sent["state"]) == ("webpush", "sent")
    assert pushed.payload["notification"] == sent["id"]


async def test_a_browser_that_unsubscribed_is_forgotten_and_its_phone_kept(
    doors: Any, world: World
) -> None:
    subscription = world.subscribe()
    phone = await doors.device(platform="web", web_push=subscription, push_token="tok")
    world.pushes.script(msgspec.json.encode(subscription).decode(), Fault(kind="gone"))
    await enter(doors, ["webpush"], phone)
    path, key = f"/v1/devices/{phone['device']}", phone["access_token"]
    shown = await doors.call("GET", path, key=key, status=200)
    assert (shown["has_web_push"], shown["has_push_token"]) == (False, True)


async def test_a_subscription_can_be_changed_and_taken_back(doors: Any, world: World) -> None:
    phone = await doors.device(platform="web")
    path, key = f"/v1/devices/{phone['device']}", phone["access_token"]
    given = world.subscribe()
    changed = await doors.call("PATCH", path, key=key, json={"web_push": given}, status=200)
    assert changed["has_web_push"]
    stored = doors.motor.pipeline.visitors.device(phone["device"])
    assert stored.web_push == WebPush(endpoint=given["endpoint"], **given["keys"])
    changed = await doors.call("PATCH", path, key=key, json={"languages": ["fr"]}, status=200)
    assert changed["has_web_push"]
    changed = await doors.call("PATCH", path, key=key, json={"web_push": None}, status=200)
    assert not changed["has_web_push"]


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("web_push.endpoint", {"endpoint": "https://10.0.0.1/p"}),
        ("web_push.endpoint", {"endpoint": "http://push.example/p"}),
        ("web_push.keys", {"keys": {"p256dh": "BBBB", "auth": "AAAAAAAAAAAAAAAAAAAAAA"}}),
        ("web_push.keys", {"keys": {"p256dh": PUBLIC_KEY, "auth": "short"}}),
    ],
)
async def test_what_no_push_can_be_sent_to_is_refused(
    doors: Any, world: World, field: str, change: Any
) -> None:
    body = {"platform": "web", "web_push": world.subscribe() | change}
    answer = await doors.call("POST", "/v1/devices", key="app", json=body, status=422)
    assert [each["field"] for each in answer["errors"]] == [field]


async def test_an_integrator_is_told_once_of_what_a_visitor_is_told(
    doors: Any, world: World
) -> None:
    phone = await doors.device(push_token="")
    await enter(doors, ["webhook"], phone)
    (taken,) = world.hook.taken.values()
    assert (taken["data"]["visitor"], taken["data"]["lang"]) == (phone["visitor"], "en")
    assert world.hook.refused == []


def test_keys_are_written_for_us_alone_and_never_over_others(tmp_path: Path) -> None:
    run = CliRunner()
    pem, secret = tmp_path / "v.pem", tmp_path / "w.secret"
    made = run.invoke(app, ["keys", "vapid", "--out", str(pem)])
    assert made.exit_code == 0
    signer = webpush_wire.Signer(pem.read_text(), "mailto:a@example.org", time.time)
    assert signer.public_key in made.stdout
    assert run.invoke(app, ["keys", "webhook", "--out", str(secret)]).exit_code == 0
    assert len(signatures.key_of(secret.read_text().strip())) == 32
    for path, kind in ((pem, "vapid"), (secret, "webhook")):
        assert path.stat().st_mode & 0o777 == 0o600
        before = path.read_text()
        assert run.invoke(app, ["keys", kind, "--out", str(path)]).exit_code == 1
        assert path.read_text() == before
