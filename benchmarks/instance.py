"""A server of its own for a benchmark: started as users start it, in a folder that goes away."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from benchmarks import limits
from benchmarks.errors import InstanceFailed
from engine.hold import holder

POLL_S = 0.05
TOKEN_FILE = "cli.token"  # noqa: S105  # a file's name


class Instance:
    """A server that runs, on loopback, with an admin's key."""

    def __init__(self, process: subprocess.Popen[bytes], address: str, key: str) -> None:
        parts = urlsplit(address)
        self.host, self.port = parts.hostname or "", parts.port or 0
        self.key = key
        self.pid = process.pid

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """Make one request; returns the decoded answer, or its text where it is no JSON.

        body: bytes as they are, else encoded as JSON. Raises InstanceFailed on any problem.
        """
        data = body if body is None or isinstance(body, bytes) else msgspec.json.encode(body)
        headers = {"Authorization": f"Bearer {self.key}"} | ({"Content-Type": kind} if data else {})
        connection = http.client.HTTPConnection(
            self.host, self.port, timeout=limits.SETUP_REQUEST_S
        )
        try:
            connection.request(method, path, body=data, headers=headers)
            answer = connection.getresponse()
            found = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise InstanceFailed(f"does not answer {method} {path}: {error}") from error
        finally:
            connection.close()
        if answer.status >= 400:
            said = found.decode("utf-8", "replace")[:500]
            raise InstanceFailed(f"answered {answer.status} to {method} {path}: {said}")
        if answer.headers.get_content_type() == "application/json":
            return msgspec.json.decode(found)
        return found.decode()

    def transitions(self) -> dict[str, int]:
        """Transitions by kind since the start, from the metrics."""
        found = {}
        for line in self.call("GET", "/metrics").splitlines():
            if line.startswith("balise_transitions_total{"):
                kind = line.partition('kind="')[2].partition('"')[0]
                found[kind] = int(float(line.rpartition(" ")[2]))
        return found

    def cpu_s(self) -> float | None:
        """CPU seconds that the server has used; None where the system does not say."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def instance(*, durability: str, folder: Path | None = None) -> Iterator[Instance]:
    """Start a server with an empty data directory; stop it and remove the directory at the end.

    folder: where the directory is made; None for the system's temporary folder. Raises
    InstanceFailed where it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="balise-bench-", dir=folder) as made:
        said = Path(made) / "said"
        with said.open("wb") as out:
            process = subprocess.Popen(  # noqa: S603  # our own program
                [
                    sys.executable, "-m", "api", "serve", "--data", str(Path(made) / "data"),
                    "--host", "127.0.0.1", "--port", "0", "--durability", durability,
                    "--log-level", "warning",
                ],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env={k: v for k, v in os.environ.items() if not k.startswith("BALISE_")},
            )  # fmt: skip
        try:
            yield _reached(process, Path(made) / "data", said)
        finally:
            process.terminate()
            try:
                process.wait(limits.STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _reached(process: subprocess.Popen[bytes], data: Path, said: Path) -> Instance:
    deadline_s = time.monotonic() + limits.START_S
    while time.monotonic() < deadline_s:
        held = holder(data) if data.is_dir() else None
        if held is not None and held.address:
            key = (data / TOKEN_FILE).read_text(encoding="ascii").strip()
            return Instance(process, held.address, key)
        if process.poll() is not None:
            raise InstanceFailed(f"did not start: {said.read_text(errors='replace')[-500:]}")
        time.sleep(POLL_S)
    raise InstanceFailed(f"did not start within {limits.START_S:g} s")


def filesystem(folder: Path | None) -> str:
    """The kind of file system that a data directory would be on; empty where unknown."""
    where = Path(folder or tempfile.gettempdir()).resolve()
    best, kind = "", ""
    try:
        mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for line in mounts.splitlines():
        _, point, found, *_ = line.split(" ")
        if where.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, found
    return kind
