"""Imports: a file of any known format into one collection, with a report of every record.

With `Accept: application/x-ndjson` the answer has a line `{"done": n, "of": m}` before each part
that is written, and the report as its last line, `{"report": {...}}`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

import msgspec
from aiohttp import web
from msgspec import Meta

from api import bodies, limits, resources
from api.auth import Scope
from api.calls import JSON, Answerer, Call, Route, audit
from api.errors import FieldError
from content import limits as content_limits
from content.formats.report import ImportChange, ImportProblem, Report
from content.formats.sources import Format
from content.formats.table import ColumnMap
from content.texts import Language
from engine.ingest import Draft
from engine.motor import REFUSALS
from engine.records import CatalogueKind

GEOJSON = "application/geo+json"
NDJSON = "application/x-ndjson"
ANY_FILE = "application/octet-stream"
_PLACED = (GEOJSON, "application/ld+json", "text/csv")
TAKES: dict[CatalogueKind, tuple[str, ...]] = {
    "zone": (GEOJSON,),
    "place": (*_PLACED, "application/gpx+xml"),
    "event": (*_PLACED, "text/calendar"),
    "circuit": (*_PLACED, "application/gpx+xml"),
    "offer": ("application/ld+json",),
}
"""What is sent as its own type; any file of a known format may be sent as ANY_FILE."""


class ImportQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """repair: mend invalid polygons, and say what was changed. dry_run: change nothing. format:
    found out by what the file holds where it is not given. language: of texts that are written
    without one, by default the destination's. columns: of CSV, the map of columns as JSON.
    """

    repair: bool = False
    dry_run: bool = False
    format: Format | None = None
    language: Language | None = None
    columns: Annotated[str, Meta(max_length=content_limits.COLUMN_MAP_CHARS_MAX)] = ""


class ImportAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an import; `problems` were left out, `changes` made to read a record.

    read: records of the kind that the file holds; others: those of other kinds, which were passed
    over.
    """

    read: int
    others: int
    created: int
    updated: int
    unchanged: int
    dry_run: bool
    problems: list[ImportProblem]
    changes: list[ImportChange]


class _Row(NamedTuple):
    """A record of an import that is to be written; `at` is its index in the file."""

    at: int
    is_new: bool
    draft: Draft


def importer(kind: CatalogueKind) -> Answerer:
    """The handler of imports: good records enter, bad ones are reported one by one."""

    async def import_(call: Call) -> ImportAnswer | web.StreamResponse:
        query = call.query(ImportQuery)
        given = resources.Given(
            mend=query.repair,
            form=query.format,
            language=query.language,
            columns=bodies.struct(query.columns.encode(), ColumnMap) if query.columns else None,
            is_json=call.request.content_type in (JSON, NDJSON, GEOJSON),
        )
        # In a thread: a file may take seconds to read, and pings go on meanwhile.
        report = await asyncio.to_thread(
            resources.read_file,
            kind,
            call.body(bytes),
            given,
            call.service.motor.pipeline.catalogue.destination,
        )
        told = None
        if call.request.headers.get("Accept") == NDJSON:
            told = web.StreamResponse(headers={"Content-Type": NDJSON})
            await told.prepare(call.request)
        answer = await _import(call, kind, report, told)
        if told is None:
            return answer
        await _tell(told, {"report": answer})
        await told.write_eof()
        return told

    return import_


async def _import(
    call: Call, kind: CatalogueKind, report: Report[Any], told: web.StreamResponse | None
) -> ImportAnswer:
    """Write what a file holds; `told` is kept informed of how far that is."""
    query = call.query(ImportQuery)
    if kind == "campaign":
        held = call.service.motor.catalogue(kind)
        four_eyes = call.service.settings.four_eyes
        report = resources.with_statuses(report, held, four_eyes=four_eyes)
    rows, problems, unchanged = _sifted(call, kind, report)
    if not query.dry_run:
        refused: list[ImportProblem] = []
        done = 0
        for part in _parts(rows):
            if told is not None:
                await _tell(told, {"done": done, "of": len(rows)})
            refused += await _enter(call, part)
            done += len(part)
        out = {(problem.index, problem.id) for problem in refused}
        rows = [row for row in rows if (row.at, row.draft.id) not in out]
        problems += refused
        if kind == "campaign":  # who edited each last is asked for when it is launched
            for row in rows:
                await audit(call, row.draft.id)
    return ImportAnswer(
        read=report.read,
        others=report.others,
        created=sum(row.is_new for row in rows),
        updated=sum(not row.is_new for row in rows),
        unchanged=unchanged,
        dry_run=query.dry_run,
        problems=sorted(problems, key=lambda problem: problem.index),
        changes=list(report.changes),
    )


async def _tell(told: web.StreamResponse, line: dict[str, Any]) -> None:
    await told.write(msgspec.json.encode(line) + b"\n")


def _sifted(
    call: Call, kind: CatalogueKind, report: Report[Any]
) -> tuple[list[_Row], list[ImportProblem], int]:
    """The records of a file that are to be written, what is wrong with others, and how many are as
    they were.
    """
    motor = call.service.motor
    book = motor.pipeline.catalogue
    held = motor.catalogue(kind)
    problems = list(report.problems)
    found: list[_Row] = []
    unchanged = 0
    for index, record in zip(report.indices(), report.records, strict=True):
        body = resources.encode(record)
        # The reader has looked at the shapes of zones.
        faults = [] if kind == "zone" else resources.faults(kind, record, book)
        faults += resources.too_long(body)
        if faults:
            problems += [_problem(index, record.id, fault) for fault in faults]
            continue
        current = held.get(record.id)
        if current is not None and resources.encode(current.record) == body:
            unchanged += 1
        else:
            draft = Draft(kind=kind, id=record.id, body=body)
            found.append(_Row(index, current is None, draft))
    return found, problems, unchanged


def _parts(rows: list[_Row]) -> Iterator[list[_Row]]:
    """Rows that take effect together: each part is one record of the log."""
    part: list[_Row] = []
    size = 0
    for row in rows:
        more = len(row.draft.body or b"")
        if part and (
            len(part) >= limits.CHANGE_RECORDS_MAX or size + more > limits.CHANGE_BYTES_MAX
        ):
            yield part
            part, size = [], 0
        part.append(row)
        size += more
    if part:
        yield part


async def _enter(call: Call, part: list[_Row]) -> list[ImportProblem]:
    """Write a part; where the engine refuses it, halve it until the bad records stand alone."""
    try:
        await call.service.motor.change([row.draft for row in part], author=call.caller.id)
    except REFUSALS as error:
        if len(part) == 1:
            faults = resources.refused(error)
            return [_problem(part[0].at, part[0].draft.id, fault) for fault in faults]
        middle = len(part) // 2
        return [*await _enter(call, part[:middle]), *await _enter(call, part[middle:])]
    return []


def _problem(index: int, record_id: str, fault: FieldError) -> ImportProblem:
    return ImportProblem(index=index, id=record_id, field=fault.field, reason=fault.reason)


def route(collection: str, kind: CatalogueKind, scope: Scope) -> Route:
    """The route of a collection's imports."""
    return Route(
        method="POST",
        path=f"/v1/{collection}/import",
        handler=importer(kind),
        tag=collection,
        summary=f"Import {collection}: good records enter, bad ones are reported",
        scopes=(scope,),
        body=bytes,
        takes=(JSON, NDJSON, *TAKES.get(kind, ()), ANY_FILE),
        query=ImportQuery,
        bytes_max="import_bytes_max",
        answer=ImportAnswer,
        audited=True,
    )
