"""The log's records: what goes in comes out, and damage never passes for a record."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RecordDamaged
from engine.records import (
    HEADER,
    Catalogue,
    Change,
    Consent,
    Counter,
    Device,
    Entry,
    Erasure,
    Feed,
    Outcome,
    Outcomes,
    Override,
    PingRows,
    Profile,
    Record,
    Tick,
    check,
    decode,
    encode,
    rebatch,
)
from geofence.columns import Pings

words = st.text(max_size=12)
times_ms = st.integers(0, 2**45)
doubles = st.floats(allow_nan=False)


@st.composite
def ping_rows(draw: st.DrawFn, min_size: int = 0) -> PingRows:
    names = tuple(draw(st.lists(words, min_size=1, max_size=4, unique=True)))
    row = st.tuples(
        st.integers(0, len(names) - 1),
        times_ms,
        st.floats(),
        st.floats(),
        st.floats(width=32),
        st.floats(width=32),
        st.integers(0, 255),
    )
    rows = draw(st.lists(row, min_size=min_size, max_size=8))
    kinds = ("i4", "i8", "f8", "f8", "f4", "f4", "u1")
    columns = [np.array([row[i] for row in rows], kind) for i, kind in enumerate(kinds)]
    return PingRows.of(names, Pings(*columns))


changes = st.builds(
    Change,
    kind=st.sampled_from(["zone", "campaign", "place"]),
    id=words,
    version=st.integers(1, 2**31),
    body=st.none() | st.binary(max_size=20),
)
outcomes = st.builds(
    Outcome,
    notification=words,
    decision=words,
    visitor=words,
    device=words,
    state=words,
    reason=words,
    at_ms=times_ms,
)
others: st.SearchStrategy[Entry] = st.one_of(
    st.builds(Tick, now_ms=times_ms),
    st.builds(Catalogue, changes=st.lists(changes, max_size=3).map(tuple), author=words),
    st.builds(
        Device,
        device=words,
        visitor=words,
        platform=st.sampled_from(["android", "web"]),
        languages=st.lists(words, max_size=2).map(tuple),
        simulated=st.booleans(),
    ),
    st.builds(
        Consent,
        visitor=words,
        purposes=st.dictionaries(st.sampled_from(["location", "push"]), st.booleans()),
        at_ms=times_ms,
    ),
    st.builds(
        Profile,
        visitor=words,
        segments=st.lists(words, max_size=2).map(tuple),
        attributes=st.dictionaries(words, words | doubles | st.booleans(), max_size=3),
    ),
    st.builds(Feed, name=words, value=doubles | words | st.booleans(), at_ms=times_ms),
    st.builds(Counter, zone=words, persons=st.integers(0, 10**6), at_ms=times_ms),
    st.builds(Override, zone=words, level=st.none() | words, until_ms=times_ms, author=words),
    st.builds(Outcomes, outcomes=st.lists(outcomes, max_size=3).map(tuple)),
    st.builds(Erasure, visitor=words),
)
entries = ping_rows() | others
records = st.builds(Record, position=st.integers(0, 2**63), received_ms=times_ms, entry=entries)


def log_of(entries: list[Entry], start: int = 0) -> list[Record]:
    """Entries as records at the positions that a log would give them."""
    log: list[Record] = []
    for i, entry in enumerate(entries):
        position = log[-1].end if log else start
        log.append(Record(position=position, received_ms=1000 + i, entry=entry))
    return log


def flat(log: list[Record]) -> list[tuple[int, object]]:
    """One (position, ping or entry) an entry, however the pings were batched; NaN by its bits."""
    out: list[tuple[int, object]] = []
    for record in log:
        if not isinstance(record.entry, PingRows):
            out.append((record.position, record.entry))
            continue
        pings = record.entry.columns(np.arange(len(record.entry.visitors), dtype=np.int32))
        for i in range(record.count):
            values = tuple(column[i].tobytes() for column in pings[1:])
            name = record.entry.visitors[pings.visitor[i]]
            out.append((record.position + i, (name, values)))
    return out


@given(records)
def test_a_record_survives_its_round_trip(record: Record) -> None:
    data = encode(record)
    again, end = decode(data)
    assert again == record
    assert end == len(data)
    head = check(data)
    assert (head.position, head.entries, head.end) == (record.position, record.count, len(data))


@given(st.lists(records, min_size=1, max_size=4), st.binary(max_size=5))
def test_records_are_read_one_behind_the_other_wherever_they_start(
    several: list[Record], before: bytes
) -> None:
    data = before + b"".join(encode(record) for record in several)
    offset = len(before)
    for record in several:
        found, offset = decode(memoryview(data), offset)
        assert found == record
    assert offset == len(data)


@given(records, st.data())
def test_damage_at_any_byte_is_detected(record: Record, data: st.DataObject) -> None:
    good = encode(record)
    flip = data.draw(st.integers(1, 255), label="flip")
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= flip
        with pytest.raises(RecordDamaged):
            decode(bytes(bad))


@given(records, st.binary(min_size=1, max_size=40))
def test_a_record_cut_short_anywhere_is_detected(record: Record, after: bytes) -> None:
    good = encode(record)
    for size in range(len(good)):
        with pytest.raises(RecordDamaged):
            decode(good[:size])
        rest = good[size:]
        if any(rest):  # zeros of a hole stand where the rest should be
            with pytest.raises(RecordDamaged):
                decode(good[:size] + bytes(len(rest) + 40))
    assert decode(good + after)[1] == len(good)


def test_zeros_are_no_record() -> None:
    with pytest.raises(RecordDamaged):
        decode(bytes(HEADER.size * 4))


def test_columns_of_different_lengths_are_damage_though_their_checksum_agrees() -> None:
    rows = PingRows(
        visitors=("v",),
        visitor=bytes(8),
        fix_ms=bytes(8),
        lon=bytes(8),
        lat=bytes(8),
        accuracy_m=bytes(4),
        speed_mps=bytes(4),
        flags=bytes(1),
    )
    with pytest.raises(RecordDamaged, match="disagree"):
        decode(encode(Record(position=0, received_ms=0, entry=rows)))


@given(st.lists(ping_rows(min_size=1) | others, max_size=8), st.integers(1, 20))
def test_rebatching_keeps_every_entry_and_its_position(entries: list[Entry], size: int) -> None:
    log = log_of(entries, start=7)
    again = rebatch(log, size)
    assert flat(again) == flat(log)
    assert all(r.count <= size for r in again if isinstance(r.entry, PingRows))
    assert [decode(encode(record))[0] for record in again] == again


@given(st.lists(ping_rows(min_size=1), min_size=2, max_size=4), st.integers(1, 20))
def test_rebatching_joins_no_pings_over_a_gap_in_the_positions(
    entries: list[Entry], size: int
) -> None:
    first, *rest = log_of(entries)
    log = [first, *log_of([record.entry for record in rest], start=first.end + 5)]
    assert flat(rebatch(log, size)) == flat(log)


@given(st.lists(ping_rows(min_size=1) | others, max_size=8))
def test_the_widest_batch_is_as_few_records_as_there_are_runs(entries: list[Entry]) -> None:
    runs = 0
    within = False
    for entry in entries:
        is_pings = isinstance(entry, PingRows)
        runs += not (is_pings and within)
        within = is_pings
    assert len(rebatch(log_of(entries), 10_000)) == runs
