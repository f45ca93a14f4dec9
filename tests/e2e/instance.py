"""A real instance in a process of its own, to be talked to over HTTP and killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

START_S = 90.0


class Instance:
    """`balise serve` on a data directory; `admin` and `app` are its first run's keys."""

    def __init__(self, data: Path, *flags: str) -> None:
        self.data = data
        self.flags = flags
        self.admin = ""
        self.app = ""
        self.url = ""
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "api", "serve", "--data", str(self.data), "--port", "0",
            *self.flags,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "BALISE_LOG_FORMAT": "json"},
        )  # fmt: skip
        assert self._process.stderr is not None
        assert self._process.stdout is not None
        seen = []
        async with asyncio.timeout(START_S):
            while True:
                line = (await self._process.stderr.readline()).decode()
                seen.append(line)
                assert line, f"it ended: {''.join(seen)}"
                if found := re.search(r"at (https?://\S+)", line):
                    self.url = found[1]
                    break
        if not self.admin:
            for _ in range(2):
                line = (await self._process.stdout.readline()).decode()
                if "admin" in line:
                    self.admin = line.split()[-1]
                else:
                    self.app = line.split()[-1]
        self._drain = asyncio.create_task(_discard(self._process.stderr))
        self._session = aiohttp.ClientSession()

    async def kill(self) -> None:
        """kill -9: nothing is flushed, nobody is told."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, and wait for it to end in order."""
        assert await self._end(signal.SIGTERM) == 0

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        async with asyncio.timeout(30):
            code = await self._process.wait()
        if self._session is not None:
            await self._session.close()
            self._session = None
        self._drain.cancel()
        return code

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str = "", ok: bool = True
    ) -> Any:
        """Call the API; the answer's JSON. Anything but 2xx fails unless `ok` is False."""
        assert self._session is not None
        headers = {"Authorization": f"Bearer {key or self.admin}"}
        async with self._session.request(
            method, self.url + path, json=body, headers=headers
        ) as answer:
            text = await answer.text()
            assert not ok or answer.status < 300, f"{method} {path}: {answer.status} {text}"
            return json.loads(text) if text else None


async def _discard(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass


@asynccontextmanager
async def instance(data: Path, *flags: str) -> AsyncIterator[Instance]:
    """A running instance that is gone afterwards, however the test ends."""
    found = Instance(data, *flags)
    await found.start()
    try:
        yield found
    finally:
        if found.running:
            await found.kill()
