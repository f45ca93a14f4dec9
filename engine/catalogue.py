"""The catalogue in memory: the newest version of every record, decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from content.alerts import AlertRecord
from content.circuits import CircuitRecord
from content.destination import Destination
from content.events import EventRecord
from content.offers import OfferRecord
from content.places import PlaceRecord
from content.zones import ZoneRecord
from engine.records import CatalogueKind, Change
from rules.campaigns import Campaign

TYPES: Mapping[CatalogueKind, type[msgspec.Struct]] = {
    "destination": Destination,
    "zone": ZoneRecord,
    "place": PlaceRecord,
    "event": EventRecord,
    "circuit": CircuitRecord,
    "offer": OfferRecord,
    "alert": AlertRecord,
    "campaign": Campaign,
}
_decoders = {kind: msgspec.json.Decoder(type_) for kind, type_ in TYPES.items()}


class Entry(NamedTuple):
    """A record with its version."""

    version: int
    record: Any


def decode(kind: CatalogueKind, body: bytes) -> Any:
    """The record of a kind from its JSON. Raises msgspec.ValidationError or the room's error."""
    return _decoders[kind].decode(body)


class CatalogueBook:
    """Newest versions by kind and id. Versions of deleted records are remembered."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, Entry]] = {kind: {} for kind in TYPES}
        self._deleted: dict[tuple[str, str], int] = {}
        self.revision = 0
        """Goes up with every change: what was made from the records holds until it does."""

    def after(self, changes: Sequence[Change], records: Sequence[Any]) -> CatalogueBook:
        """The book as it will be after changes, with their decoded records; this one stays."""
        book = CatalogueBook()
        touched = {change.kind for change in changes}
        book._records = {
            kind: dict(entries) if kind in touched else entries
            for kind, entries in self._records.items()
        }
        book._deleted = dict(self._deleted)
        book.revision = self.revision
        for change, record in zip(changes, records, strict=True):
            book.put(change, record)
        return book

    def put(self, change: Change, record: Any) -> None:
        """Take a change with its decoded record, None where it deletes."""
        self.revision += 1
        key = (change.kind, change.id)
        if record is None:
            self._records[change.kind].pop(change.id, None)
            self._deleted[key] = change.version
        else:
            self._records[change.kind][change.id] = Entry(change.version, record)
            self._deleted.pop(key, None)

    def freeze(self) -> tuple[dict[str, dict[str, Entry]], dict[tuple[str, str], int]]:
        """Records by kind and id, and versions of what was deleted, as they are now."""
        return {kind: dict(entries) for kind, entries in self._records.items()}, dict(self._deleted)

    def version(self, kind: str, record_id: str) -> int:
        """The newest version, of a deletion too; 0 where there never was a record."""
        entry = self._records[kind].get(record_id)
        return entry.version if entry else self._deleted.get((kind, record_id), 0)

    def find(self, kind: str, record_id: str) -> Any:
        """The record, or None."""
        entry = self._records[kind].get(record_id)
        return entry.record if entry else None

    def all(self, kind: str) -> Mapping[str, Entry]:
        """All records of a kind, by id."""
        return self._records[kind]

    @property
    def destination(self) -> Destination | None:
        """The destination's settings, once there are any."""
        return next((entry.record for entry in self._records["destination"].values()), None)
