"""`balise bench alert`: a closure alert to everyone in a zone, from the change to the provider.

The engine as a server runs it, but for the doors: log, pipeline, planner, store, dispatcher and the
FCM channel, in this process; the stand-in for FCM in another, which checks every message and is not
counted. Every device must have been sent the alert exactly once, or there is no figure.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from benchmarks import limits
from benchmarks.errors import InstanceFailed, WorkloadInvalid
from benchmarks.machine import load_average, machine
from engine import clock as system
from engine.clock import SystemClock
from engine.delivery import Delivery
from engine.ingest import Draft, PingDraft
from engine.log import FileLog
from engine.motor import Motor
from engine.pipeline import Pipeline
from engine.planner import Planner
from engine.records import Consent, Device
from engine.store import Store
from engine.warming import warm
from notifier.channels.fcm import FcmChannel

PACKAGES = ("balise", "aiohttp", "firebase-admin", "msgspec", "sqlalchemy", "python-liquid")
LANGUAGES = ("fr", "en", "de", "it", "es")
TOGETHER = 2_000
"""Devices registered at once: well under what the motor lets wait."""

INCLUDED = (
    "the change and its log, deciding for every visitor, rendering in five languages, decisions "
    "and outbox in SQLite, claims, HTTP/1.1 to the stand-in over loopback, settlements, "
    "outcomes logged"
)
NOT_INCLUDED = "TLS, the doors, the stand-in's own processor time, which shares the machine"

ZONE = {
    "id": "pass",
    "name": dict.fromkeys(LANGUAGES, "Col de la Forclaz"),
    "geometry": {"type": "Point", "coordinates": [6.24, 45.81]},
    "radius_m": 500,
}
MESSAGE = {
    "texts": {
        "fr": {"title": "{{ zone.name }} est fermé", "body": "Prudence : faites demi-tour."},
        "en": {"title": "{{ zone.name }} is closed", "body": "Please turn back and take care."},
        "de": {"title": "{{ zone.name }} ist gesperrt", "body": "Bitte kehren Sie um."},
        "it": {"title": "{{ zone.name }} è chiuso", "body": "Per favore, tornate indietro."},
        "es": {"title": "{{ zone.name }} está cerrado", "body": "Por favor, den la vuelta."},
    },
    "link": "https://example.org/alerts/pass",
}

STANDIN = """
import asyncio, json, sys, time
from notifier.standin.fcm import FcmStandin
from notifier.standin.listening import serve

async def main():
    standin = FcmStandin(now_s=time.time)
    served = await serve(standin)
    account = await asyncio.to_thread(standin.service_account, served.url)
    print(json.dumps({"url": served.url, "account": account}), flush=True)
    await asyncio.Event().wait()

try:
    import uvloop
except ImportError:
    asyncio.run(main())
else:
    uvloop.run(main())
"""


def run(devices: int, *, folder: Path | None = None, progress: bool = False) -> dict[str, Any]:  # noqa: ARG001
    """Measure and return the figures, as `--json` prints them.

    leaves_s: from the change to the last answer of the stand-in. cpu_s: of this process in that
    time, all threads. Times of the stages are of the same clock, from the change on: `decided_s`
    when the change was durable and everyone decided for, `stored_s` when the outbox had them all.

    Raises:
        WorkloadInvalid: an option is out of range.
        InstanceFailed: the stand-in did not start, or not every device was told once.
    """
    if not 1 <= devices <= limits.DEVICES_MAX:
        raise WorkloadInvalid("devices", f"must be from 1 to {limits.DEVICES_MAX}")
    if folder is not None and not folder.is_dir():
        raise WorkloadInvalid("folder", f"there is no folder {folder}")
    load_before = load_average()
    child = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-c", STANDIN], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        line = child.stdout.readline()
        if not line:
            raise InstanceFailed("did not start its stand-in for FCM")
        standin = json.loads(line)
        with tempfile.TemporaryDirectory(prefix="balise-bench-", dir=folder) as made:
            found = _loop().run(_measured(Path(made), devices, standin))
    finally:
        child.terminate()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()
    return {
        "benchmark": "alert", "devices": devices, "languages": len(LANGUAGES), **found,
        "included": INCLUDED, "not_included": NOT_INCLUDED, "load_before": load_before,
        "machine": machine(PACKAGES),
    }  # fmt: skip


def _loop() -> Any:
    """The loop that a server runs on: uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio
    return uvloop


@asynccontextmanager
async def _engine(folder: Path, standin: dict[str, Any]) -> AsyncIterator[tuple[Motor, Delivery]]:
    clock = SystemClock()
    store = await asyncio.to_thread(lambda: Store(folder, clock=clock))
    log = await asyncio.to_thread(FileLog, folder / "log")
    pipeline = Pipeline()
    motor = Motor(
        log=log, store=store, pipeline=pipeline, planner=Planner(pipeline, ("fcm",)), clock=clock
    )
    channel = FcmChannel(standin["account"], endpoint=standin["url"])
    delivery = Delivery(motor, store.outbox, [channel], clock=clock, chance=random.random)
    try:
        motor.start()
        await delivery.start(())
        yield motor, delivery
    finally:
        await delivery.stop()
        await motor.stop()
        await asyncio.to_thread(store.close)


