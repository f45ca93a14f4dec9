"""Records as they are put together from a foreign source.

What a record cannot do without (its id, name, place or time) is a problem when it is wrong. All
else that does not fit its field is kept as it was, in `extra`, and listed as a change: a wrong
telephone number costs no place.
"""

from __future__ import annotations

import re
from typing import Generic, TypeVar

import msgspec

from content import limits
from content.errors import FormatInvalid
from content.fields import Record
from content.formats import ids, loose
from content.formats.report import ImportChange, ImportProblem, Report, fault

R = TypeVar("R", bound=Record)

_VITAL = ("id", "name", "lon", "lat", "start", "recurrence")
_TEXTS = {
    "name": limits.NAME_CHARS_MAX,
    "summary": limits.SUMMARY_CHARS_MAX,
    "description": limits.DESCRIPTION_CHARS_MAX,
    "conditions": limits.SUMMARY_CHARS_MAX,
}
_URLS = ("website", "booking_url")
_WEB = re.compile(r"^https?://", re.I)
_MISSING = re.compile(r"missing required field `(\w+)`")
_FIRST = re.compile(r"[.\[]")


class Refused(Exception):
    """The record that is being put together cannot be: `field` and `reason` say why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Draft:
    """One record on its way: the fields found, the foreign ones kept, and what was changed."""

    def __init__(self, own: str, language: str) -> None:
        """own: what the source calls the record; `language`: of texts without one."""
        self.language = language
        self.values: dict[str, object] = {}
        self.extra: dict[str, object] = {}
        self.changes: list[tuple[str, str]] = []
        self.id = self._id(own)

    def _id(self, own: str) -> str:
        if ids.is_id(own):
            return own
        made = ids.slug(own)
        self.note("id", f"{own[:80]!r} became {made!r}")
        return made

    def note(self, field: str, what: str) -> None:
        """Say what was changed or not understood."""
        self.changes.append((field, what))

    def put(self, field: str, value: object) -> None:
        """Set a field, unless there is nothing to set."""
        if value not in (None, "", [], {}, ()):
            self.values[field] = value

    def text(self, field: str, value: object) -> None:
        """Set a text by language; one that is too long is cut, HTML is left as it is, and said."""
        found = loose.by_language(value, self.language)
        longest = _TEXTS[field]
        for tag, words in found.items():
            if len(words) > longest:
                found[tag] = words[: longest - 1] + "…"
                self.note(f"{field}.{tag}", f"was cut to {longest} characters")
            if loose.is_html(words):
                self.note(f"{field}.{tag}", "holds HTML: kept as it is")
        self.put(field, found)

    def url(self, field: str, value: object) -> None:
        """Set an address of the web; one without its scheme gets https."""
        found = loose.text(value)
        if found and not _WEB.match(found) and re.match(r"^[\w-]+(\.[\w-]+)+(/\S*)?$", found):
            self.note(field, f"{found!r} got its https://")
            found = f"https://{found}"
        self.put(field, found)

    def tags(self, field: str, value: object) -> None:
        """Set a list of tags, each once, out of texts or one text with commas."""
        parts = [loose.text(each) for each in loose.many(value)]
        if isinstance(value, str):
            parts = [part.strip() for part in value.replace(";", ",").split(",")]
        kept = [part for part in dict.fromkeys(parts) if 0 < len(part) <= limits.ID_CHARS_MAX]
        self.put(field, kept)

    def keep(self, key: str, value: object) -> None:
        """Keep a foreign value as it is, if it is not too large."""
        if value in (None, "", [], {}) or len(self.extra) >= limits.EXTRA_KEYS_MAX:
            return
        try:
            small = len(msgspec.json.encode(value)) <= limits.EXTRA_CHARS_MAX
        except (RecursionError, ValueError, TypeError):
            small = False
        if small:
            self.extra[key] = value
        else:
            self.note(key, f"has more than {limits.EXTRA_CHARS_MAX} characters: left out")

    def record(self, kind: type[R]) -> R:
        """The record. Raises Refused where something that it cannot do without is wrong."""
        values = dict(self.values)
        while True:
            try:
                made = msgspec.convert(
                    {"id": self.id, **values, "extra": self.extra}, kind, strict=False
                )
            except msgspec.ValidationError as error:
                field, reason = fault(error)
                missing = _MISSING.search(reason)
                if missing and not field:
                    raise Refused(missing[1], "is missing") from error
                top = _FIRST.split(field)[0]
                if top in _VITAL or top not in values:
                    raise Refused(field, reason) from error
                self.note(field, f"{reason}: kept as it was in extra.{top}")
                self.keep(top, values.pop(top))
                continue
            if getattr(made, "opening_hours_invalid", False):
                self.note("opening_hours", "does not parse: kept as written, not used")
            return made


class Gathering(Generic[R]):
    """The records of a file with what became of each, on the way to a report."""

    def __init__(self, kind: type[R]) -> None:
        self.kind = kind
        self._records: dict[str, R] = {}
        self._rows: list[int] = []
        self._problems: list[ImportProblem] = []
        self._changes: list[ImportChange] = []
        self._read = 0
        self._others = 0

    def other(self) -> None:
        """Count a record of another kind."""
        self._others += 1

    def refuse(self, index: int, field: str, reason: str, record_id: str | None = None) -> None:
        """Count a record that cannot be read."""
        self._count()
        self._problem(index, record_id, field, reason)

    def add(self, index: int, *drafts: Draft) -> None:
        """Make the record of the file at `index`, in one or more drafts of ours."""
        self._count()
        for draft in drafts:
            try:
                record = draft.record(self.kind)
            except Refused as refused:
                self._problem(index, draft.id, refused.field, refused.reason)
                continue
            if record.id in self._records:
                self._problem(index, record.id, "id", "an earlier record has this id")
                continue
            self._records[record.id] = record
            self._rows.append(index)
            self._changes += (
                ImportChange(index=index, id=record.id, field=field, what=what)
                for field, what in draft.changes
            )

    def report(self) -> Report[R]:
        """What was gathered."""
        return Report(
            records=tuple(self._records.values()),
            problems=tuple(self._problems),
            changes=tuple(self._changes),
            read=self._read,
            others=self._others,
            rows=tuple(self._rows),
        )

    def _count(self) -> None:
        self._read += 1
        if self._read > limits.IMPORT_RECORDS_MAX:
            raise FormatInvalid(f"has more than {limits.IMPORT_RECORDS_MAX} records")

    def _problem(self, index: int, record_id: str | None, field: str, reason: str) -> None:
        self._problems.append(ImportProblem(index=index, id=record_id, field=field, reason=reason))
