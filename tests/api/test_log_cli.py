"""`balise log`: the same beside a running server and without one, and it finds damage."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from api.cli import show
from api.errors import Refused
from api.server import Server
from api.settings import LOG_FOLDER, SNAPSHOT_FOLDER, Settings
from engine.errors import LogDamaged
from tests.api.conftest import ZONE
from tests.api.test_cli import command, run, write


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with Server.open(tmp_path / "data", Settings(port=0)) as server:
        await server.listen()
        yield server


async def lived(data: Path, tmp_path: Path) -> None:
    """A data directory with two snapshots and a tail; closed again."""
    async with Server.open(data, Settings(port=0), sending=False) as server:
        await server.listen()
        motor = server.service.motor
        await command(server, "import", "zones", write(tmp_path / "z.json", [ZONE]))
        for second in range(3):
            await motor.tick(1_780_000_000_000 + second * 1000)
            await motor.settled()
            if second < 2:
                await server.service.saver.save()


async def test_info_and_verify_beside_a_running_server(server: Server, tmp_path: Path) -> None:
    await command(server, "import", "zones", write(tmp_path / "z.json", [ZONE]))
    saved = await server.service.saver.save()
    assert saved is not None
    found = json.loads((await command(server, "log", "info", "--json")).stdout)
    assert found["log"]["end"] >= found["snapshots"][0]["position"] == saved.position
    assert found["log"]["durability"] == "fsync"
    text = (await command(server, "log", "info")).stdout
    assert f"{saved.position:,}" in text
    checked = json.loads((await command(server, "log", "verify", "--json")).stdout)
    assert checked["log"]["end"] >= found["log"]["durable_end"]
    assert checked["snapshots"] == [saved.position]


async def test_info_and_verify_without_a_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    await lived(data, tmp_path)
    words = ("--data", str(data))
    found = json.loads((await asyncio.to_thread(run, "log", "info", "--json", *words)).stdout)
    assert len(found["snapshots"]) == 2
    assert found["log"]["first"] <= found["snapshots"][1]["position"] < found["log"]["end"]
    before = {path: path.read_bytes() for path in sorted((data / LOG_FOLDER).iterdir())}
    verified = await asyncio.to_thread(run, "log", "verify", *words)
    assert verified.exit_code == 0
    assert "the log is sound" in verified.stdout
    assert "snapshots read well: 2" in verified.stdout
    assert {path: path.read_bytes() for path in before} == before


async def test_verify_names_the_file_and_byte_of_damage(tmp_path: Path) -> None:
    data = tmp_path / "data"
    await lived(data, tmp_path)
    words = ("log", "verify", "--data", str(data))
    last = max((data / LOG_FOLDER).iterdir())
    whole = last.read_bytes()
    last.write_bytes(whole + b"torn")
    torn = await asyncio.to_thread(run, *words)
    assert "4 bytes off its tail" in torn.stdout
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    last.write_bytes(damaged)
    with pytest.raises((Refused, LogDamaged), match=rf"{last}.*byte \d+"):
        await asyncio.to_thread(run, *words)
    last.write_bytes(whole)
    snapshot = max((data / SNAPSHOT_FOLDER).iterdir())
    os.truncate(snapshot, snapshot.stat().st_size - 1)
    with pytest.raises(Refused, match=f"{snapshot} cannot be read"):
        await asyncio.to_thread(run, *words)


async def test_a_directory_that_is_none_is_said_to_be_none(tmp_path: Path) -> None:
    for words in (("log", "info"), ("log", "verify")):
        with pytest.raises(Refused, match="no data directory"):
            await asyncio.to_thread(run, *words, "--data", str(tmp_path / "none"))
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(Refused, match="holds no log"):
            await asyncio.to_thread(run, *words, "--data", str(tmp_path / "empty"))


def test_a_long_replay_is_told_of(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show, "SAY_S", 0.0)
    lines = show.Replay()
    lines(500, 2_000)
    lines(2_000, 2_000)
    assert capsys.readouterr().err == "replaying the log: 500 of 2,000\n"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    bar = show.Replay()
    bar(2_000, 2_000)
    bar(500, 2_000)
    bar(2_000, 2_000)