async def _measured(folder: Path, devices: int, standin: dict[str, Any]) -> dict[str, Any]:
    await asyncio.to_thread(warm)
    async with _engine(folder, standin) as (motor, delivery):
        await _settle_in(motor, devices)
        await motor.settled()
        alert = _campaign(motor)
        started_s, cpu_s = system.monotonic_s(), system.cpu_s()
        await motor.change([alert], author="bench")
        decided_s = system.monotonic_s() - started_s
        await motor.tick(motor.clock.now_ms())
        await motor.settled()
        stored_s = system.monotonic_s() - started_s
        counts = delivery.dispatcher.counts
        deadline_s = time.monotonic() + limits.LOAD_S
        while counts["fcm", "accept"] < devices and time.monotonic() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        leaves_s = system.monotonic_s() - started_s
        spent_s = system.cpu_s() - cpu_s
        await motor.settled()
        others = {event: count for (_, event), count in counts.items() if event != "accept"}
        if counts["fcm", "accept"] != devices or others:
            raise InstanceFailed(f"told {counts['fcm', 'accept']} of {devices}; beside: {others}")
        await asyncio.to_thread(_check, standin["url"], devices)
        return {
            "leaves_s": round(leaves_s, 2),
            "decided_s": round(decided_s, 2),
            "stored_s": round(stored_s, 2),
            "cpu_s": round(spent_s, 2),
            "messages_per_s": round(devices / leaves_s),
            "messages_per_cpu_s": round(devices / max(0.01, spent_s)),
        }


async def _settle_in(motor: Motor, devices: int) -> None:
    """A zone, and every visitor inside it with a phone and with consent."""
    destination = {
        "id": "alps", "name": {"en": "The Alps"}, "default_language": "en",
        "languages": list(LANGUAGES), "country": "FR", "time_zone": "Europe/Paris",
        "lat": 45.81, "lon": 6.24,
    }  # fmt: skip
    await motor.change(
        [
            Draft(kind="destination", id="alps", body=msgspec.json.encode(destination)),
            Draft(kind="zone", id="pass", body=msgspec.json.encode(ZONE)),
        ],
        author="bench",
    )
    await motor.tick(motor.clock.now_ms())
    for first in range(0, devices, TOGETHER):
        numbers = range(first, min(devices, first + TOGETHER))
        names = [f"v{number:06d}" for number in numbers]
        now_ms = motor.clock.now_ms()
        entries: list[Device | Consent] = []
        for number, name in zip(numbers, names, strict=True):
            entries.append(
                Device(
                    device=f"d{number:06d}", visitor=name, platform="android",
                    languages=(LANGUAGES[number % len(LANGUAGES)],),
                    push_token=f"token-{number:06d}",
                )
            )  # fmt: skip
            purposes = {"location": True, "push": True}
            entries.append(Consent(visitor=name, purposes=purposes, at_ms=now_ms))  # type: ignore[arg-type]
        await asyncio.gather(*(motor.submit(entry) for entry in entries))
        count = len(names)
        await motor.ingest(
            PingDraft(
                visitors=names, fix_ms=[now_ms] * count, lon=[6.24] * count, lat=[45.81] * count,
                accuracy_m=[5.0] * count, speed_mps=[-1.0] * count, flags=[0] * count,
            )
        )  # fmt: skip
        await motor.settled()
    await motor.tick(motor.clock.now_ms())


def _campaign(motor: Motor) -> Draft:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(motor.pipeline.now_ms / 1000))
    campaign = {
        "id": "closed", "name": "The pass is closed", "kind": "alert", "status": "live",
        "trigger": {"type": "broadcast", "zones": ["pass"], "at": at},
        "message": MESSAGE, "ttl_s": 3600, "channels": ["fcm"],
    }  # fmt: skip
    return Draft(kind="campaign", id="closed", body=msgspec.json.encode(campaign))


def _check(url: str, devices: int) -> None:
    """Every address was sent to once, as the stand-in has it."""
    seen: set[str] = set()
    after = taken = 0
    while True:
        address = f"{url}/standin/messages?after={after}&limit=1000"
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - our stand-in
            messages = json.load(answer)["messages"]
        if not messages:
            break
        after = messages[-1]["number"]
        taken += len(messages)
        seen.update(each["address"] for each in messages)
    if taken != devices or len(seen) != devices:
        raise InstanceFailed(f"sent {taken} messages to {len(seen)} of {devices} devices")


def render(result: dict[str, Any], console: Console) -> None:
    """Show the figures of `run`."""
    console.print(
        f"{result['devices']:,} devices told in {result['leaves_s']:.1f} s: "
        f"{result['messages_per_s']:,} messages a second, {result['messages_per_cpu_s']:,} per CPU "
        f"second ({result['cpu_s']:.1f} CPU seconds in all)."
    )
    console.print(
        f"Decided after {result['decided_s']:.1f} s, in the outbox after {result['stored_s']:.1f} "
        f"s; {result['languages']} languages. Each device was told exactly once."
    )
    here = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in here["versions"].items())
    console.print(f"{here['cpu']}, {here['cores']} cores, {here['python']}; {versions}")
