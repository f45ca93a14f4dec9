"""A pipeline's state, held still: taken in one go, encoded elsewhere, and put back exactly.

`freeze` copies arrays and the tables of values that never change, so that the engine's thread is
held for some milliseconds however many visitors there are; what is slow, `parts`, may run in
another thread while the pipeline goes on. `thaw` is the way back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from content.errors import ContentError
from engine import limits
from engine.catalogue import CatalogueBook, Entry, decode
from engine.crowd import CrowdBook
from engine.errors import SnapshotUnfit
from engine.hidden import HiddenZones
from engine.occasions import Occasions
from engine.pipeline import Pipeline, TrackerPresence, destination_of
from engine.records import CatalogueKind, Change
from engine.visitors import VisitorBook, VisitorState
from geofence.errors import GeofenceError
from geofence.shapes import Circle, Zone
from geofence.tracker import Tracker
from rules.decider import Decider
from rules.errors import RulesError
from rules.facts import Facts, FeedFacts, ZoneFacts
from rules.ledger import Ledger

Array = NDArray[Any]
T = TypeVar("T")


class Frozen(NamedTuple):
    """A pipeline's state at position `end`; nothing in it changes any more.

    arrays: by name. few: small parts, as msgpack takes them. The rest grows with visitors and
    zones and is left as it was found, to be encoded by `parts`.
    """

    end: int
    now_ms: int
    arrays: dict[str, Array]
    few: dict[str, Any]
    visitors: list[VisitorState]
    records: dict[str, dict[str, Entry]]
    deleted: dict[tuple[str, str], int]
    zone_facts: list[ZoneFacts]
    ledgers: dict[int, Ledger]


class Part(NamedTuple):
    """One part of a snapshot: an array, or values in pieces of MessagePack."""

    name: str
    value: Array | Iterator[bytes]


def freeze(pipeline: Pipeline) -> Frozen:
    """Take the state as it is between two records."""
    tracker = pipeline.tracker.snapshot()
    zone_ids = tracker.pop("zone_ids").tolist()
    crowd = pipeline.crowd.snapshot()
    crowd_now_ms = crowd.pop("_now_ms")
    decider, ledgers = pipeline.decider.freeze()
    facts, hidden = pipeline.facts, pipeline.hidden
    records, deleted = pipeline.catalogue.freeze()
    return Frozen(
        end=pipeline.end,
        now_ms=pipeline.now_ms,
        arrays={
            **{f"tracker.{name}": array for name, array in tracker.items()},
            **{f"crowd.{name}": array for name, array in crowd.items()},
        },
        few={
            "end": pipeline.end,
            "now_ms": pipeline.now_ms,
            "zone_ids": zone_ids,
            "crowd_now_ms": crowd_now_ms,
            "decider": decider,
            "position": facts.position,
            "facts_now_ms": facts.now_ms,
            "levels": facts.levels,
            "feeds": [[name, feed.value, feed.at_ms] for name, feed in facts.feeds.items()],
            "circles": [
                [zone_id, circle.lon, circle.lat, circle.radius_m]
                for zone_id, circle in hidden.circles.items()
            ],
            "occasions_due_ms": pipeline.occasions.due_ms,
            "own_dwells_ms": list(pipeline.own_dwells_ms.items()),
            "given_dwells_ms": list(pipeline.given_dwells_ms.items()),
        },
        visitors=pipeline.visitors.freeze(),
        records=records,
        deleted=deleted,
        zone_facts=list(facts.zones),
        ledgers=ledgers,
    )


def parts(frozen: Frozen) -> Iterator[Part]:
    """The state in parts to write; the pieces are encoded as they are asked for."""
    encode = msgspec.msgpack.Encoder().encode
    for name, array in frozen.arrays.items():
        yield Part(name, array)
    yield Part("few", iter((encode(frozen.few),)))
    yield Part("visitors", map(encode, _cut(frozen.visitors)))
    yield Part("zone_facts", map(encode, _cut(frozen.zone_facts)))
    ledgers = ([visitor, each.to_builtins()] for visitor, each in frozen.ledgers.items())
    yield Part("ledgers", map(encode, _cut(ledgers)))
    live = (
        [kind, record_id, entry.version, msgspec.json.encode(entry.record)]
        for kind, entries in frozen.records.items()
        for record_id, entry in entries.items()
    )
    gone = ([kind, record_id, version] for (kind, record_id), version in frozen.deleted.items())
    yield Part("catalogue", map(encode, _cut(live)))
    yield Part("deleted", map(encode, _cut(gone)))


def _cut(values: Iterable[T]) -> Iterator[list[T]]:
    """Values by the thousand: no piece keeps other threads waiting for long."""
    it = iter(values)
    while piece := list(islice(it, limits.SNAPSHOT_PIECE)):
        yield piece


def thaw(
    pipeline: Pipeline, arrays: Mapping[str, Array], pieces: Mapping[str, Sequence[bytes]]
) -> None:
    """Give an empty pipeline the state of the parts; nothing has changed where it raises.

    Raises SnapshotUnfit where they are not the parts of a state.
    """
    try:
        _thaw(pipeline, arrays, pieces)
    except (GeofenceError, ContentError, RulesError, msgspec.MsgspecError) as error:
        raise SnapshotUnfit(reason=str(error)) from error
    except (LookupError, TypeError, ValueError) as error:
        raise SnapshotUnfit(reason=f"{type(error).__name__}: {error}") from error


def _thaw(
    pipeline: Pipeline, arrays: Mapping[str, Array], pieces: Mapping[str, Sequence[bytes]]
) -> None:
    few = msgspec.msgpack.decode(pieces["few"][0])
    catalogue = _catalogue(pieces)
    circles = {
        zone_id: Circle(lon=lon, lat=lat, radius_m=radius_m)
        for zone_id, lon, lat, radius_m in few["circles"]
    }
    zones = [entry.record.to_zone() for entry in catalogue.all("zone").values()]
    zones += [Zone(id=zone_id, shape=circle) for zone_id, circle in circles.items()]
    of_tracker = _named(arrays, "tracker.")
    of_tracker["zone_ids"] = few["zone_ids"]
    tracker = Tracker.restore(pipeline.tracker.rules, zones, of_tracker)
    crowd = CrowdBook.restore({**_named(arrays, "crowd."), "_now_ms": few["crowd_now_ms"]})
    visitors = VisitorBook.thaw(_joined(pieces["visitors"], list[VisitorState]))
    facts = Facts(destination_of(catalogue))
    facts.now_ms, facts.position, facts.levels = (
        few["facts_now_ms"],
        few["position"],
        few["levels"],
    )
    facts.feeds = {name: FeedFacts(value=value, at_ms=at) for name, value, at in few["feeds"]}
    facts.presence = TrackerPresence(tracker)
    for slot, each in enumerate(_joined(pieces["zone_facts"], list[ZoneFacts])):
        facts.put_zone(slot, each)
    facts.visitors = [visitor.facts() for visitor in visitors.freeze()]
    state = {**few["decider"], "ledgers": _joined(pieces["ledgers"], list[Any])}
    decider = Decider.restore(facts.destination, pipeline.decider.settings, state)
    occasions = Occasions.thaw(few["occasions_due_ms"], catalogue, tracker, facts)
    # From here on nothing fails.
    pipeline.tracker, pipeline.crowd, pipeline.visitors = tracker, crowd, visitors
    pipeline.catalogue, pipeline.facts, pipeline.decider = catalogue, facts, decider
    pipeline.occasions = occasions
    pipeline.hidden = HiddenZones.thaw(circles, catalogue)
    pipeline.own_dwells_ms = {slot: tuple(times) for slot, times in few["own_dwells_ms"]}
    pipeline.given_dwells_ms = {slot: tuple(times) for slot, times in few["given_dwells_ms"]}
    pipeline.now_ms, pipeline.end = few["now_ms"], few["end"]


def _named(arrays: Mapping[str, Array], prefix: str) -> dict[str, Any]:
    """The arrays of one part of the engine, its own to write to."""
    return {
        name.removeprefix(prefix): np.array(array)
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _joined(pieces: Sequence[bytes], kind: type[list[T]]) -> list[T]:
    decoder = msgspec.msgpack.Decoder(kind)
    return [each for piece in pieces for each in decoder.decode(piece)]


def _catalogue(pieces: Mapping[str, Sequence[bytes]]) -> CatalogueBook:
    book = CatalogueBook()
    live = _joined(pieces["catalogue"], list[tuple[CatalogueKind, str, int, bytes]])
    for kind, record_id, version, body in live:
        change = Change(kind=kind, id=record_id, version=version, body=body)
        book.put(change, decode(kind, body))
    for kind, record_id, version in _joined(
        pieces["deleted"], list[tuple[CatalogueKind, str, int]]
    ):
        book.put(Change(kind=kind, id=record_id, version=version, body=None), None)
    return book
