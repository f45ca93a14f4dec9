"""The live page in a real browser, on a real demonstration: what a newcomer sees."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, Page, async_playwright

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

IMAGES = Path(__file__).parents[2] / "docs" / "images"
FLAGS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SIZES = {"live-1440": (1440, 900), "live-390": (390, 844)}


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """A demonstration at five times the speed, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "api", "demo", "--port", str(port), "--seed", "7",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        await _listening(url, process)
        yield url
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            assert await process.wait() == 0, "Ctrl-C stops it cleanly"
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


async def _listening(url: str, process: asyncio.subprocess.Process) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(600):
            assert process.returncode is None, "the demonstration ended"
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.2)
    raise AssertionError("the demonstration does not listen")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS
        )
        yield found
        await found.close()


async def opened(browser: Browser, url: str, size: tuple[int, int]) -> tuple[Page, list[str]]:
    """The live page in English, once its map is drawn; and what the console complained of."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]}, locale="en-GB"
    )
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(f"{url}/console/live")
    await page.wait_for_selector(".map[data-ready=true]", timeout=60_000)
    return page, complaints


async def test_pushes_pop_up_where_they_fire_in_the_visitors_language(
    address: str, browser: Browser
) -> None:
    complaints: list[str] = []
    for name, size in SIZES.items():
        page, said = await opened(browser, address, size)
        complaints += said
        await page.wait_for_selector(".bubble", timeout=60_000)
        if name == "live-1440":
            await page.wait_for_selector("article", timeout=60_000)
            tags = await page.locator("article .tag, article [lang]").all_inner_texts()
            assert tags, "the feed shows messages with their language"
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= size[0], "nothing sticks out sideways"
        await asyncio.sleep(2)
        picture = await page.screenshot()
        assert len(picture) > 20_000
        if os.environ.get("BALISE_WRITE_DOCS"):
            IMAGES.mkdir(parents=True, exist_ok=True)
            (IMAGES / f"{name}.png").write_bytes(picture)
        await page.context.close()
    assert not complaints


async def test_figures_run_and_visitors_move(address: str, browser: Browser) -> None:
    page, complaints = await opened(browser, address, (1440, 900))
    await page.wait_for_selector(".bubble", timeout=60_000)
    before = await page.locator("body").inner_text()
    await asyncio.sleep(4)
    after = await page.locator("body").inner_text()
    assert before != after
    assert "Simulated visitors" in after
    assert "2,000" in after
    assert not complaints
