"""The catalogue: one set of handlers for zones, places, events, circuits, offers, campaigns."""

from __future__ import annotations

import heapq
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api import limits, resources
from api.auth import Scope
from api.calls import Answerer, Call, Reply, Route, etag, if_version
from api.errors import Invalid, NotFound, NotModified
from api.routes import exports, imports
from content.destination import Destination
from engine.catalogue import TYPES
from engine.ingest import Draft
from engine.motor import REFUSALS
from engine.records import CatalogueKind

GEOJSON = "application/geo+json"


class ListQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of a list; `cursor` is the `next` of the page before."""

    limit: Annotated[int, Meta(ge=1, le=limits.PAGE_MAX)] = limits.PAGE_DEFAULT
    cursor: str = ""
    tag: str = ""


def lister(kind: CatalogueKind) -> Answerer:
    """The handler of a collection's pages, in the order of ids."""

    async def list_(call: Call) -> dict[str, Any]:
        query = call.query(ListQuery)
        entries = call.service.motor.catalogue(kind)
        after = (
            key
            for key, entry in entries.items()
            if key > query.cursor
            and (not query.tag or query.tag in getattr(entry.record, "tags", ()))
        )
        ids = heapq.nsmallest(query.limit + 1, after)
        page = ids[: query.limit]
        return {
            "items": [entries[key].record for key in page],
            "next": page[-1] if len(ids) > len(page) else None,
        }

    return list_


def getter(kind: CatalogueKind) -> Answerer:
    """The handler of one record."""

    async def get(call: Call) -> Reply:
        entry = call.service.motor.catalogue(kind).get(call.part("id"))
        if entry is None:
            raise NotFound(kind=kind, record_id=call.part("id"))
        tag = etag(entry.version)
        if call.request.headers.get("If-None-Match") == tag:
            raise NotModified(etag=tag)
        return Reply(body=entry.record, headers={"ETag": tag})

    return get


def putter(kind: CatalogueKind) -> Answerer:
    """The handler that makes a record or replaces it."""

    async def put(call: Call) -> Reply:
        motor = call.service.motor
        record_id = call.part("id")
        record = resources.decode(kind, call.body(bytes), record_id, motor.pipeline.catalogue)
        stored = motor.catalogue(kind).get(record_id)
        if kind == "campaign":
            four_eyes = call.service.settings.four_eyes
            record = resources.edited(record, stored and stored.record, four_eyes=four_eyes)
        version = await write(call, kind, record, if_version(call.request))
        return Reply(body=record, status=200 if stored else 201, headers={"ETag": etag(version)})

    return put


def deleter(kind: CatalogueKind) -> Answerer:
    """The handler that deletes a record."""

    async def delete(call: Call) -> None:
        record_id = call.part("id")
        if record_id not in call.service.motor.catalogue(kind):
            raise NotFound(kind=kind, record_id=record_id)
        draft = Draft(kind=kind, id=record_id, body=None, if_version=if_version(call.request))
        await _change(call, draft)

    return delete


async def write(call: Call, kind: CatalogueKind, record: Any, based_on: int | None) -> int:
    """Write one record; returns its new version. Raises Invalid for what the engine refuses."""
    body = resources.encode(record)
    found = resources.too_long(body)
    if found:
        raise Invalid(found)
    draft = Draft(kind=kind, id=record.id, body=body, if_version=based_on)
    return await _change(call, draft)


async def _change(call: Call, draft: Draft) -> int:
    try:
        (version,) = await call.service.motor.change([draft], author=call.caller.id)
    except REFUSALS as error:
        raise Invalid(
            resources.refused(error), detail=f"{draft.kind} {draft.id}: {error}"
        ) from error
    return version


async def zones_geojson(call: Call) -> Reply:
    """All zones as a GeoJSON FeatureCollection."""
    entries = call.service.motor.catalogue("zone")
    features = [resources.feature(entries[key].record) for key in sorted(entries)]
    return Reply(
        body=msgspec.Raw(msgspec.json.encode({"type": "FeatureCollection", "features": features})),
        headers={"Content-Type": GEOJSON},
    )


async def show_destination(call: Call) -> Reply:
    """The destination's settings."""
    for entry in call.service.motor.catalogue("destination").values():
        return Reply(body=entry.record, headers={"ETag": etag(entry.version)})
    raise NotFound(kind="destination", record_id="yet: PUT it")


async def put_destination(call: Call) -> Reply:
    """Set the destination; an instance serves one, under one id for ever."""
    body = call.body(Destination)
    held = call.service.motor.catalogue("destination")
    if held and body.id not in held:
        raise Invalid.one("id", f"this instance serves {next(iter(held))}")
    version = await write(call, "destination", body, if_version(call.request))
    return Reply(body=body, headers={"ETag": etag(version)})


def _routes(collection: str, kind: CatalogueKind) -> list[Route]:
    read: Scope = "campaigns:read" if kind == "campaign" else "content:read"
    write_: Scope = "campaigns:write" if kind == "campaign" else "content:write"
    record = TYPES[kind]
    base, one = f"/v1/{collection}", f"/v1/{collection}/{{id}}"
    return [
        Route(method="GET", path=base, handler=lister(kind), tag=collection, scopes=(read,),
              summary=f"List {collection}", query=ListQuery, answer=list[record]),  # type: ignore[valid-type]
        imports.route(collection, kind, write_),
        Route(method="GET", path=one, handler=getter(kind), tag=collection, scopes=(read,),
              summary=f"Show one of the {collection}, with its version as ETag", answer=record),
        Route(method="PUT", path=one, handler=putter(kind), tag=collection, scopes=(write_,),
              summary=f"Make or replace one of the {collection}", body=bytes, describes=record,
              answer=record, audited=True),
        Route(method="DELETE", path=one, handler=deleter(kind), tag=collection, scopes=(write_,),
              summary=f"Delete one of the {collection}", status=204, audited=True),
    ]  # fmt: skip


ROUTES = (
    Route(method="GET", path="/v1/zones.geojson", handler=zones_geojson, tag="zones",
          scopes=("content:read",), summary="All zones as GeoJSON", gives=GEOJSON, answer=dict),
    Route(method="GET", path="/v1/destination", handler=show_destination, tag="destination",
          scopes=("content:read",), summary="Show the destination", answer=Destination),
    Route(method="PUT", path="/v1/destination", handler=put_destination, tag="destination",
          scopes=("content:write",), summary="Set the destination", body=Destination,
          answer=Destination, audited=True),
    *exports.ROUTES,
    *(route for name, kind in resources.COLLECTIONS.items() for route in _routes(name, kind)),
)  # fmt: skip
