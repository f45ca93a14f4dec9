"""Location apps that exist, unmodified: `/in/<app>/<device key>`, and the keys for it.

These apps send again, for ever, what was refused. So whatever they send that can be read or can
never be is answered by 200, and what was wrong with it is shown to the device that asks.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

import msgspec
from aiohttp import web

from api import bodies, limits, proxies
from api.calls import Call, Reply, Route
from api.errors import FieldError, Malformed, NotFound, UnsupportedType
from api.feeders import gpslogger, overland, owntracks, traccar
from api.feeders.fixes import FORM, JSON, Decoder, Posted, Sent, draft, fault
from engine.fences import Nearest, zone_name
from engine.ingest import PingsReceipt, Refusal
from geofence.columns import Status
from geofence.geodesy import distance_m


class FeedUrls(msgspec.Struct, frozen=True, kw_only=True):
    """Where each app is pointed at."""

    owntracks: str
    overland: str
    traccar: str
    gpslogger: str


class FeedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A device's key for its location app. It is shown this once; `urls` contain it."""

    device: str
    key: str
    created_ms: int
    urls: FeedUrls


class FeedState(msgspec.Struct, frozen=True, kw_only=True):
    """What the location app of a device has sent since the server started.

    app, last_ms: the last request, empty and 0 for none. accepted, discarded, quarantined: fixes;
    discarded for want of consent, quarantined for good. faults: the last request's that had any.
    """

    device: str
    created_ms: int
    app: str = ""
    last_ms: int = 0
    accepted: int = 0
    discarded: int = 0
    quarantined: int = 0
    faults: tuple[FieldError, ...] = ()


class FeederBook:
    """What came last from the location app of each device; the longest silent are forgotten."""

    def __init__(self) -> None:
        self._states: OrderedDict[str, FeedState] = OrderedDict()
        self._fences: OrderedDict[str, tuple[int, Nearest]] = OrderedDict()

    def state(self, device: str, created_ms: int) -> FeedState:
        """What is known of a device's app."""
        found = self._states.get(device)
        if found is not None and found.created_ms == created_ms:
            return found
        return FeedState(device=device, created_ms=created_ms)

    def put(self, state: FeedState) -> None:
        """Remember."""
        self._states[state.device] = state
        self._states.move_to_end(state.device)
        if len(self._states) > limits.FEEDERS_MAX:
            self._states.popitem(last=False)

    def fences(self, device: str) -> tuple[int, Nearest | None]:
        """What a device's app was told to watch, of which version of the zones."""
        return self._fences.get(device, (0, None))

    def put_fences(self, device: str, version: int, told: Nearest) -> None:
        """Remember."""
        self._fences[device] = (version, told)
        self._fences.move_to_end(device)
        if len(self._fences) > limits.FEEDERS_MAX:
            self._fences.popitem(last=False)


BOOK: Final = web.AppKey("feeders", FeederBook)

# -- keys -----------------------------------------------------------------------


async def make(call: Call) -> Reply:
    """A fresh key for the device's location app; the one before ends."""
    device = _own(call)
    row, key = await call.service.gate.feed_key(device, call.caller.visitor)
    settings = call.service.settings
    base = settings.public_url.rstrip("/") or proxies.origin_of(call.request, settings)
    urls = {app: f"{base}/in/{app}/{key}" for app in APPS}
    urls["gpslogger"] += f"?{gpslogger.URL_QUERY}"
    made = FeedKey(device=device, key=key, created_ms=row.created_ms, urls=FeedUrls(**urls))
    return Reply(body=made, status=201)


async def show(call: Call) -> FeedState:
    """What the app sent, and what was wrong with it."""
    device = _own(call)
    row = call.service.gate.feed_of(device)
    if row is None:
        raise NotFound(kind="feed key of", record_id=device)
    return call.request.app[BOOK].state(device, row.created_ms)


async def revoke(call: Call) -> None:
    """End the key at once."""
    device = _own(call)
    if not await call.service.gate.end_feed(device):
        raise NotFound(kind="feed key of", record_id=device)


def _own(call: Call) -> str:
    """The device of the path, which calls. To another device it does not exist."""
    if call.part("id") != call.caller.device:
        raise NotFound(kind="device", record_id=call.part("id"))
    return call.caller.device


# -- what apps send ---------------------------------------------------------------


def _json(body: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), content_type=JSON)


async def _take(call: Call, name: str, decoder: Decoder) -> Sent:
    """Decode, take in, count, and remember for the desk."""
    posted, unread = await _posted(call)
    sent = decoder(posted)
    sent.faults.extend(unread)
    visitor = call.caller.visitor
    pings = draft(sent.fixes, visitor, now_ms=posted.now_ms)
    receipt = await call.service.motor.ingest(pings)
    refused = receipt.count(Status.FUTURE) + receipt.count(Status.TOO_OLD)
    if refused:
        sent.faults.append(
            fault(f"{refused} too far in the future, or too old to be kept", field="timestamp")
        )
    _remember(call, name, posted.now_ms, receipt, sent, refused)
    return sent


async def _posted(call: Call) -> tuple[Posted, list[FieldError]]:
    """The request, whatever it is; what cannot be decompressed never can be. Raises TooLarge."""
    request, faults, body = call.request, list[FieldError](), b""
    try:
        body = await bodies.whatever(request, bytes_max=call.service.settings.body_bytes_max)
    except (UnsupportedType, Malformed) as error:
        faults.append(fault(str(error)))
    query = {name: request.query.getall(name)[-1] for name in request.query}
    now_ms = call.service.motor.clock.now_ms()
    return Posted(query, body, request.content_type, now_ms), faults


