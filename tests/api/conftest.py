"""Fixtures of the doors' tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer

from api import logs
from api.app import create_app
from api.auth import ROLES, new_key
from api.server import Server
from api.settings import Settings
from engine.clock import Clock, StepClock, SystemClock
from engine.credentials import FeedKeyRow, KeyRow, RefreshRow


class MemoryVault:
    """Keeps credentials in dictionaries."""

    def __init__(self) -> None:
        self.rows: dict[str, KeyRow] = {}
        self.tokens: dict[str, RefreshRow] = {}
        self.feeds: dict[str, FeedKeyRow] = {}
        self.secrets: dict[str, str] = {}
        self.clock: Clock = SystemClock()

    async def keys(self) -> list[KeyRow]:
        return list(self.rows.values())

    async def put_key(self, row: KeyRow) -> None:
        self.rows[row.id] = row

    async def refresh(self, sha256: str) -> RefreshRow | None:
        return self.tokens.get(sha256)

    async def put_refresh(
        self, row: RefreshRow, *, replaces: str | None = None, grace_ms: int = 0
    ) -> bool:
        if replaces is not None:
            before = self.tokens.get(replaces)
            if before is None:
                return False
            now_ms = self.clock.now_ms()
            mine = (each for each in self.tokens.values() if each.device == row.device)
            last_ms = max((each.used_ms or 0 for each in mine), default=0)
            if before.used_ms is None:
                used_ms = max(now_ms, last_ms + 1)
                self.tokens[replaces] = msgspec.structs.replace(before, used_ms=used_ms)
            elif before.used_ms != last_ms or now_ms - before.used_ms >= grace_ms:
                return False
        self.tokens[row.sha256] = row
        return True

    async def drop_refresh(self, device: str) -> None:
        self.tokens = {k: v for k, v in self.tokens.items() if v.device != device}

    async def feed_keys(self) -> list[FeedKeyRow]:
        return list(self.feeds.values())

    async def put_feed_key(self, row: FeedKeyRow) -> None:
        self.feeds[row.device] = row

    async def drop_feed_key(self, device: str) -> None:
        self.feeds.pop(device, None)

    async def secret(self, name: str, fresh: str) -> str:
        return self.secrets.setdefault(name, fresh)


@pytest.fixture(autouse=True)
def quiet() -> None:
    logs.configure(level="warning", form="json")


@pytest.fixture
def vault() -> MemoryVault:
    return MemoryVault()


NOW_MS = 1_780_000_000_000  # 2026-05-28T20:26:40Z
ZONE = {
    "id": "lake",
    "name": {"en": "The lake"},
    "geometry": {"type": "Point", "coordinates": [6.13, 45.9]},
    "radius_m": 200,
    "capacity": 100,
}
CAMPAIGN = {
    "id": "paddle",
    "name": "Paddle at sunset",
    "kind": "promotion",
    "trigger": {"type": "enter", "zones": ["lake"]},
    "message": {"texts": {"en": {"title": "By the lake?", "body": "A paddle starts soon."}}},
    "restraint": {"quiet_hours": None},
    "channels": ["inbox"],
}


class Doors:
    """A server whose time is stepped, its client, and a key for each role."""

    def __init__(self, server: Server, client: TestClient[Any, Any], keys: dict[str, str]) -> None:
        self.server = server
        self.motor = server.service.motor
        self.client = client
        self.keys = keys

    async def call(
        self, method: str, path: str, *, key: str = "admin", status: int = 0, **given: Any
    ) -> Any:
        """The decoded body of an answer; `status` is asserted where it is given.

        key: a role, or a credential itself.
        """
        headers = dict(given.pop("headers", {}))
        credential = self.keys.get(key, key)
        if credential:
            headers["Authorization"] = f"Bearer {credential}"
        async with self.client.request(method, path, headers=headers, **given) as answer:
            data = await answer.read()
            if status:
                assert answer.status == status, data
            if answer.status >= 400:
                assert answer.content_type == "application/problem+json", data
            return msgspec.json.decode(data) if data else None

    async def device(self, **body: Any) -> Any:
        """A registered device that consents to everything."""
        consents = {"location": True, "push": True, "analytics": True}
        given = {"platform": "android", "languages": ["en"], "consents": consents} | body
        return await self.call("POST", "/v1/devices", key="app", status=201, json=given)

    async def pass_time(self, duration_ms: int) -> int:
        """Step the clock, tick, deliver; returns the new now."""
        clock = self.motor.clock
        assert isinstance(clock, StepClock)
        clock.set(clock.now_ms() + duration_ms)
        await self.motor.tick(clock.now_ms())
        await self.motor.settled()
        await self.server.deliver()
        return clock.now_ms()


@pytest.fixture
def settings() -> Settings:
    return Settings(device_requests_per_s=0, address_requests_per_s=0)


@pytest.fixture
async def doors(tmp_path: Path, settings: Settings) -> AsyncIterator[Doors]:
    clock = StepClock(start_ms=NOW_MS)
    async with Server.open(tmp_path / "data", settings, clock=clock, stepped=True) as server:
        keys = {"": ""}
        for role in ROLES:
            row, keys[role] = new_key(name="", role=role, now_ms=0)
            await server.service.gate.add(row)
        await server.service.motor.tick(NOW_MS)
        async with TestClient(TestServer(create_app(server.service))) as client:
            yield Doors(server, client, keys)
