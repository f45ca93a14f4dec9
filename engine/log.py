"""The log: the ordered record of everything that enters, on disk before it is acknowledged.

Appends come from one thread. A write that fails is undone and refused, and a later one is tried
afresh, so that service resumes by itself once the disk has room. After a failed fsync the pages
it covered may be lost and yet read well, so the segment is not trusted again: what was not yet
known to be on disk is written to a new segment that follows on the last position that was.
"""

from __future__ import annotations

import bisect
import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from engine import clock, limits
from engine.errors import LogDamaged, LogRefused, LogTrimmed, RecordDamaged
from engine.files import Disk, Files
from engine.records import HEADER as RECORD_HEADER
from engine.records import Record, check, decode
from engine.segments import (
    EMPTY_BYTES,
    HEADER,
    NEW_SUFFIX,
    Segment,
    header,
    mark,
    read_segments,
    segment_path,
    walk,
    was_durable,
)

Durability = Literal["fsync", "interval", "memory"]


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """A damaged tail that was cut off at opening: `size_bytes` from `offset` on, for `reason`."""

    path: str
    offset: int
    size_bytes: int
    reason: str


class LogInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The log at a glance.

    first, end: positions of its first entry and after its last; durable_end: entries before it
    are on disk; cut: the tail cut off at opening; refused: why appends are refused, else empty.
    """

    durability: Durability
    first: int
    end: int
    durable_end: int
    segments: int
    size_bytes: int
    cut: Cut | None
    refused: str


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """A log read to its end and found sound; `tail` is what opening would cut off."""

    segments: int
    records: int
    entries: int
    first: int
    end: int
    size_bytes: int
    tail: Cut | None


class Log(Protocol):
    """The ordered record. Positions count entries."""

    @property
    def first(self) -> int:
        """Position of the first entry kept."""

    @property
    def end(self) -> int:
        """Position after the last entry."""

    @property
    def durable_end(self) -> int:
        """Entries before this position survive a power failure."""

    def append(self, batch: Sequence[bytes]) -> int:
        """Append encoded records, the first at `end`; returns the new end.

        All of them are in the log when it returns, as durable as the log promises. Raises
        LogRefused when none of them is.
        """

    def sync(self) -> None:
        """Make what was appended durable. Raises LogRefused where that fails; try again."""

    def replay(self, from_position: int = 0) -> Iterator[Record]:
        """Records from the one that holds `from_position` to the end as it stands now.

        Raises LogTrimmed where they are no longer kept, LogDamaged on damage.
        """

    def skip(self, position: int) -> None:
        """Go on at `position`, past the end: the entries between were lost, their effects not."""

    def roll(self) -> None:
        """Begin a new segment at the end, so that trimming can reach up to here.

        Raises LogRefused.
        """

    def trim(self, before: int) -> int:
        """Drop what can be dropped of the entries before `before`; returns the new first."""

    def info(self) -> LogInfo:
        """The log at a glance."""

    def verify(self) -> Verified:
        """Read it all. Raises LogDamaged with the place of the first damage."""

    def close(self) -> None:
        """Make all durable and let go."""


class FileLog:
    """The log in a folder of segment files.

    durability: `fsync` returns from append when the disk has it; `interval` syncs at the first
    append after `interval_ms`, and on `sync`, so a power failure may lose that much. A killed
    process loses nothing either way.
    """

    def __init__(
        self,
        folder: Path,
        *,
        durability: Literal["fsync", "interval"] = "fsync",
        interval_ms: int = limits.LOG_INTERVAL_MS,
        segment_bytes_max: int = limits.LOG_SEGMENT_BYTES,
        files: Files | None = None,
        monotonic_s: Callable[[], float] = clock.monotonic_s,
    ) -> None:
        """Open or begin the log in `folder`; a damaged tail is cut off (see `info().cut`).

        Raises LogDamaged on other damage, having changed nothing; DataTooNew; OSError.
        """
        self._folder = folder
        self._durability = durability
        self._interval_s = interval_ms / 1000
        self._segment_bytes_max = segment_bytes_max
        self._files = files or Disk()
        self._monotonic_s = monotonic_s
        self._synced_s = monotonic_s()
        self._refused = ""
        self._cut: Cut | None = None
        # The last segment may be appended to; not so after a failed fsync or a failed successor.
        self._trusted = True
        self._appended = False
        self._handle = -1
        # Records from `durable_end` to `end`, in the file but perhaps not on disk.
        self._unsynced: list[bytes] = []
        self._unsynced_bytes = 0
        self._durable_end = self._end = 0
        self._size = self._durable_size = 0
        self._files.make_folder(folder)
        for name in self._files.names(folder):
            if name.endswith(NEW_SUFFIX):
                # A crash left it: it counts for nothing, and must not outlive what is erased.
                with contextlib.suppress(OSError):
                    self._files.remove(folder / name)
        self._segments = read_segments(self._files, folder)
        if self._segments:
            self._open_last()
        else:
            self._begin_segment(0, 0, [])

    @property
    def first(self) -> int:
        return self._segments[0].first

    @property
    def end(self) -> int:
        return self._end

    @property
    def durable_end(self) -> int:
        return self._durable_end

    def _open_last(self) -> None:
        """Take up the last segment, cut to its last sound record."""
        segment = self._segments[-1]
        handle = self._files.open(segment.path)
        try:
            end, offset, self._cut = _sound(self._files, handle, segment)
            if self._cut:
                self._files.truncate(handle, offset)
            # What a killed process left in the system's cache is about to be acted upon: the
            # records and, had its last segment just been named, the name.
            self._files.fsync(handle)
            self._files.fsync_folder(self._folder)
        except BaseException:
            self._files.close(handle)
            raise
        self._handle = handle
        self._end = self._durable_end = end
        self._size = self._durable_size = offset

    def append(self, batch: Sequence[bytes]) -> int:
        end = _end_of(batch, self._end)
        if not batch:
            return end
        try:
            self._append(batch)
        except OSError as error:
            self._refused = str(error)
            raise LogRefused(reason=str(error)) from error
        self._end, self._refused, self._appended = end, "", True
        return end

    def _append(self, batch: Sequence[bytes]) -> None:
        """Put `batch` in the log; on OSError nothing of it is there."""
        data = b"".join([mark(self._durable_size), *batch])
        full = self._size + len(data) > self._segment_bytes_max and self._size > EMPTY_BYTES
        if full or not self._trusted:
            if self._trusted:
                self._flush()
            self._take_over([*self._unsynced, *batch])
            return
        before = self._size
        try:
            self._files.write(self._handle, data, self._size)
            self._size += len(data)
            self._unsynced.extend(batch)
            self._unsynced_bytes += len(data)
            if self._sync_is_due():
                self._flush()
        except OSError:
            if self._size > before:
                del self._unsynced[-len(batch) :]
                self._unsynced_bytes -= len(data)
            self._undo(before)
            raise

    def _undo(self, size: int) -> None:
        """Take back what a failed append left behind the first `size` bytes."""
        self._size = size
        try:
            self._files.truncate(self._handle, size)
            # Else a power failure could bring back what was refused in place of what follows.
            self._files.fsync(self._handle)
        except OSError:
            self._trusted = False

    def _sync_is_due(self) -> bool:
        return (
            self._durability == "fsync"
            or self._unsynced_bytes >= limits.LOG_UNSYNCED_BYTES_MAX
            or self._monotonic_s() - self._synced_s >= self._interval_s
        )

    def _flush(self) -> None:
        """Make the unsynced records durable; on OSError they still are unsynced."""
        if not self._unsynced:
            return
        if self._trusted:
            try:
                self._files.fsync(self._handle)
            except OSError:
                self._trusted = False
            else:
                self._durable_size = self._size
                self._settle(_end_of(self._unsynced, self._durable_end))
                return
        self._take_over(self._unsynced)

    def _take_over(self, records: Sequence[bytes]) -> None:
        """Go on in a new segment that holds `records` from the durable end on."""
        first = self._durable_end
        last = self._segments[-1]
        self._begin_segment(first, last.follows if last.first == first else first, records)

    def _settle(self, end: int) -> None:
        self._durable_end = end
        self._unsynced = []
        self._unsynced_bytes = 0
        self._synced_s = self._monotonic_s()

    def _begin_segment(self, first: int, follows: int, records: Sequence[bytes]) -> None:
        """Write a segment that holds `records`, all on disk before it gets its name."""
        path = segment_path(self._folder, first)
        new = path.with_suffix(NEW_SUFFIX)
        data = b"".join([header(first, follows), mark(HEADER.size), *records])
        # Should the name be given and its fsync fail, only a segment of the same name may follow.
        self._trusted = False
        handle = -1
        try:
            handle = self._files.create(new)
            self._files.write(handle, data, 0)
            self._files.fsync(handle)
            self._files.rename(new, path)
            self._files.fsync_folder(self._folder)
        except BaseException:
            if handle >= 0:
                self._files.close(handle)
            with contextlib.suppress(OSError):
                self._files.remove(new)
            raise
        if self._handle >= 0:
            self._files.close(self._handle)
        if self._segments and self._segments[-1].first == first:
            self._segments.pop()  # the new one took its name
        self._segments.append(Segment(path, first, follows))
        self._handle, self._trusted = handle, True
        self._size = self._durable_size = len(data)
        self._settle(_end_of(records, first))

    def sync(self) -> None:
        try:
            self._flush()
        except OSError as error:
            self._refused = str(error)
            raise LogRefused(reason=str(error)) from error

    def replay(self, from_position: int = 0) -> Iterator[Record]:
        if from_position < self.first:
            raise LogTrimmed(asked=from_position, first=self.first)
        segments, end = list(self._segments), self._end
        for segment, until in _spans(segments, end):
            if until <= from_position:
                continue
            for record, _ in _read(self._files, segment, until):
                if record.end > from_position:
                    yield record

    def skip(self, position: int) -> None:
        assert position >= self._end
        if position == self._end:
            return
        try:
            self._flush()
            self._begin_segment(position, self._durable_end, [])
        except OSError as error:
            # The next append would not know of the gap; whoever asked for it must ask again.
            raise LogRefused(reason=str(error)) from error
        self._end = position

    def roll(self) -> None:
        if self._end == self._segments[-1].first:
            return
        try:
            self._flush()
            self._begin_segment(self._end, self._end, [])
        except OSError as error:
            self._refused = str(error)
            raise LogRefused(reason=str(error)) from error

    def trim(self, before: int) -> int:
        while len(self._segments) > 1 and self._segments[1].follows <= before:
            self._files.remove(self._segments[0].path)
            # One at a time: a crash must not bring back a segment older than a missing one.
            self._files.fsync_folder(self._folder)
            self._segments = self._segments[1:]
        return self.first

    def info(self) -> LogInfo:
        return LogInfo(
            durability=self._durability,
            first=self.first,
            end=self._end,
            durable_end=self._durable_end,
            segments=len(self._segments),
            size_bytes=sum(_size(self._files, s) for s in self._segments),
            cut=self._cut,
            refused=self._refused,
        )

    def verify(self) -> Verified:
        return _verify(self._files, list(self._segments), self._end, None)

    def close(self) -> None:
        if self._handle < 0:
            return
        try:
            self.sync()
            if self._appended and self._trusted:
                # Sealed: damage from now on is known for what it is.
                self._files.write(self._handle, mark(self._durable_size), self._size)
                self._files.fsync(self._handle)
        except OSError as error:
            raise LogRefused(reason=str(error)) from error
        finally:
            self._files.close(self._handle)
            self._handle = -1


class MemoryLog:
    """The log of a process that keeps nothing: rehearsals, replays of recorded traces, tests."""

    def __init__(self) -> None:
        self._records: list[bytes] = []
        self._starts: list[int] = []
        self._first = 0
        self._end = 0

    @property
    def first(self) -> int:
        return self._first

    @property
    def end(self) -> int:
        return self._end

    @property
    def durable_end(self) -> int:
        return self._end

    def append(self, batch: Sequence[bytes]) -> int:
        end = _end_of(batch, self._end)
        for data in batch:
            self._starts.append(RECORD_HEADER.unpack_from(data)[3])
            self._records.append(data)
        self._end = end
        return end

    def sync(self) -> None:
        pass

    def replay(self, from_position: int = 0) -> Iterator[Record]:
        if from_position < self._first:
            raise LogTrimmed(asked=from_position, first=self._first)
        at = max(bisect.bisect_right(self._starts, from_position) - 1, 0)
        for data in self._records[at:]:
            record, _ = decode(data)
            if record.end > from_position:
                yield record

    def skip(self, position: int) -> None:
        assert position >= self._end
        self._end = position

    def roll(self) -> None:
        pass

    def trim(self, before: int) -> int:
        dropped = 0
        while dropped < len(self._records) and check(self._records[dropped]).after <= before:
            dropped += 1
        if dropped:
            del self._records[:dropped], self._starts[:dropped]
            self._first = self._starts[0] if self._starts else self._end
        return self._first

    def info(self) -> LogInfo:
        return LogInfo(
            durability="memory",
            first=self._first,
            end=self._end,
            durable_end=self._end,
            segments=1,
            size_bytes=sum(map(len, self._records)),
            cut=None,
            refused="",
        )

    def verify(self) -> Verified:
        entries = sum(record.count for record in self.replay(self._first))
        return Verified(
            segments=1,
            records=len(self._records),
            entries=entries,
            first=self._first,
            end=self._end,
            size_bytes=sum(map(len, self._records)),
            tail=None,
        )

    def close(self) -> None:
        pass


def verify_folder(folder: Path, files: Files | None = None, *, end: int | None = None) -> Verified:
    """Read the log in `folder` without changing it.

    end: the position up to which it stands, where a process holds it open and goes on writing.
    Raises LogDamaged with the place of the first damage that opening would refuse; where the log
    is held and trimmed meanwhile, FileNotFoundError.
    """
    files = files or Disk()
    segments = read_segments(files, folder)
    if not segments:
        return _verify(files, [], 0, None)
    if end is not None:
        return _verify(files, [each for each in segments if each.first <= end], end, None)
    end, cut = _tail(files, segments[-1])
    return _verify(files, segments, end, cut)


def info_folder(folder: Path, durability: Durability, files: Files | None = None) -> LogInfo:
    """The log in `folder`, which no process holds open, at a glance; `cut` is what opening would
    cut off. Raises LogDamaged where opening would.
    """
    files = files or Disk()
    segments = read_segments(files, folder)
    end, cut = _tail(files, segments[-1]) if segments else (0, None)
    return LogInfo(
        durability=durability,
        first=segments[0].first if segments else 0,
        end=end,
        durable_end=end,
        segments=len(segments),
        size_bytes=sum(_size(files, segment) for segment in segments),
        cut=cut,
        refused="",
    )


def _tail(files: Files, last: Segment) -> tuple[int, Cut | None]:
    """Where the last segment ends, and what opening would cut off behind it."""
    handle = files.open(last.path)
    try:
        end, _, cut = _sound(files, handle, last)
    finally:
        files.close(handle)
    return end, cut


def _verify(files: Files, segments: list[Segment], end: int, cut: Cut | None) -> Verified:
    records = entries = 0
    for segment, until in _spans(segments, end):
        for record, _ in _read(files, segment, until):
            records += 1
            entries += record.count
    return Verified(
        segments=len(segments),
        records=records,
        entries=entries,
        first=segments[0].first if segments else 0,
        end=end,
        size_bytes=sum(_size(files, segment) for segment in segments),
        tail=cut,
    )


def _end_of(batch: Sequence[bytes], position: int) -> int:
    """Position after `batch`, whose first record must be at `position`."""
    for data in batch:
        _, _, _, at, entries, _ = RECORD_HEADER.unpack_from(data)
        assert at == position, "a record must begin where the log ends"
        assert len(data) <= limits.RECORD_BYTES_MAX, "a record must stay below RECORD_BYTES_MAX"
        position += entries
    return position


def _sound(files: Files, handle: int, segment: Segment) -> tuple[int, int, Cut | None]:
    """End position and size of the sound part of the last segment, and what opening cuts off.

    Raises LogDamaged where more than a torn tail is damaged.
    """
    end, offset = segment.first, HEADER.size
    try:
        for found in walk(files, handle, segment.first, None):
            end, offset = found.head.after, found.end
        return end, files.size(handle), None
    except RecordDamaged as error:
        path, offset = str(segment.path), error.offset
        if was_durable(files, handle, offset):
            raise LogDamaged(path=path, offset=offset, reason=error.reason) from error
        size = files.size(handle) - offset
        return end, offset, Cut(path=path, offset=offset, size_bytes=size, reason=error.reason)


def _spans(segments: Sequence[Segment], end: int) -> Iterator[tuple[Segment, int]]:
    """Each segment with the position up to which it counts."""
    for segment, after in itertools.pairwise(segments):
        yield segment, after.follows
    if segments:
        yield segments[-1], end


def _read(files: Files, segment: Segment, until: int) -> Iterator[tuple[Record, int]]:
    """Records of `segment` up to position `until`, with their offsets.

    Raises LogDamaged at the first that is not sound.
    """
    handle = files.open(segment.path)
    offset = HEADER.size
    try:
        for found in walk(files, handle, segment.first, until):
            offset = found.end - len(found.data)
            record, _ = decode(found.data)
            yield record, offset
    except RecordDamaged as error:
        at = max(error.offset, offset)
        raise LogDamaged(path=str(segment.path), offset=at, reason=error.reason) from error
    finally:
        files.close(handle)


def _size(files: Files, segment: Segment) -> int:
    handle = files.open(segment.path)
    try:
        return files.size(handle)
    finally:
        files.close(handle)
