"""Snapshots: a pipeline's state at a position of the log, in one file, the newest two kept.

A file begins with a header: magic, format, position, when it was taken (engine ms), offset and
size of the table, crc32 of header and table. Parts follow one behind the other, then the table in
MessagePack: for each part its name, the layout of an array or nothing, the sizes of its pieces and
the crc32 of its bytes. A snapshot gets its name only once all of it is on disk, so one that does
not read well was damaged later.
"""

from __future__ import annotations

import contextlib
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from engine import clock, limits
from engine.errors import DataTooNew, SnapshotDamaged, SnapshotRefused, SnapshotUnfit
from engine.files import Disk, Files
from engine.frozen import Array, Frozen, Part, parts, thaw
from engine.pipeline import Pipeline

MAGIC = b"BALISNAP"
FORMAT = 1
HEADER = struct.Struct("<8sIQqQQI")
SUFFIX = ".snapshot"
NEW_SUFFIX = ".new"


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    """One part in the table; dtype None for values. sizes: bytes of its pieces."""

    name: str
    dtype: Any
    shape: tuple[int, ...]
    sizes: list[int]
    checksum: int


class SnapshotInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot at a glance; taken_ms is the engine's now in it."""

    path: str
    position: int
    taken_ms: int
    size_bytes: int


class Snapshots:
    """The snapshots in a folder."""

    def __init__(self, folder: Path, files: Files | None = None, *, held: bool = True) -> None:
        """Look into `folder`. held: this process holds the data directory, so that the folder is
        made where it is missing, and what was not finished is removed. Raises OSError.
        """
        self.folder = folder
        self._files = files or Disk()
        if held:
            self._files.make_folder(folder)
        self._positions = _positions(self._files, folder, held=held)

    @property
    def positions(self) -> list[int]:
        """Positions of the snapshots there are, the newest first."""
        return list(self._positions)

    @property
    def trimmable(self) -> int:
        """Entries before this position are in two snapshots; 0 while there are not two."""
        kept = self._positions[: limits.SNAPSHOTS_KEPT]
        return kept[-1] if len(kept) == limits.SNAPSHOTS_KEPT else 0

    def path(self, position: int) -> Path:
        """Where the snapshot at a position lives."""
        return self.folder / f"{position:020d}{SUFFIX}"

    def write(self, frozen: Frozen) -> int:
        """Write a state; then remove what is older than the newest two. Returns its bytes.

        Raises SnapshotRefused, and then the others are as they were.
        """
        path = self.path(frozen.end)
        new = path.with_suffix(NEW_SUFFIX)
        handle = -1
        try:
            handle = self._files.create(new)
            size = _write(self._files, handle, frozen)
            self._files.fsync(handle)
            self._files.close(handle)
            handle = -1
            self._files.rename(new, path)
            self._files.fsync_folder(self.folder)
        except OSError as error:
            if handle >= 0:
                self._files.close(handle)
            with contextlib.suppress(OSError):
                self._files.remove(new)
            raise SnapshotRefused(reason=str(error)) from error
        self._positions = sorted({frozen.end, *self._positions}, reverse=True)
        for position in self._positions[limits.SNAPSHOTS_KEPT :]:
            self.discard(position)
        return size

    def discard(self, position: int) -> None:
        """Remove a snapshot, if that can be done now."""
        with contextlib.suppress(OSError):
            self._files.remove(self.path(position))
            self._files.fsync_folder(self.folder)
            self._positions.remove(position)

    def load(self, position: int, pipeline: Pipeline) -> None:
        """Give an empty pipeline the state of a snapshot; nothing has changed where it raises.

        Raises SnapshotDamaged, DataTooNew.
        """
        path = self.path(position)
        try:
            arrays: dict[str, Array] = {}
            pieces: dict[str, list[bytes]] = {}
            for name, value in _read(self._files, path):
                if isinstance(value, list):
                    pieces[name] = value
                else:
                    arrays[name] = value
            thaw(pipeline, arrays, pieces)
        except SnapshotUnfit as error:
            raise SnapshotDamaged(path=str(path), reason=error.reason) from error
        except OSError as error:
            raise SnapshotDamaged(path=str(path), reason=str(error)) from error
        if pipeline.end != position:
            raise SnapshotDamaged(path=str(path), reason=f"it is of position {pipeline.end}")

    def verify(self, position: int) -> None:
        """Read a snapshot through. Raises SnapshotDamaged, DataTooNew."""
        path = self.path(position)
        try:
            for _ in _read(self._files, path):
                pass
        except OSError as error:
            raise SnapshotDamaged(path=str(path), reason=str(error)) from error

    def info(self) -> list[SnapshotInfo]:
        """The snapshots there are, the newest first; unreadable ones with taken_ms 0."""
        out = []
        for position in self.positions:
            path = self.path(position)
            taken_ms = size = 0
            with contextlib.suppress(SnapshotDamaged, DataTooNew, OSError):
                handle = self._files.open(path)
                try:
                    size = self._files.size(handle)
                    taken_ms = _head(self._files, handle, path).taken_ms
                finally:
                    self._files.close(handle)
            out.append(
                SnapshotInfo(path=str(path), position=position, taken_ms=taken_ms, size_bytes=size)
            )
        return out


