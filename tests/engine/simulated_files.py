"""A disk that forgets: what was not fsynced may be lost, or torn, at a power failure."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from pathlib import Path

SECTOR_BYTES = 512  # what a disk writes at once; a write of more may be torn


class _Inode:
    def __init__(self) -> None:
        self.seen = bytearray()  # what processes read
        self.disk = bytearray()  # what a power failure leaves
        self.pending: list[Callable[[bytearray, random.Random], None]] = []


class SimulatedFiles:
    """Implements engine.files.Files in memory.

    `fail` schedules errors; `power_loss` and `kill` end every open handle as these would.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.calls: list[str] = []
        self._names: dict[Path, _Inode] = {}
        self._disk_names: dict[Path, _Inode] = {}
        self._pending_names: list[Callable[[dict[Path, _Inode]], None]] = []
        self._handles: dict[int, _Inode] = {}
        self._next_handle = 3
        self._faults: dict[str, list[int]] = {}

    def fail(self, call: str, error: int = errno.EIO, times: int = 1) -> None:
        """Let the next `times` calls of `call` fail with `error`."""
        self._faults.setdefault(call, []).extend([error] * times)

    def heal(self) -> None:
        """Forget the failures not yet met."""
        self._faults.clear()

    def kill(self) -> None:
        """The process dies; the system keeps what it was given."""
        self._handles.clear()
        self.heal()

    def power_loss(self) -> None:
        """The machine dies; of what was not fsynced, chance keeps some sectors and some names."""
        self.kill()
        names = dict(self._disk_names)
        for rename in self._pending_names[: self.random.randint(0, len(self._pending_names))]:
            rename(names)
        for inode in names.values():
            for change in inode.pending:
                change(inode.disk, self.random)
            inode.pending.clear()
            inode.seen = bytearray(inode.disk)
        self._names, self._disk_names = dict(names), names
        self._pending_names.clear()

    def content(self, path: Path) -> bytearray:
        """The bytes of a file, to read or to damage; the disk's are damaged alike."""
        inode = self._names[path]
        inode.disk = inode.seen
        inode.pending.clear()
        return inode.seen

    def _called(self, call: str) -> None:
        self.calls.append(call)
        faults = self._faults.get(call)
        if faults:
            error = faults.pop(0)
            raise OSError(error, errno.errorcode[error])

    def _handle(self, inode: _Inode) -> int:
        self._next_handle += 1
        self._handles[self._next_handle] = inode
        return self._next_handle

    def _rename(self, change: Callable[[dict[Path, _Inode]], None]) -> None:
        change(self._names)
        self._pending_names.append(change)

    def make_folder(self, folder: Path) -> None:
        self._called("make_folder")

    def names(self, folder: Path) -> list[str]:
        return [path.name for path in self._names if path.parent == folder]

    def create(self, path: Path) -> int:
        self._called("create")
        inode = _Inode()
        self._rename(lambda names: names.__setitem__(path, inode))
        return self._handle(inode)

    def open(self, path: Path) -> int:
        self._called("open")
        return self._handle(self._names[path])

    def size(self, file: int) -> int:
        return len(self._handles[file].seen)

    def read(self, file: int, size: int, offset: int) -> bytes:
        return bytes(self._handles[file].seen[offset : offset + size])

    def write(self, file: int, data: bytes, offset: int) -> None:
        try:
            self._called("write")
        except OSError:
            self._put(self._handles[file], data[: self.random.randint(0, len(data))], offset)
            raise
        self._put(self._handles[file], data, offset)

    def _put(self, inode: _Inode, data: bytes, offset: int) -> None:
        _overwrite(inode.seen, data, offset)
        start = 0
        while start < len(data):  # one change a sector
            size = SECTOR_BYTES - (offset + start) % SECTOR_BYTES
            piece, at = data[start : start + size], offset + start
            inode.pending.append(_perhaps(lambda disk, p=piece, a=at: _overwrite(disk, p, a)))
            start += size

    def truncate(self, file: int, size: int) -> None:
        self._called("truncate")
        inode = self._handles[file]
        del inode.seen[size:]
        inode.pending.append(_perhaps(lambda disk: disk.__delitem__(slice(size, None))))

    def fsync(self, file: int) -> None:
        inode = self._handles[file]
        try:
            self._called("fsync")
        except OSError:
            inode.pending.clear()  # the pages count as written, and were not
            raise
        inode.disk = bytearray(inode.seen)
        inode.pending.clear()

    def close(self, file: int) -> None:
        self._handles.pop(file, None)

    def rename(self, old: Path, new: Path) -> None:
        self._called("rename")
        inode = self._names[old]

        def change(names: dict[Path, _Inode]) -> None:
            names.pop(old, None)
            names[new] = inode

        self._rename(change)

    def remove(self, path: Path) -> None:
        self._called("remove")
        if path not in self._names:
            raise FileNotFoundError(path)
        self._rename(lambda names: names.pop(path, None))

    def fsync_folder(self, folder: Path) -> None:
        self._called("fsync_folder")
        self._disk_names = dict(self._names)
        self._pending_names.clear()


def _perhaps(change: Callable[[bytearray], None]) -> Callable[[bytearray, random.Random], None]:
    def on_loss(disk: bytearray, chance: random.Random) -> None:
        if chance.random() < 0.5:
            change(disk)

    return on_loss


def _overwrite(content: bytearray, data: bytes, offset: int) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    content[offset : offset + len(data)] = data
