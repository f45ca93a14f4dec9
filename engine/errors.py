"""Errors of the engine.

EngineError
├── RecordDamaged        bytes of the log that are not a record
├── LogDamaged           damage before the tail: the engine refuses to start
├── LogRefused           the log cannot take more (disk full, read-only)
├── LogTrimmed           entries that are no longer kept were asked for
├── SnapshotUnfit        parts that make no state of a pipeline
├── SnapshotDamaged      a snapshot that cannot be read
├── SnapshotRefused      a snapshot cannot be written for now
├── SnapshotsLost        the log was trimmed and no snapshot can be read: no start
├── StoreRefused         the database cannot be read or written for now
├── DataHeld             another process holds the data directory
├── DataTooNew           the data was written by a newer version
├── Overloaded           a bounded queue is full
├── TracesInvalid        a file of recorded traces cannot be read
└── Conflict             a version was asked for that is not the newest
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of what the engine raises for conditions a caller can meet."""


class RecordDamaged(EngineError):
    """Bytes at `offset` are not a record, for `reason`."""

    def __init__(self, *, offset: int, reason: str) -> None:
        super().__init__(f"at byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason


class LogDamaged(EngineError):
    """The log is damaged before its tail; `path` and `offset` say where."""

    def __init__(self, *, path: str, offset: int, reason: str) -> None:
        super().__init__(
            f"{path} is damaged at byte {offset} ({reason}) and good records follow. "
            "Nothing was changed. Restore a backup, or move the file away to start without it."
        )
        self.path = path
        self.offset = offset
        self.reason = reason


class LogRefused(EngineError):
    """The log could not be written; `reason` is the system's."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"the log cannot be written: {reason}")
        self.reason = reason


class LogTrimmed(EngineError):
    """Entries from `asked` on were wanted, and those before `first` are no longer kept."""

    def __init__(self, *, asked: int, first: int) -> None:
        super().__init__(f"the log begins at position {first}; {asked} is no longer kept")
        self.asked = asked
        self.first = first


class SnapshotUnfit(EngineError):
    """Parts of a snapshot do not make a state, for `reason`."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SnapshotDamaged(EngineError):
    """The snapshot at `path` cannot be read, for `reason`."""

    def __init__(self, *, path: str, reason: str) -> None:
        super().__init__(f"{path} cannot be read: {reason}")
        self.path = path
        self.reason = reason


class SnapshotRefused(EngineError):
    """A snapshot could not be written; the ones before stand. `reason` is the system's."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"no snapshot can be written: {reason}")
        self.reason = reason


class SnapshotsLost(EngineError):
    """The log begins at `first`, and no snapshot that it goes on from can be used."""

    def __init__(self, *, folder: str, first: int, reasons: tuple[str, ...]) -> None:
        tried = "; ".join(reasons) or f"there is none in {folder}"
        super().__init__(
            f"the log begins at position {first} and no snapshot leads up to it ({tried}). "
            "Nothing was changed. Restore a backup."
        )
        self.folder = folder
        self.first = first
        self.reasons = reasons


class StoreRefused(EngineError):
    """The database could not be read or written; nothing changed. `reason` is the system's."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"the database refuses: {reason}")
        self.reason = reason


class DataHeld(EngineError):
    """Another process holds the data directory."""

    def __init__(self, *, path: str, holder: str) -> None:
        super().__init__(f"{path} is in use by {holder}; stop it first, or choose another --data")
        self.path = path
        self.holder = holder


class DataTooNew(EngineError):
    """The data directory was written by a newer version of Balise."""

    def __init__(self, *, path: str, found: int, known: int) -> None:
        super().__init__(f"{path} has format {found}; this Balise knows up to {known}: upgrade it")
        self.found = found
        self.known = known


class Overloaded(EngineError):
    """A bounded queue is full; try again in `retry_after_s`."""

    def __init__(self, *, queue: str, retry_after_s: float) -> None:
        super().__init__(f"{queue} is full")
        self.queue = queue
        self.retry_after_s = retry_after_s


class TracesInvalid(EngineError):
    """A file of recorded traces cannot be read as a whole, for `reason`."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"the traces file {reason}")
        self.reason = reason


class Conflict(EngineError):
    """The record's newest version is `newest`, not the one the change was based on."""

    def __init__(self, *, kind: str, record_id: str, newest: int) -> None:
        super().__init__(f"{kind} {record_id} is at version {newest}")
        self.kind = kind
        self.record_id = record_id
        self.newest = newest