def _remember(
    call: Call, name: str, now_ms: int, receipt: PingsReceipt, sent: Sent, refused: int
) -> None:
    service, book = call.service, call.request.app[BOOK]
    discarded = receipt.count(Refusal.NO_CONSENT)
    accepted = len(receipt.status) - discarded - refused
    quarantined = refused + sum(1 for each in sent.faults if each.index is not None)
    quarantined += 0 if sent.fixes or quarantined else bool(sent.faults)
    figures = service.figures
    figures.fed(app=name, outcome="accepted", count=accepted)
    figures.fed(app=name, outcome="discarded", count=discarded)
    figures.fed(app=name, outcome="quarantined", count=quarantined)
    row = service.gate.feed_of(call.caller.device)
    if row is None:  # revoked meanwhile
        return
    state = book.state(row.device, row.created_ms)
    shown = tuple(sent.faults[: limits.FEEDER_FAULTS_SHOWN_MAX])
    book.put(
        msgspec.structs.replace(
            state,
            app=name,
            last_ms=now_ms,
            accepted=state.accepted + accepted,
            discarded=state.discarded + discarded,
            quarantined=state.quarantined + quarantined,
            faults=shown or state.faults,
        )
    )


async def from_owntracks(call: Call) -> web.Response:
    """OwnTracks in HTTP mode; it is told of the nearest zones where remote commands are allowed."""
    sent = await _take(call, "owntracks", owntracks.decode)
    return _json(owntracks.reply(sent, await _waypoints(call, sent)))


async def _waypoints(call: Call, sent: Sent) -> list[owntracks.Waypoint]:
    """The fences to be told of, and those to rest; none while the phone is where it was told."""
    caller, service, book = call.caller, call.service, call.request.app[BOOK]
    visitor = service.motor.pipeline.visitors.find(caller.visitor)
    if not sent.fixes or visitor is None or not visitor.allows("location"):
        return []
    here = max(sent.fixes, key=lambda fix: fix.fix_ms)
    version, told = book.fences(caller.device)
    if told is not None and version == service.fences.version:
        around = told.ask_again
        if distance_m(here.lon, here.lat, around.lon, around.lat) <= around.radius_m:
            return []
    found = await service.fences.nearest(here.lon, here.lat, limits.FENCES_IOS_MAX)
    book.put_fences(caller.device, service.fences.version, found)
    near = {fence.zone for fence in found.fences}
    before = told.fences if told is not None else ()
    gone = [fence for fence in before if fence.zone not in near]
    return [
        owntracks.Waypoint(
            fence.zone,
            zone_name(service.motor, fence.zone, visitor.languages),
            fence.circle.lon,
            fence.circle.lat,
            fence.circle.radius_m if fence.zone in near else 0.0,
        )
        for fence in [*found.fences, *gone]
    ]


async def from_overland(call: Call) -> web.Response:
    """Overland; anything but this answer makes it send the batch again."""
    await _take(call, "overland", overland.decode)
    return _json({"result": "ok"})


async def from_traccar(call: Call) -> web.Response:
    """Traccar Client, and others that speak OsmAnd's protocol."""
    await _take(call, "traccar", traccar.decode)
    return web.Response()


async def from_gpslogger(call: Call) -> web.Response:
    """GPSLogger with a custom URL."""
    await _take(call, "gpslogger", gpslogger.decode)
    return web.Response()


APPS: Final = ("owntracks", "overland", "traccar", "gpslogger")

ROUTES = (
    Route(method="POST", path="/v1/devices/{id}/feed-key", handler=make, tag="location apps",
          summary="Make the device's key for a location app; it is shown once", device=True,
          status=201, answer=FeedKey),
    Route(method="GET", path="/v1/devices/{id}/feed-key", handler=show, tag="location apps",
          summary="What the device's location app sent, and what was wrong with it", device=True,
          answer=FeedState),
    Route(method="DELETE", path="/v1/devices/{id}/feed-key", handler=revoke, tag="location apps",
          summary="Revoke the device's key for a location app", device=True, status=204),
    Route(method="POST", path="/in/owntracks/{key}", handler=from_owntracks, tag="location apps",
          summary="OwnTracks in HTTP mode sends here", feeder=True, body=bytes, takes=(JSON,),
          answer=list[dict[str, Any]]),
    Route(method="POST", path="/in/overland/{key}", handler=from_overland, tag="location apps",
          summary="Overland sends here", feeder=True, body=bytes, takes=(JSON,),
          answer=dict[str, str]),
    Route(method="GET", path="/in/traccar/{key}", handler=from_traccar, tag="location apps",
          summary="Traccar Client sends here: a query with OsmAnd's keys", feeder=True),
    Route(method="POST", path="/in/traccar/{key}", handler=from_traccar, tag="location apps",
          summary="Traccar Client sends here: a form, an object or an array", feeder=True,
          body=bytes, takes=(JSON, FORM)),
    Route(method="GET", path="/in/gpslogger/{key}", handler=from_gpslogger, tag="location apps",
          summary="GPSLogger sends here: a query", feeder=True),
    Route(method="POST", path="/in/gpslogger/{key}", handler=from_gpslogger, tag="location apps",
          summary="GPSLogger sends here: a form", feeder=True, body=bytes, takes=(FORM,)),
)  # fmt: skip
