"""A disk that takes no more: refused with the reason, red to those who watch, and over by itself.

The kernel refuses the process's files to grow (RLIMIT_FSIZE), which needs no rights and no disk of
one's own; a full disk and one that became read-only come to the same error paths.
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.instance import Instance, instance
from tests.engine.worlds import square

FLAGS = ("--log-level", "error")
RESUMES_S = 20.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits another process: prlimit")


@contextmanager
def full(balise: Instance) -> Iterator[None]:
    """No file of the instance can grow meanwhile."""
    no_more = (0, resource.RLIM_INFINITY)
    before = resource.prlimit(balise.pid, resource.RLIMIT_FSIZE, no_more)
    try:
        yield
    finally:
        resource.prlimit(balise.pid, resource.RLIMIT_FSIZE, before)


async def device(balise: Instance) -> dict[str, Any]:
    consents = {"location": True, "push": True, "analytics": False}
    body = {"platform": "android", "languages": ["en"], "consents": consents}
    found: dict[str, Any] = await balise.call("POST", "/v1/devices", body, key=balise.app)
    return found


def fix() -> dict[str, Any]:
    return {"fix_ms": time.time_ns() // 1_000_000, "lon": 6.005, "lat": 45.005, "accuracy_m": 5}


async def until(balise: Instance, status: str) -> dict[str, Any]:
    """What /readyz says once it says `status`."""
    async with asyncio.timeout(RESUMES_S):
        while True:
            said: dict[str, Any] = await balise.call("GET", "/readyz", ok=False)
            if str(said["status"]) == status:
                return said
            await asyncio.sleep(0.1)


async def test_a_full_disk_refuses_says_why_and_resumes_by_itself(tmp_path: Path) -> None:
    async with instance(tmp_path / "data", *FLAGS) as balise:
        await balise.call("PUT", "/v1/zones/lake", square("lake"))
        first, second = await device(balise), await device(balise)
        accepted = await balise.call("POST", "/v1/pings", fix(), key=first["access_token"])
        assert accepted["accepted"] == 1
        with full(balise):
            for _ in range(3):
                refused = await balise.call(
                    "POST", "/v1/pings", fix(), key=second["access_token"], ok=False
                )
                assert refused["status"] == 503
                assert refused["type"] == "urn:balise:problem:log-refused"
                assert "cannot be written" in refused["detail"]
            red = await until(balise, "503")
            assert "the log cannot be written" in red["detail"]
            assert (await balise.call("GET", "/healthz"))["status"] == "ok"
        await until(balise, "ready")
        resumed = await balise.call("POST", "/v1/pings", fix(), key=second["access_token"])
        assert resumed["accepted"] + resumed.get("duplicates", 0) >= 1
        await asyncio.sleep(1.5)  # occupancy is as of the last tick
        before = await balise.call("GET", "/v1/zones/lake/occupancy")
        assert before["visitors"] == 2
        await balise.kill()
        await balise.start()
        await asyncio.sleep(1.5)
        after = await balise.call("GET", "/v1/zones/lake/occupancy")
        assert after["visitors"] == 2
        await balise.stop()
