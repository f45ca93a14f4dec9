"""Our own files of records."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from content import limits
from content.errors import FormatInvalid
from content.events import EventRecord
from content.formats.jsonfile import read_records
from content.places import PlaceRecord

A: dict[str, Any] = {"id": "a", "name": {"fr": "A"}, "lon": 6.1, "lat": 45.9}
B = A | {"id": "b"}


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """A record of another room: whatever has an id and a name is read."""

    id: str
    name: dict[str, str]


@pytest.mark.parametrize(
    "data",
    [
        json.dumps([A, B]),
        json.dumps([A, B], indent=2),
        json.dumps(A) + "\n" + json.dumps(B),
        "\ufeff" + json.dumps(A) + "\r\n\r\n" + json.dumps(B) + "\n",
    ],
)
def test_an_array_and_one_record_a_line_are_read_alike(data: str) -> None:
    report = read_records(data.encode(), PlaceRecord)
    assert [record.id for record in report.records] == ["a", "b"]
    assert (report.read, report.problems) == (2, ())


def test_a_single_record_is_a_file_too() -> None:
    report = read_records(json.dumps(A, indent=1).encode(), PlaceRecord)
    assert [record.id for record in report.records] == ["a"]


def test_each_bad_record_is_reported_with_index_id_and_field() -> None:
    items = [A, A | {"id": "c", "lat": 95}, B | {"colour": 1}, 7, A, B]
    report = read_records(json.dumps(items).encode(), PlaceRecord)
    assert [record.id for record in report.records] == ["a", "b"]
    assert [(p.index, p.id, p.field) for p in report.problems] == [
        (1, "c", "lat"), (2, "b", ""), (3, None, ""), (4, "a", "id"),
    ]  # fmt: skip
    assert "colour" in report.problems[1].reason


def test_a_broken_line_leaves_the_other_lines_alone() -> None:
    data = json.dumps(A) + "\n{broken\n" + json.dumps(B)
    report = read_records(data.encode(), PlaceRecord)
    assert [record.id for record in report.records] == ["a", "b"]
    assert [problem.index for problem in report.problems] == [1]


def test_a_number_that_is_none_spoils_its_record_only() -> None:
    data = json.dumps([A, B | {"lon": float("nan")}])
    report = read_records(data.encode(), PlaceRecord)
    assert [record.id for record in report.records] == ["a"]
    assert [(p.id, p.field) for p in report.problems] == [("b", "lon")]


def test_nested_rules_are_named_by_their_whole_path() -> None:
    event = {"id": "e", "name": {"fr": "E"}, "recurrence": {"start_rule": {}, "duration_min": 1}}
    (problem,) = read_records(json.dumps([event]).encode(), EventRecord).problems
    assert problem.field == "recurrence.start_rule.start_rule"


def test_records_of_other_rooms_are_read_by_the_same_rules() -> None:
    report = read_records(b'[{"id": "x", "name": {}}, {"id": 3}]', Campaign)
    assert [record.id for record in report.records] == ["x"]
    assert [problem.field for problem in report.problems] == ["id"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"  ",
        b"7",
        b"[{]",
        b'{\n"id": "a",\n"name"',
        b"\xff\xfe",
        b'{"type": "FeatureCollection", "features": []}',
    ],
)
def test_a_file_that_holds_no_records_is_refused(data: bytes) -> None:
    with pytest.raises(FormatInvalid):
        read_records(data, PlaceRecord)


def test_the_number_of_records_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "IMPORT_RECORDS_MAX", 1)
    with pytest.raises(FormatInvalid):
        read_records(json.dumps([A, B]).encode(), PlaceRecord)
