"""The file layer under the log: only the calls that durability rests on.

It is a port so that a simulated disk can stand in: one that forgets what was not fsynced, tears
writes, and fails on demand.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Protocol


class Files(Protocol):
    """What the log asks of files. Every call may raise OSError."""

    def make_folder(self, folder: Path) -> None:
        """Make `folder` and its parents where they are missing."""

    def names(self, folder: Path) -> list[str]:
        """Names in `folder`, in no order."""

    def create(self, path: Path) -> int:
        """Open a new empty file in place of any at `path`; returns its handle."""

    def open(self, path: Path) -> int:
        """Open an existing file for reading and writing; returns its handle."""

    def size(self, file: int) -> int:
        """Bytes in the file."""

    def read(self, file: int, size: int, offset: int) -> bytes:
        """At most `size` bytes from `offset` on; fewer only where the file ends."""

    def write(self, file: int, data: bytes, offset: int) -> None:
        """Write all of `data` at `offset`; on an error some of it may stand in the file."""

    def truncate(self, file: int, size: int) -> None:
        """Cut the file to `size` bytes."""

    def fsync(self, file: int) -> None:
        """Return when content and size are on disk. After an error neither is certain."""

    def close(self, file: int) -> None:
        """Give the handle back."""

    def rename(self, old: Path, new: Path) -> None:
        """Give `old` the name `new` at once, in place of any file there."""

    def remove(self, path: Path) -> None:
        """Remove a file."""

    def fsync_folder(self, folder: Path) -> None:
        """Return when the names in `folder` are on disk."""


class Disk:
    """The machine's files."""

    def make_folder(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.fsync_folder(folder.parent)

    def names(self, folder: Path) -> list[str]:
        return [path.name for path in folder.iterdir()]

    def create(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)

    def open(self, path: Path) -> int:
        return os.open(path, os.O_RDWR)

    def size(self, file: int) -> int:
        return os.fstat(file).st_size

    def read(self, file: int, size: int, offset: int) -> bytes:
        data = os.pread(file, size, offset)
        while 0 < len(data) < size:
            more = os.pread(file, size - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    def write(self, file: int, data: bytes, offset: int) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(file, view, offset)
            view = view[written:]
            offset += written

    def truncate(self, file: int, size: int) -> None:
        os.ftruncate(file, size)

    def fsync(self, file: int) -> None:
        if sys.platform == "darwin":
            import fcntl

            fcntl.fcntl(file, fcntl.F_FULLFSYNC)  # fsync there stops at the drive's cache
        else:
            os.fdatasync(file)  # writes the size too, but not the times of access

    def close(self, file: int) -> None:
        os.close(file)

    def rename(self, old: Path, new: Path) -> None:
        old.replace(new)

    def remove(self, path: Path) -> None:
        path.unlink()

    def fsync_folder(self, folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