def _positions(files: Files, folder: Path, *, held: bool) -> list[int]:
    """Positions of the snapshots in a folder, the newest first; unfinished ones are removed."""
    names = files.names(folder)
    for name in names:
        if held and name.endswith(NEW_SUFFIX):
            with contextlib.suppress(OSError):
                files.remove(folder / name)
    found = [name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)]
    return sorted((int(stem) for stem in found if stem.isdecimal()), reverse=True)


# -- the format ------------------------------------------------------------------


class _Writer:
    """Bytes one behind the other."""

    def __init__(self, files: Files, handle: int, offset: int) -> None:
        self._files = files
        self._handle = handle
        self.offset = offset

    def put(self, data: Any) -> None:
        self._files.write(self._handle, data, self.offset)
        self.offset += len(data)


def _write(files: Files, handle: int, frozen: Frozen) -> int:
    to = _Writer(files, handle, HEADER.size)
    table = [_put(to, part) for part in parts(frozen)]
    encoded = msgspec.msgpack.encode(table)
    at = to.offset
    to.put(encoded)
    head = HEADER.pack(MAGIC, FORMAT, frozen.end, frozen.now_ms, at, len(encoded), 0)[:-4]
    checksum = zlib.crc32(encoded, zlib.crc32(head))
    files.write(handle, head + struct.pack("<I", checksum), 0)
    return to.offset


def _put(to: _Writer, part: Part) -> _Entry:
    """Write one part; between two pieces the engine's thread has its turn."""
    dtype, shape, sizes, checksum = None, (), [], 0
    pieces: Iterator[Any]
    if isinstance(part.value, np.ndarray):
        array = np.ascontiguousarray(part.value)
        dtype, shape = array.dtype.descr if array.dtype.names else array.dtype.str, array.shape
        whole = array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")
        step = limits.SNAPSHOT_WRITE_BYTES
        pieces = (whole[start : start + step] for start in range(0, len(whole), step))
    else:
        pieces = part.value
    for piece in pieces:
        to.put(piece)
        sizes.append(len(piece))
        checksum = zlib.crc32(piece, checksum)
        clock.give_way()
    return _Entry(part.name, dtype, shape, sizes, checksum)


class _Head(NamedTuple):
    position: int
    taken_ms: int
    table: list[_Entry]


_table = msgspec.msgpack.Decoder(list[_Entry])


def _head(files: Files, handle: int, path: Path) -> _Head:
    """Header and table of an open snapshot. Raises SnapshotDamaged, DataTooNew."""
    data = files.read(handle, HEADER.size, 0)
    if len(data) < HEADER.size or data[: len(MAGIC)] != MAGIC:
        raise SnapshotDamaged(path=str(path), reason="the header is damaged")
    _, version, position, taken_ms, at, size, checksum = HEADER.unpack(data)
    encoded = files.read(handle, size, at) if size <= files.size(handle) else b""
    if len(encoded) < size or zlib.crc32(encoded, zlib.crc32(data[:-4])) != checksum:
        raise SnapshotDamaged(path=str(path), reason="the header or the table is damaged")
    if version > FORMAT:
        raise DataTooNew(path=str(path), found=version, known=FORMAT)
    try:
        return _Head(position, taken_ms, _table.decode(encoded))
    except msgspec.MsgspecError as error:
        raise SnapshotDamaged(path=str(path), reason=f"the table: {error}") from error


def _read(files: Files, path: Path) -> Iterator[tuple[str, Array | list[bytes]]]:
    """The parts of a snapshot, checked. Raises SnapshotDamaged, DataTooNew, OSError."""
    handle = files.open(path)
    try:
        offset = HEADER.size
        for entry in _head(files, handle, path).table:
            size = sum(entry.sizes)
            data = files.read(handle, size, offset)
            if len(data) < size or zlib.crc32(data) != entry.checksum:
                raise SnapshotDamaged(path=str(path), reason=f"part {entry.name} is damaged")
            offset += size
            yield entry.name, _value(entry, data)
    finally:
        files.close(handle)


def _value(entry: _Entry, data: bytes) -> Array | list[bytes]:
    if entry.dtype is not None:
        named = isinstance(entry.dtype, list)
        dtype = np.dtype([tuple(field) for field in entry.dtype] if named else entry.dtype)
        return np.frombuffer(data, dtype).reshape(entry.shape)
    out, at = [], 0
    for size in entry.sizes:
        out.append(data[at : at + size])
        at += size
    return out
