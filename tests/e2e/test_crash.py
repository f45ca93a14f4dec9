"""kill -9 in the middle: what was acknowledged has its effect, and nothing is pushed twice."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from notifier.standin.fcm import ANY, Fault, FcmStandin
from notifier.standin.listening import serve
from tests.e2e.instance import Instance, instance
from tests.engine.worlds import campaign, square

VISITORS = 60


@pytest.fixture
async def standin(tmp_path: Path) -> AsyncIterator[tuple[FcmStandin, list[str]]]:
    """FCM's stand-in, in this process: it outlives the instance. Flags that point there."""
    fcm = FcmStandin(now_s=time.time)
    served = await serve(fcm)
    account = tmp_path / "account.json"
    account.write_text(json.dumps(fcm.service_account(served.url)))
    (tmp_path / "balise.toml").write_text(
        f'fcm_endpoint = "{served.url}"\nfcm_service_account = "{account}"\n'
        "device_requests_per_s = 0\naddress_requests_per_s = 0\n"
    )
    yield fcm, ["--config", str(tmp_path / "balise.toml")]
    await served.runner.cleanup()


async def populate(
    balise: Instance, *, in_doubt: str = "drop", visitors: int = VISITORS
) -> list[dict[str, Any]]:
    """A zone, a campaign that speaks at once, and some devices with all consents."""
    await balise.call("PUT", "/v1/zones/lake", square("lake"))
    hello = campaign(
        "hello",
        {"type": "enter", "zones": ["lake"]},
        in_doubt=in_doubt,
        restraint={"quiet_hours": None, "arbitrate": False},
    )
    await balise.call("PUT", "/v1/campaigns/hello", {**hello, "status": "draft"})
    await balise.call("POST", "/v1/campaigns/hello/launch")
    consents = {"location": True, "push": True, "analytics": False}
    return [
        await balise.call(
            "POST",
            "/v1/devices",
            {
                "platform": "android",
                "languages": ["en"],
                "push_token": f"token-{i}",
                "consents": consents,
            },
            key=balise.app,
        )
        for i in range(visitors)
    ]


