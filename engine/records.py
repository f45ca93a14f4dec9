"""What enters: the kinds of log record and their codecs.

State is a function of these records in order. A record holds one batch of pings or one other entry.
Positions count entries, a ping being one, so how pings were batched changes no position.

Layout (little-endian): length u32 of what follows the checksum, crc32 u32 of the length and what
follows the checksum, then kind u8, position u64 of the first entry, count u32 of entries, received
i64 (ms since 1970), then the payload in MessagePack; ping columns travel as raw little-endian
arrays inside it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from engine.errors import RecordDamaged
from geofence.columns import F32, F64, I32, I64, U8, Pings

HEADER = struct.Struct("<IIBQIq")
CHECKED_FROM = 8  # the checksum covers what follows length and checksum


class PingRows(msgspec.Struct, frozen=True, kw_only=True, tag=1):
    """A batch of pings; `visitors` is the table that the column `visitor` points into."""

    visitors: tuple[str, ...]
    visitor: bytes
    fix_ms: bytes
    lon: bytes
    lat: bytes
    accuracy_m: bytes
    speed_mps: bytes
    flags: bytes

    @property
    def count(self) -> int:
        return len(self.flags)

    @staticmethod
    def of(visitors: tuple[str, ...], pings: Pings) -> PingRows:
        """Pack columns whose `visitor` holds indexes into `visitors`."""
        return PingRows(
            visitors=visitors,
            visitor=pings.visitor.astype("<i4").tobytes(),
            fix_ms=pings.fix_ms.astype("<i8").tobytes(),
            lon=pings.lon.astype("<f8").tobytes(),
            lat=pings.lat.astype("<f8").tobytes(),
            accuracy_m=pings.accuracy_m.astype("<f4").tobytes(),
            speed_mps=pings.speed_mps.astype("<f4").tobytes(),
            flags=pings.flags.astype("u1").tobytes(),
        )

    def columns(self, slots: I32) -> Pings:
        """Unpack, with table indexes replaced by `slots[index]`."""
        index: I32 = np.frombuffer(self.visitor, "<i4")
        fix_ms: I64 = np.frombuffer(self.fix_ms, "<i8")
        lon: F64 = np.frombuffer(self.lon, "<f8")
        lat: F64 = np.frombuffer(self.lat, "<f8")
        accuracy_m: F32 = np.frombuffer(self.accuracy_m, "<f4")
        speed_mps: F32 = np.frombuffer(self.speed_mps, "<f4")
        flags: U8 = np.frombuffer(self.flags, "u1")
        return Pings(slots[index], fix_ms, lon, lat, accuracy_m, speed_mps, flags)


class Tick(msgspec.Struct, frozen=True, kw_only=True, tag=2):
    """The engine's now, ms since 1970. Never backwards."""

    now_ms: int


CatalogueKind = Literal[
    "destination", "zone", "place", "event", "circuit", "offer", "alert", "campaign"
]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One version of one catalogue record; `body` is its JSON, None where it was deleted."""

    kind: CatalogueKind
    id: str
    version: int
    body: bytes | None


class Catalogue(msgspec.Struct, frozen=True, kw_only=True, tag=3):
    """Catalogue versions that take effect together."""

    changes: tuple[Change, ...]
    author: str


class WebPush(msgspec.Struct, frozen=True, kw_only=True):
    """Where a browser's pushes go: its PushSubscription."""

    endpoint: str
    p256dh: str
    auth: str


class Device(msgspec.Struct, frozen=True, kw_only=True, tag=4):
    """A device registered or updated, or retired (`retired` says why, else empty)."""

    device: str
    visitor: str
    platform: Literal["android", "ios", "web", "other"]
    languages: tuple[str, ...]
    app_version: str = ""
    push_token: str = ""
    simulated: bool = False
    retired: str = ""
    web_push: WebPush | None = None


Purpose = Literal["location", "push", "analytics"]


class Consent(msgspec.Struct, frozen=True, kw_only=True, tag=5):
    """What a visitor allows, per purpose; purposes not named keep their value."""

    visitor: str
    purposes: dict[Purpose, bool]
    at_ms: int


class Profile(msgspec.Struct, frozen=True, kw_only=True, tag=6):
    """What is known of a visitor besides devices: segments, typed attributes, stay dates."""

    visitor: str
    segments: tuple[str, ...] = ()
    attributes: dict[str, str | float | bool] = {}
    stay_from: str | None = None
    stay_until: str | None = None


class Feed(msgspec.Struct, frozen=True, kw_only=True, tag=7):
    """A value pushed in: weather, parking spaces."""

    name: str
    value: float | str | bool
    at_ms: int


class Counter(msgspec.Struct, frozen=True, kw_only=True, tag=8):
    """A counter's absolute number of persons in a zone at an instant."""

    zone: str
    persons: int
    at_ms: int


