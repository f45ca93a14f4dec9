"""Traces files: the columns people export are understood, and each bad row is named."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import limits
from engine.errors import EngineError, TracesInvalid
from engine.traces import Traces, parse_traces, read_traces

AT_MS = 1_466_241_953_000  # 2016-06-18T09:25:53Z


def parse(text: str) -> Traces:
    return parse_traces(text.splitlines(keepends=True))


def problem(row: str, header: str = "visitor,ts,lat,lon,acc,speed") -> tuple[int, str, str]:
    traces = parse(f"{header}\nv,{AT_MS},41,2,,\n{row}\n")
    (found,) = traces.problems
    assert (traces.rows, traces.refused, len(traces.pings.fix_ms)) == (2, 1, 1)
    return found.row, found.column, found.reason


@pytest.mark.parametrize("visitor", ["visitor", "id", "device", "Device ID", "visitor_id"])
@pytest.mark.parametrize("time", ["ts", "time", "Timestamp", "fix_ms"])
@pytest.mark.parametrize(
    ("lat", "lon"), [("lat", "lon"), ("latitude", "lng"), ("Lat", "LONGITUDE")]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_are_known_by_their_usual_names_in_any_order(
    visitor: str, time: str, lat: str, lon: str, delimiter: str
) -> None:
    rows = [(lon, "note", visitor, lat, time), ("2.184", "x", "v1", "41.3886891", str(AT_MS))]
    traces = parse("\n".join(delimiter.join(row) for row in rows))
    assert traces.visitors == ("v1",)
    assert traces.pings.fix_ms.tolist() == [AT_MS]
    assert traces.pings.lat.tolist() == [41.3886891]
    assert traces.pings.lon.tolist() == [2.184]
    assert traces.pings.accuracy_m.tolist() == [-1]
    assert traces.pings.speed_mps.tolist() == [-1]


@pytest.mark.parametrize(
    "written",
    [
        "2016-06-18T09:25:53Z",
        "2016-06-18 09:25:53",
        "2016-06-18T11:25:53+02:00",
        "2016-06-18T09:25:53.000Z",
        "1466241953",
        "1466241953.0",
        "1466241953000",
        "1.466241953e9",
    ],
)
def test_times_are_read_as_iso_seconds_or_milliseconds(written: str) -> None:
    assert parse(f"id,ts,lat,lon\na,{written},41,2").pings.fix_ms.tolist() == [AT_MS]


def test_a_column_named_in_milliseconds_is_in_milliseconds_however_small() -> None:
    assert parse("id,fix_ms,lat,lon\na,1500,41,2").pings.fix_ms.tolist() == [1500]
    assert parse("id,time,lat,lon\na,1500,41,2").pings.fix_ms.tolist() == [1_500_000]


@given(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
@settings(deadline=None)
def test_every_instant_is_the_same_in_every_writing(when: datetime) -> None:
    when = when.replace(microsecond=when.microsecond // 1000 * 1000)
    ms = round(when.timestamp() * 1000)
    body = f"a,{when.isoformat()},41,2\na,{when.timestamp():.3f},41,2"
    assert parse(f"id,ts,lat,lon\n{body}").pings.fix_ms.tolist() == [ms, ms]


def test_accuracy_and_speed_are_read_and_unknown_where_empty_or_negative() -> None:
    traces = parse("id,ts,lat,lng,accuracy,speed\na,1,1,1,12.5,1.4\na,2,1,1,,\na,3,1,1,-1,-2\n")
    assert traces.pings.accuracy_m.tolist() == [12.5, -1, -1]
    assert traces.pings.speed_mps.tolist() == pytest.approx([1.4, -1, -1])


def test_fixes_come_in_the_order_of_their_times_over_the_whole_file() -> None:
    traces = parse("id,ts,lat,lon\nb,30,1,1\na,10,2,2\nb,20,3,3\na,20,4,4\n")
    assert traces.visitors == ("b", "a")
    assert traces.pings.fix_ms.tolist() == [10_000, 20_000, 20_000, 30_000]
    assert traces.pings.visitor.tolist() == [1, 0, 1, 0]
    assert traces.pings.lat.tolist() == [2, 3, 4, 1]


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        (f",{AT_MS},41,2", "visitor", "is missing"),
        ("v,,41,2", "time", "is missing"),
        ("v", "time", "is missing"),
        (f"v,{AT_MS},41", "lon", "is missing"),
        ("v,yesterday,41,2", "time", "'yesterday' is not a time"),
        ("v,inf,41,2", "time", "'inf' is not a time"),
        ("v,-5,41,2", "time", "'-5' is not a time"),
        ("v,1e300,41,2", "time", "'1e300' is not a time"),
        (f"v,{AT_MS},nan,2", "lat", "'nan' is not a finite number"),
        (f"v,{AT_MS},north,2", "lat", "'north' is not a finite number"),
        (f"v,{AT_MS},41,190", "lon", "'190' is outside -180 to 180"),
        (f"v,{AT_MS},102.3,2", "lat", "'102.3' is outside -90 to 90; are lat and lon swapped?"),
        (f"v,{AT_MS},102.3,102.3", "lat", "'102.3' is outside -90 to 90"),
        (f"v,{AT_MS},41,2,good", "accuracy", "'good' is not a finite number"),
        (f"v,{AT_MS},41,2,5,inf", "speed", "'inf' is not a finite number"),
    ],
)
def test_a_bad_row_is_named_by_line_and_column_and_the_others_stay(
    row: str, column: str, reason: str
) -> None:
    line, found, why = problem(row)
    assert (line, found) == (3, column)
    assert why.startswith(reason)


def test_lines_are_counted_as_an_editor_shows_them() -> None:
    text = 'id,ts,lat,lon,note\na,1,1,1,"two\nlines"\n\na,x,1,1,\n'
    assert [p.row for p in parse(text).problems] == [5]


def test_long_cells_are_shown_cut_and_problems_up_to_a_bound() -> None:
    traces = parse("id,ts,lat,lon\n" + f"a,{'x' * 500},1,1\n" * (limits.TRACE_PROBLEMS_MAX + 7))
    assert len(traces.problems) == limits.TRACE_PROBLEMS_MAX
    assert traces.refused == traces.rows == limits.TRACE_PROBLEMS_MAX + 7
    assert len(traces.problems[0].reason) < 120


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no column for the visitor"),
        ("id,ts,lat\na,1,1", "has no column for the lon: lon or lng or longitude"),
        ("id,lat,lon\n", "has no column for the time"),
        ("id,ts,lat,lon,lat\n", "has two columns named 'lat'"),
    ],
)
def test_a_file_without_its_columns_is_refused(text: str, reason: str) -> None:
    with pytest.raises(TracesInvalid) as caught:
        parse(text)
    assert caught.value.reason.startswith(reason)
    assert isinstance(caught.value, EngineError)


def test_a_header_alone_is_no_fix() -> None:
    traces = parse("id,ts,lat,lon\n")
    assert (traces.rows, len(traces.pings.fix_ms), traces.visitors) == (0, 0, ())


def test_files_that_cannot_be_read_are_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TracesInvalid, match="cannot be read: No such file"):
        read_traces(tmp_path / "absent.csv")
    latin = tmp_path / "latin.csv"
    latin.write_bytes("id,ts,lat,lon\né,1,1,1\n".encode("latin-1"))
    with pytest.raises(TracesInvalid, match="is not UTF-8 at byte 14"):
        read_traces(latin)
    wide = tmp_path / "wide.csv"
    wide.write_text(f"id,ts,lat,lon\n{'x' * 200_000},1,1,1\n")
    with pytest.raises(TracesInvalid, match="line 2: field larger"):
        read_traces(wide)
    monkeypatch.setattr(limits, "TRACE_ROWS_MAX", 1)
    with pytest.raises(TracesInvalid, match="more than 1 rows"):
        parse("id,ts,lat,lon\na,1,1,1\na,2,1,1\n")


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    marked = tmp_path / "marked.csv"
    marked.write_text("id,ts,lat,lon\na,1,1,1\n", encoding="utf-8-sig")
    assert read_traces(marked).visitors == ("a",)


@pytest.mark.real_data
def test_the_recorded_walks_of_barcelona_are_read_whole(data_dir: Path) -> None:
    traces = read_traces(data_dir / "barcelona/traces_beepath2016_ciutadella.csv")
    assert (traces.rows, traces.refused, len(traces.visitors)) == (29_145, 0, 103)
    assert np.all(np.diff(traces.pings.fix_ms) >= 0)