def fix(lon: float) -> dict[str, Any]:
    return {"fix_ms": time.time_ns() // 1_000_000, "lon": lon, "lat": 45.005, "accuracy_m": 5}


async def pushed(fcm: FcmStandin, expected: set[str]) -> Counter[str]:
    """Messages by token once all expected ones have come, and nothing more for a while."""
    for _ in range(150):
        if expected <= {message.address for message in fcm.messages}:
            break
        await asyncio.sleep(0.2)
    await asyncio.sleep(2)
    return Counter(message.address for message in fcm.messages)


async def delivered(balise: Instance, state: str) -> dict[str, dict[str, Any]]:
    """The notifications to phones in a state, by device."""
    page = await balise.call("GET", f"/v1/deliveries?channel=fcm&state={state}&limit=1000")
    return {item["device"]: item for item in page["items"]}


async def ended(balise: Instance, count: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was sent and what was dropped, by device, once that is so many."""
    async with asyncio.timeout(30):
        while True:
            sent, dropped = await delivered(balise, "sent"), await delivered(balise, "dropped")
            if len(sent) + len(dropped) >= count:
                return sent, dropped
            await asyncio.sleep(0.2)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("in_doubt", ["drop", "resend"])
async def test_a_push_that_a_kill_interrupted_is_dropped_or_repeated_as_its_campaign_says(
    in_doubt: str, tmp_path: Path, standin: tuple[FcmStandin, list[str]]
) -> None:
    fcm, flags = standin
    held = {f"token-{i}" for i in range(3)}
    for token in held:
        fcm.script(token, Fault(kind="slow", delay_s=6.0))
    async with instance(tmp_path / "data", *flags) as balise:
        devices = await populate(balise, in_doubt=in_doubt, visitors=8)
        tokens = {device["device"]: f"token-{i}" for i, device in enumerate(devices)}
        for device in devices:
            await balise.call("POST", "/v1/pings", fix(6.005), key=device["access_token"])
        for _ in range(100):
            if fcm.requests == 8 and len(await delivered(balise, "sent")) == 5:
                break
            await asyncio.sleep(0.05)
        sending = await delivered(balise, "sending")
        assert {tokens[device] for device in sending} == held
        await balise.kill()
        await balise.start()
        sent, dropped = await ended(balise, 8)
        counts = await pushed(fcm, set(tokens.values()))
        doubted = {tokens[each] for each in (dropped if in_doubt == "drop" else sent)}
        doubts = {tokens[each] for each, row in (sent | dropped).items() if row["doubts"]}
        assert held == doubts
        assert doubted >= held
        again = 1 if in_doubt == "drop" else 2
        assert counts == {token: again if token in held else 1 for token in tokens.values()}
        assert len(sent) == (5 if in_doubt == "drop" else 8)
        await balise.stop()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [1])
async def test_kill_minus_nine_loses_nothing_acknowledged_and_repeats_no_push(
    seed: int, tmp_path: Path, standin: tuple[FcmStandin, list[str]]
) -> None:
    fcm, flags = standin
    fcm.script(ANY, Fault(kind="slow", times=None, delay_s=0.05))
    chance = random.Random(seed)
    async with instance(tmp_path / "data", *flags) as balise:
        devices = await populate(balise)
        entered: set[str] = set()
        waiting = list(enumerate(devices))
        for _ in range(2):
            deadline = time.monotonic() + chance.uniform(0.05, 0.6)
            killer = asyncio.create_task(_kill_at(balise, deadline))
            while waiting and balise.running:
                i, device = waiting[0]
                try:
                    answer = await balise.call(
                        "POST", "/v1/pings", fix(6.005), key=device["access_token"]
                    )
                except (aiohttp.ClientError, RuntimeError, AssertionError):
                    break
                assert answer["accepted"] == 1
                entered.add(f"token-{i}")
                waiting.pop(0)
            await killer
            await balise.start()
        for i, device in waiting:
            await balise.call("POST", "/v1/pings", fix(6.005), key=device["access_token"])
            entered.add(f"token-{i}")
        # One whose send was interrupted is dropped, since the campaign says so, and counted.
        _, dropped = await ended(balise, VISITORS)
        doubted = {f"token-{i}" for i, each in enumerate(devices) if each["device"] in dropped}
        counts = await pushed(fcm, entered - doubted)
        assert max(counts.values()) == 1
        assert set(counts) | doubted >= entered
        occupancy = await balise.call("GET", "/v1/zones/lake/occupancy")
        assert occupancy["visitors"] == VISITORS
        await balise.stop()


async def _kill_at(balise: Instance, deadline_s: float) -> None:
    await asyncio.sleep(max(0.0, deadline_s - time.monotonic()))
    await balise.kill()


async def test_a_restart_in_order_keeps_everything_and_repeats_nothing(
    tmp_path: Path, standin: tuple[FcmStandin, list[str]]
) -> None:
    fcm, flags = standin
    async with instance(tmp_path / "data", *flags) as balise:
        devices = await populate(balise)
        for device in devices[:10]:
            await balise.call("POST", "/v1/pings", fix(6.005), key=device["access_token"])
        expected = {f"token-{i}" for i in range(10)}
        await pushed(fcm, expected)
        before = await balise.call("GET", "/v1/decisions?limit=100")
        await balise.stop()
        await balise.start()
        assert await balise.call("GET", "/v1/decisions?limit=100") == before
        again = await balise.call("POST", "/v1/pings", fix(6.006), key=devices[0]["access_token"])
        assert again["accepted"] == 1
        await asyncio.sleep(6)
        assert Counter(m.address for m in fcm.messages) == dict.fromkeys(expected, 1)


async def test_a_second_instance_on_the_same_data_refuses_to_start(tmp_path: Path) -> None:
    async with instance(tmp_path / "data"):
        second = Instance(tmp_path / "data")
        with pytest.raises(AssertionError, match="in use by"):
            await second.start()
