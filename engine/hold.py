"""The hold on a data directory: one process at a time, and it says who and where it is."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import msgspec

from engine import limits
from engine.errors import DataHeld

NAME = "hold.lock"


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Who holds a data directory: process id, and the base URL where it serves, if it does."""

    pid: int
    address: str = ""


class Hold:
    """An exclusive lock on a data directory, given up by `close` or by the process's end.

    The file stays: removing it would let two processes lock two files of one name.
    """

    def __init__(self, folder: Path, *, address: str = "") -> None:
        """Take hold of `folder`, making it where it is missing.

        Raises DataHeld where another process has it; OSError.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o600)
        if not self._lock():
            os.close(self._handle)
            found = _read(folder)
            who = "another process" if found is None else f"process {found.pid}"
            if found is not None and found.address:
                who += f", serving {found.address}"
            raise DataHeld(path=str(folder), holder=who)
        self.announce(address)

    def _lock(self) -> bool:
        for _ in range(limits.HOLD_TRIES):
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                threading.Event().wait(limits.HOLD_PAUSE_S)
            else:
                return True
        return False

    def announce(self, address: str) -> None:
        """Name this process and where it serves, for those who find the directory held."""
        data = msgspec.json.encode(Holder(pid=os.getpid(), address=address))
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, data, 0)

    def close(self) -> None:
        """Let go."""
        if self._handle >= 0:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = -1


def holder(folder: Path) -> Holder | None:
    """Who holds `folder`; None where nobody does."""
    try:
        handle = os.open(folder / NAME, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _read(folder) or Holder(pid=0)
    else:
        return None
    finally:
        os.close(handle)


def _read(folder: Path) -> Holder | None:
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError):
        return None  # held and not yet announced
