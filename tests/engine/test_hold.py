"""One process holds a data directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import DataHeld
from engine.hold import Hold, Holder, holder

CHILD = """
import sys
from pathlib import Path
from engine.hold import Hold
hold = Hold(Path(sys.argv[1]), address="http://127.0.0.1:8080")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_hold_is_refused_and_told_who_has_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert holder(folder) is None
    hold = Hold(folder)
    hold.announce("http://127.0.0.1:8080")
    assert holder(folder) == Holder(pid=os.getpid(), address="http://127.0.0.1:8080")
    with pytest.raises(DataHeld) as caught:
        Hold(folder)
    assert str(os.getpid()) in caught.value.holder
    assert "http://127.0.0.1:8080" in str(caught.value)
    hold.close()
    hold.close()
    assert holder(folder) is None
    Hold(folder).close()


def test_a_killed_process_lets_go(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(DataHeld, match=f"process {child.pid}"):
        Hold(tmp_path)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdin.close()
    child.stdout.close()
    assert holder(tmp_path) is None
    Hold(tmp_path).close()


def test_a_holder_that_has_not_announced_itself_is_still_a_holder(tmp_path: Path) -> None:
    hold = Hold(tmp_path)
    os.ftruncate(hold._handle, 0)
    assert holder(tmp_path) == Holder(pid=0)
    with pytest.raises(DataHeld, match="another process"):
        Hold(tmp_path)
    hold.close()
