"""The format of the log's files, and reading them.

A segment is named by its first position and begins with a header: magic, format, first position,
the position that it follows on, checksum. Then come records as `engine.records` writes them, one
behind the other, and before each append a mark: magic, the bytes of this segment that were on
disk when the append began, checksum. A mark's magic is no possible length of a record.

The marks tell a torn write from lost data. Damage at a byte that a later mark calls durable had
been fsynced and cannot be a write that a crash interrupted; damage with no such mark behind it is
the tail that nobody was promised.

A segment ends at the position that the next one follows on. Records beyond are the remains of a
write that failed and was refused; they count for nothing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from engine import limits
from engine.errors import DataTooNew, LogDamaged, RecordDamaged
from engine.files import Files
from engine.records import CHECKED_FROM, Head, check

MAGIC = b"BALISLOG"
FORMAT = 1
HEADER = struct.Struct("<8sIQQI")  # magic, format, first position, position followed, crc32
MARK_MAGIC = b"\xffBLS"
MARK = struct.Struct("<4sQI")  # magic, bytes on disk, crc32
EMPTY_BYTES = HEADER.size + MARK.size  # a segment without records
SUFFIX = ".log"
NEW_SUFFIX = ".new"  # a segment in the making; of no account until it is renamed


class Segment(NamedTuple):
    """A segment by its header: entries from `first` on, behind those that end at `follows`."""

    path: Path
    first: int
    follows: int


class Found(NamedTuple):
    """A sound record in a segment: its bytes, and the offset behind it."""

    head: Head
    data: memoryview
    end: int


def segment_path(folder: Path, first: int) -> Path:
    """Where the segment that begins at position `first` lives."""
    return folder / f"{first:020d}{SUFFIX}"


def header(first: int, follows: int) -> bytes:
    """The head of a segment."""
    head = HEADER.pack(MAGIC, FORMAT, first, follows, 0)[:-4]
    return head + struct.pack("<I", zlib.crc32(head))


def mark(durable: int) -> bytes:
    """The mark before an append, when the segment's first `durable` bytes are on disk."""
    head = MARK.pack(MARK_MAGIC, durable, 0)[:-4]
    return head + struct.pack("<I", zlib.crc32(head))


def read_header(files: Files, path: Path) -> Segment:
    """Read the header of the segment at `path`.

    Raises LogDamaged where it is not one (segments get their name only once the header is on
    disk, so no crash explains it) and DataTooNew for a later format.
    """
    handle = files.open(path)
    try:
        data = files.read(handle, HEADER.size, 0)
    finally:
        files.close(handle)
    reason = "the segment's header is damaged"
    if len(data) < HEADER.size:
        raise LogDamaged(path=str(path), offset=0, reason=reason)
    magic, version, first, follows, checksum = HEADER.unpack(data)
    if magic != MAGIC or zlib.crc32(data[:-4]) != checksum:
        raise LogDamaged(path=str(path), offset=0, reason=reason)
    if version > FORMAT:
        raise DataTooNew(path=str(path), found=version, known=FORMAT)
    if segment_path(path.parent, first) != path:
        raise LogDamaged(path=str(path), offset=0, reason=f"it begins at position {first}")
    return Segment(path, first, follows)


def read_segments(files: Files, folder: Path) -> list[Segment]:
    """The segments of `folder` by position."""
    names = sorted(name for name in files.names(folder) if name.endswith(SUFFIX))
    return [read_header(files, folder / name) for name in names]


class Window:
    """A file's bytes, read ahead in large pieces."""

    def __init__(self, files: Files, handle: int) -> None:
        self._files = files
        self._handle = handle
        self._data = b""
        self._base = 0

    def take(self, offset: int, size: int) -> memoryview:
        """`size` bytes from `offset` on, fewer where the file ends."""
        at = offset - self._base
        if at < 0 or at + size > len(self._data):
            self._data = self._files.read(self._handle, max(size, limits.LOG_READ_BYTES), offset)
            self._base, at = offset, 0
        return memoryview(self._data)[at : at + size]


def walk(files: Files, handle: int, first: int, until: int | None) -> Iterator[Found]:
    """Records of the open segment that begins at position `first`, up to position `until`.

    `until` None reads to the end of the file. Raises RecordDamaged with the offset in the file.
    """
    window = Window(files, handle)
    offset, position = HEADER.size, first
    while position != until:
        start = window.take(offset, MARK.size)
        if not start:
            if until is not None:
                raise RecordDamaged(offset=offset, reason=f"ends before position {until}")
            return
        if start[:4] == MARK_MAGIC:
            if _durable(bytes(start)) is None:
                raise RecordDamaged(offset=offset, reason="a mark is damaged")
            offset += MARK.size
            continue
        found = _record(window, offset)
        if found.head.position != position:
            raise RecordDamaged(
                offset=offset,
                reason=f"holds position {found.head.position} where {position} is due",
            )
        offset, position = found.end, found.head.after
        yield found


def _record(window: Window, offset: int) -> Found:
    size = CHECKED_FROM + int.from_bytes(window.take(offset, 4), "little")
    if size > limits.RECORD_BYTES_MAX:
        raise RecordDamaged(offset=offset, reason="neither a record nor a mark")
    data = window.take(offset, size)
    try:
        head = check(data)
    except RecordDamaged as error:
        raise RecordDamaged(offset=offset, reason=error.reason) from error
    return Found(head, data, offset + size)


def _durable(data: bytes) -> int | None:
    if len(data) < MARK.size:
        return None
    magic, durable, checksum = MARK.unpack_from(data)
    sound = magic == MARK_MAGIC and zlib.crc32(data[: MARK.size - 4]) == checksum
    return int(durable) if sound else None


def was_durable(files: Files, handle: int, offset: int) -> bool:
    """Whether a mark behind the damage at `offset` says that these bytes were on disk."""
    base = offset + 1
    while data := files.read(handle, limits.LOG_READ_BYTES, base):
        at = data.find(MARK_MAGIC)
        while at >= 0:
            durable = _durable(files.read(handle, MARK.size, base + at))
            if durable is not None and durable > offset:
                return True
            at = data.find(MARK_MAGIC, at + 1)
        if len(data) < limits.LOG_READ_BYTES:
            return False
        base += len(data) - len(MARK_MAGIC) + 1  # a magic may lie across two pieces
    return False
