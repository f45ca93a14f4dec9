"""What the README and the guides tell people to type, typed: in bash, against a real server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, ROOT
from tests.docs.snippets import Block, blocks, missing

CONTENT = DOCS / "guides" / "content.md"
PAGES = (
    ROOT / "README.md",
    DOCS / "guides" / "operator.md",
    DOCS / "guides" / "app-developer.md",
    DOCS / "guides" / "marketer.md",
    pytest.param(CONTENT, marks=pytest.mark.real_data),
)
SHOWN_ADDRESS = "127.0.0.1:8080"
START_S = 120
RUN_S = 240
BETWEEN = "--- balise docs: block {line} is done ---"


@contextmanager
def served(command: str, folder: Path, env: dict[str, str]) -> Iterator[None]:
    """The page's server, on the port that the environment gives it, stopped at the end."""
    errors = folder / "server.txt"
    with errors.open("wb") as out:
        process = subprocess.Popen(
            ["bash", "-euc", f"exec {command}"], cwd=folder, env=env, stdout=out, stderr=out
        )
    try:
        ends_s = time.monotonic() + START_S
        while "Ctrl-C stops it" not in errors.read_text():
            assert process.poll() is None, errors.read_text()
            assert time.monotonic() < ends_s, f"the server did not start: {errors.read_text()}"
            time.sleep(0.1)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
    assert process.returncode == 0, errors.read_text()
    assert '"level": "error"' not in errors.read_text(), errors.read_text()
    assert '"level": "critical"' not in errors.read_text(), errors.read_text()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(port: int) -> dict[str, str]:
    """Our own `balise` and python first; no settings of whoever runs the tests."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("BALISE_")}
    return env | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}",
        "BALISE_PORT": str(port),
        "LC_ALL": "C.UTF-8",
    }


def script(run: list[Block], address: str) -> str:
    """The blocks as one script that stops at the first failure. The port is all that differs."""
    parts = [
        f"{block.text.replace(SHOWN_ADDRESS, address)}\necho '{BETWEEN.format(line=block.line)}'"
        for block in run
    ]
    return "\n".join(parts)


@pytest.mark.timeout(START_S + RUN_S + 60)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_says_to_type_works(
    page: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = blocks(page)
    run = [block for block in found if (block.language, block.mark) == ("sh", "run")]
    server = [block for block in found if (block.language, block.mark) == ("sh", "server")]
    assert run, "the page has nothing to run"
    assert len(server) == 1, "a page has one server"
    port = free_port()
    env = environment(port)
    if page == CONTENT:
        env["BALISE_TEST_DATA"] = str(request.getfixturevalue("data_dir"))
    with served(server[0].text.strip(), tmp_path, env):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script(run, f"127.0.0.1:{port}")],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )
    assert done.returncode == 0, f"{page.name}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    printed = done.stdout
    for block in run:
        mine, _, printed = printed.partition(BETWEEN.format(line=block.line))
        following = found[found.index(block) + 1 :][:1]
        if following and (following[0].language, following[0].mark) == ("text", "seen"):
            line = missing(following[0].text, mine)
            assert not line, f"{page.name}:{following[0].line}: not seen: {line}\nin:\n{mine}"


def test_a_wrong_promise_is_found() -> None:
    assert missing("one …\nthree", "one 1\ntwo\nthree") == ""
    assert missing("three\none …", "one 1\ntwo\nthree") == "one …"
    assert missing('{"a":1,…}', '{"a":2,"b":3}') == '{"a":1,…}'