class Override(msgspec.Struct, frozen=True, kw_only=True, tag=9):
    """A level set by hand until an instant; level None reopens."""

    zone: str
    level: str | None
    until_ms: int
    author: str


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one notification.

    channel: on which it was sent; empty in logs older than the second channel with addresses.
    releases: with it every notification of its decision has ended without reaching anybody, so
    that the decision counts against no cap.
    """

    notification: str
    decision: str
    visitor: str
    device: str
    state: str
    reason: str
    at_ms: int
    releases: bool = False
    channel: str = ""


class Outcomes(msgspec.Struct, frozen=True, kw_only=True, tag=10):
    """Delivery outcomes: a failure releases the caps that its decision had reserved."""

    outcomes: tuple[Outcome, ...]


class Erasure(msgspec.Struct, frozen=True, kw_only=True, tag=11):
    """A visitor to be forgotten, with devices, consents and history."""

    visitor: str


Entry = (
    PingRows
    | Tick
    | Catalogue
    | Device
    | Consent
    | Profile
    | Feed
    | Counter
    | Override
    | Outcomes
    | Erasure
)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """An entry with its place in the log."""

    position: int
    received_ms: int
    entry: Entry

    @property
    def count(self) -> int:
        """Entries that the record stands for: its pings, or one."""
        return self.entry.count if isinstance(self.entry, PingRows) else 1

    @property
    def end(self) -> int:
        """Position after the record."""
        return self.position + self.count


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)


def encode(record: Record) -> bytes:
    """The record as it stands in the log."""
    payload = _encoder.encode(record.entry)
    kind: Any = type(record.entry).__struct_config__.tag
    head = HEADER.pack(
        HEADER.size - CHECKED_FROM + len(payload),
        0,
        kind,
        record.position,
        record.count,
        record.received_ms,
    )
    checksum = zlib.crc32(payload, zlib.crc32(head[CHECKED_FROM:], zlib.crc32(head[:4])))
    return head[:4] + struct.pack("<I", checksum) + head[CHECKED_FROM:] + payload


class Head(NamedTuple):
    """What the header of a sound record says: it holds `entries` entries from `position` on."""

    position: int
    entries: int
    received_ms: int
    end: int  # offset behind the record

    @property
    def after(self) -> int:
        """Position after the record."""
        return self.position + self.entries


def check(data: bytes | memoryview, offset: int = 0) -> Head:
    """Verify the record at `offset` by its checksum, without decoding its payload.

    Raises RecordDamaged (with `offset` and `reason`) where the bytes end early or the checksum
    disagrees.
    """
    if len(data) - offset < HEADER.size:
        raise RecordDamaged(offset=offset, reason="cut short in the header")
    length, checksum, _, position, count, received_ms = HEADER.unpack_from(data, offset)
    end = offset + CHECKED_FROM + length
    if length < HEADER.size - CHECKED_FROM or end > len(data):
        raise RecordDamaged(offset=offset, reason="cut short in the payload")
    view = memoryview(data)
    if zlib.crc32(view[offset + CHECKED_FROM : end], zlib.crc32(view[offset : offset + 4])) != (
        checksum
    ):
        raise RecordDamaged(offset=offset, reason="checksum disagrees")
    return Head(position, count, received_ms, end)


def decode(data: bytes | memoryview, offset: int = 0) -> tuple[Record, int]:
    """Read the record at `offset`; return it and the offset behind it.

    Raises RecordDamaged (with `offset` and `reason`) where the bytes end early, the checksum
    disagrees or the payload is not an entry.
    """
    head = check(data, offset)
    try:
        entry = _decoder.decode(memoryview(data)[offset + HEADER.size : head.end])
    except msgspec.MsgspecError as error:
        raise RecordDamaged(offset=offset, reason=f"not an entry: {error}") from error
    record = Record(position=head.position, received_ms=head.received_ms, entry=entry)
    if record.count != head.entries or not _columns_agree(entry):
        raise RecordDamaged(offset=offset, reason="its columns disagree on their length")
    return record, head.end


def _columns_agree(entry: Entry) -> bool:
    if not isinstance(entry, PingRows):
        return True
    wide = (entry.fix_ms, entry.lon, entry.lat)
    narrow = (entry.visitor, entry.accuracy_m, entry.speed_mps)
    return all(len(column) == 8 * entry.count for column in wide) and all(
        len(column) == 4 * entry.count for column in narrow
    )


def rebatch(records: Sequence[Record], size: int) -> list[Record]:
    """The same log with its runs of pings cut into records of at most `size` pings.

    A record made of several takes the time of receipt of the run's first.
    """
    out: list[Record] = []
    run: list[Record] = []

    def flush() -> None:
        if run:
            out.extend(_cut(run, size))
            run.clear()

    for record in records:
        if isinstance(record.entry, PingRows):
            if run and run[-1].end != record.position:
                flush()
            run.append(record)
        else:
            flush()
            out.append(record)
    flush()
    return out


def _cut(run: Sequence[Record], size: int) -> list[Record]:
    names: list[str] = []
    columns: list[Pings] = []
    for record in run:
        assert isinstance(record.entry, PingRows)
        slots = np.arange(len(names), len(names) + len(record.entry.visitors), dtype=np.int32)
        names.extend(record.entry.visitors)
        columns.append(record.entry.columns(slots))
    joined = Pings._make(np.concatenate(parts) for parts in zip(*columns, strict=True))
    out = []
    for start in range(0, len(joined.fix_ms), size):
        part = Pings._make(column[start : start + size] for column in joined)
        used, index = np.unique(part.visitor, return_inverse=True)
        table = tuple(names[i] for i in used)
        rows = PingRows.of(table, part._replace(visitor=index.astype(np.int32)))
        out.append(
            Record(position=run[0].position + start, received_ms=run[0].received_ms, entry=rows)
        )
    return out
