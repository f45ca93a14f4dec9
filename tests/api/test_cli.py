"""The command line, against a server that runs, one of its own, and as a process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api import cli
from api.errors import ApiError, Refused
from api.server import Server
from api.settings import TOKEN_FILE, Settings
from engine.errors import DataHeld
from engine.hold import holder
from tests.api.conftest import CAMPAIGN, ZONE

BOWTIE = [[[6.0, 45.0], [6.1, 45.1], [6.1, 45.0], [6.0, 45.1], [6.0, 45.0]]]


def run(*words: str) -> Result:
    """Run a command in this process; errors that `main` would print are raised."""
    result = CliRunner().invoke(cli.app, words)
    if isinstance(result.exception, ApiError):
        raise result.exception
    return result


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with Server.open(tmp_path / "data", Settings(port=0)) as server:
        await server.listen()
        yield server


async def command(server: Server, *words: str) -> Result:
    """A command against a running server, which it finds by its data directory."""
    return await asyncio.to_thread(run, *words, "--data", str(server.data))


def write(path: Path, value: Any) -> str:
    path.write_text(json.dumps(value), encoding="utf-8")
    return str(path)


async def test_zones_are_imported_with_a_report_and_mended_on_request(
    server: Server, tmp_path: Path
) -> None:
    features = [
        {"type": "Feature", "id": "good", "properties": {"name": "Good", "radius_m": 50},
         "geometry": {"type": "Point", "coordinates": [6.1, 45.9]}},
        {"type": "Feature", "id": "bad", "properties": {"name": "Bad"},
         "geometry": {"type": "Polygon", "coordinates": BOWTIE}},
    ]  # fmt: skip
    file = write(tmp_path / "z.geojson", {"type": "FeatureCollection", "features": features})
    dry = await command(server, "import", "zones", file, "--dry-run", "--json")
    assert json.loads(dry.stdout)["created"] == 1
    first = await command(server, "import", "zones", file)
    assert first.exit_code == 1
    assert "2 zones read: 1 created, 0 updated, 0 unchanged, 1 left out" in first.stdout
    assert "bad" in first.stderr
    mended = await command(server, "import", "zones", file, "--repair")
    assert mended.exit_code == 0
    assert "1 created, 0 updated, 1 unchanged, 0 left out" in mended.stdout
    assert "bad" in mended.stdout
    assert set(server.service.motor.catalogue("zone")) == {"good", "bad"}


async def test_campaigns_are_added_listed_and_launched(server: Server, tmp_path: Path) -> None:
    await command(server, "import", "zones", write(tmp_path / "z.json", [ZONE]))
    added = await command(server, "campaign", "add", write(tmp_path / "c.json", CAMPAIGN))
    assert added.stdout == "paddle: draft\n"
    launched = await command(server, "campaign", "launch", "paddle")
    assert launched.stdout == "paddle: live\n"
    listed = await command(server, "campaign", "list")
    assert "paddle" in listed.stdout
    assert "enter" in listed.stdout
    shown = await command(server, "campaign", "list", "--json")
    assert [c["status"] for c in json.loads(shown.stdout)] == ["live"]
    two = [
        CAMPAIGN | {"id": "two", "status": "live"},
        CAMPAIGN | {"id": "three", "status": "ended"},
    ]
    added = await command(server, "campaign", "add", write(tmp_path / "d.json", two))
    assert added.stdout == "two: live\nthree: draft\n"
    assert "`balise campaign end three` makes it ended" in added.stderr
    with pytest.raises(Refused, match="there is no campaign none"):
        await command(server, "campaign", "pause", "none")
    broken = write(tmp_path / "b.json", CAMPAIGN | {"wrong": 1, "ttl_s": "x"})
    with pytest.raises(Refused, match=r"2 fields are wrong\n  wrong: unknown field\n  ttl_s: "):
        await command(server, "campaign", "add", broken)


async def test_keys_are_made_shown_once_listed_and_revoked(server: Server) -> None:
    made = await command(server, "keys", "add", "viewer", "--name", "desk", "--days", "7")
    key = made.stdout.strip()
    assert key.startswith("balise_viewer_")
    listed = await command(server, "keys", "list", "--json")
    rows = {row["name"]: row for row in json.loads(listed.stdout)}
    assert set(rows) == {"desk"}
    assert rows["desk"]["expires_ms"]
    assert key not in listed.stdout
    address = server.local_address
    found = await asyncio.to_thread(run, "decisions", "--server", address, "--key", key, "--json")
    assert json.loads(found.stdout) == []
    await command(server, "keys", "revoke", rows["desk"]["id"])
    with pytest.raises(Refused, match="revoked"):
        await asyncio.to_thread(run, "decisions", "--server", address, "--key", key)
    with pytest.raises(Refused, match="does not have keys:admin"):
        await command(server, "keys", "add", "viewer", "--scope", "keys:admin")


async def test_the_command_lines_own_key_ends_with_the_server(tmp_path: Path) -> None:
    async with Server.open(tmp_path, Settings(port=0)) as server:
        token = tmp_path / TOKEN_FILE
        assert token.stat().st_mode & 0o777 == 0o600
        assert server.service.gate.bearer(token.read_text()).role == "admin"
        secret = token.read_text()
    assert not token.exists()
    async with Server.open(tmp_path, Settings(port=0)) as server:
        with pytest.raises(ApiError):
            server.service.gate.bearer(secret)


async def test_a_directory_that_nobody_holds_is_opened_for_the_command(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with pytest.raises(Refused, match="there is no data directory"):
        await asyncio.to_thread(run, "keys", "list", "--data", str(data))
    async with Server.open(data, Settings(port=0)):
        pass
    file = write(tmp_path / "z.json", [ZONE])
    done = await asyncio.to_thread(run, "import", "zones", file, "--data", str(data))
    assert done.exit_code == 0
    assert holder(data) is None
    async with Server.open(data, Settings(port=0)) as server:
        assert set(server.service.motor.catalogue("zone")) == {"lake"}


async def test_a_second_server_on_the_same_data_is_refused_by_name(server: Server) -> None:
    with pytest.raises(DataHeld, match=rf"process {os.getpid()}, serving http://127.0.0.1"):
        async with Server.open(server.data, Settings(port=0)):
            raise AssertionError


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["keys", "list", "--server", "ftp://x", "--key", "k"], "is no address"),
        (["keys", "list", "--server", "http://127.0.0.1:1", "--key", "k"], "does not answer"),
        (["keys", "list", "--server", "http://127.0.0.1:1"], "needs --key"),
        (["import", "zones", "/nowhere.geojson"], "cannot be read: No such file"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(words: list[str], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        run(*words)


@pytest.mark.parametrize(
    "words", [["nonsense"], ["import", "people", "x"], ["keys", "add", "king"], ["serve", "--what"]]
)
def test_wrong_usage_exits_with_2(words: list[str]) -> None:
    assert run(*words).exit_code == 2


def test_every_command_explains_itself() -> None:
    for words in ([], ["serve"], ["import"], ["campaign"], ["keys", "add"], ["decisions"]):
        shown = run(*words, "--help")
        assert shown.exit_code == 0
        assert "Usage:" in shown.stdout
    assert run("--version").stdout.startswith("balise 0.")


def _serve(data: Path) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BALISE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "api", "serve", "--data", str(data), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def _until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"the process ended without saying {text!r}")


def test_the_first_run_shows_its_keys_once_and_a_signal_stops_it_cleanly(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with _serve(data) as first:
        _until(first, "Balise serves")
        second = subprocess.run(
            [sys.executable, "-m", "api", "serve", "--data", str(data), "--port", "0"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert second.returncode == 1
        assert second.stderr.startswith(f"balise: {data} is in use by process {first.pid}")
        assert second.stderr.count("\n") == 1
        first.send_signal(signal.SIGTERM)
        shown, _ = first.communicate(timeout=60)
        assert first.returncode == 0
    admin, app = shown.splitlines()
    assert "balise_admin_" in admin
    assert "balise_app_" in app
    with _serve(data) as again:
        _until(again, "Balise serves")
        again.send_signal(signal.SIGINT)
        shown, _ = again.communicate(timeout=60)
        assert again.returncode == 0
        assert shown == ""


def test_a_first_run_that_could_not_listen_and_commands_before_it_leave_the_keys_to_the_next(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    assert run("import", "zones", write(tmp_path / "z.json", [ZONE]), "--data", str(data))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = subprocess.run(
            [sys.executable, "-m", "api", "serve", "--data", str(data), "--port", port],
            capture_output=True,
            text=True,
            check=False,
        )
    assert refused.returncode == 1
    assert "cannot be listened on" in refused.stderr
    assert refused.stdout == ""
    with _serve(data) as first:
        _until(first, "Balise serves")
        first.send_signal(signal.SIGTERM)
        shown, _ = first.communicate(timeout=60)
    assert "balise_admin_" in shown
    assert "balise_app_" in shown


async def test_deliveries_are_listed_and_counted(server: Server) -> None:
    listed = await command(server, "deliveries", "list", "--json")
    assert (listed.exit_code, listed.stdout) == (0, "[]\n")
    assert (await command(server, "deliveries", "list", "--state", "sent")).exit_code == 0
    counted = await command(server, "deliveries", "summary", "--json")
    assert [each["channel"] for each in json.loads(counted.stdout)] == ["inbox", "log"]
    assert (await command(server, "deliveries", "summary")).exit_code == 0
    with pytest.raises(Refused, match="ntf_none"):
        await command(server, "deliveries", "requeue", "ntf_none")
