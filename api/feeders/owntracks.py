"""OwnTracks over HTTP: one JSON object a request, told apart by `_type`; speeds in km/h.

https://owntracks.org/booklet/tech/json/. A `vel` of zero is left out by the app, so a location
without one is of a phone that does not move.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final, NamedTuple

from api import limits
from api.errors import TooLarge
from api.feeders.fixes import Posted, Sent, fault, make, nothing, read

ENCRYPTED: Final = (
    "encrypted payloads are not supported: clear the encryption key in OwnTracks, https protects "
    "what it sends"
)
_KMH: Final = 1000 / 3600
# Seconds of the years 2001 to 2024: an instant that nobody takes for a mistake.
_TST_FIRST: Final = 1_000_000_000
_TST_SPAN: Final = 700_000_000
_MOVES: Final = frozenset({"location", "transition"})


def decode(posted: Posted) -> Sent:
    """The fix of a location or of a transition; all else is taken and says nothing of where.

    Raises TooLarge beyond the limit of pings.
    """
    sent = nothing()
    if not posted.body.strip():
        return sent
    found = read(posted.body, sent)
    if sent.faults:
        return sent
    items = found if isinstance(found, list) else [found]
    if len(items) > limits.PINGS_PER_REQUEST_MAX:
        raise TooLarge(what="pings", limit=limits.PINGS_PER_REQUEST_MAX)
    for index, item in enumerate(items):
        _take(item, index, sent)
    return sent


def _take(item: object, index: int, sent: Sent) -> None:
    kind = item.get("_type") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(kind, str):
        sent.faults.append(fault("expected an object with _type", index=index))
    elif kind == "encrypted":
        sent.faults.append(fault(ENCRYPTED, field="_type", index=index))
    elif kind in _MOVES and (kind == "location" or "lat" in item):
        # A transition need not say where the phone is; what it reports, Balise finds by itself.
        sent.add(
            make(
                at=item.get("tst"),
                lon=item.get("lon"),
                lat=item.get("lat"),
                accuracy_m=item.get("acc"),
                speed=item.get("vel", 0 if kind == "location" else None),
                mps=_KMH,
                index=index,
            )
        )


class Waypoint(NamedTuple):
    """A fence as the app watches it; a radius of 0 m lets one that it has been told of rest."""

    zone: str
    name: str
    lon: float
    lat: float
    radius_m: float


def reply(sent: Sent, waypoints: Sequence[Waypoint] = ()) -> list[dict[str, object]]:
    """What the app is answered; it passes over objects of types that it does not know."""
    told = {each.reason for each in sent.faults if each.reason == ENCRYPTED}
    out: list[dict[str, object]] = [
        {"_type": "problem", "detail": reason} for reason in sorted(told)
    ]
    if waypoints:
        listed = {"_type": "waypoints", "waypoints": [_waypoint(each) for each in waypoints]}
        out.append({"_type": "cmd", "action": "setWaypoints", "waypoints": listed})
    return out


def _waypoint(fence: Waypoint) -> dict[str, object]:
    """The app on iOS knows a waypoint by `desc`, the one on Android by `tst`, a time in seconds."""
    return {
        "_type": "waypoint",
        "desc": fence.name,
        "lat": fence.lat,
        "lon": fence.lon,
        "rad": round(fence.radius_m),
        "tst": _TST_FIRST + zlib.crc32(fence.zone.encode()) % _TST_SPAN,
        "rid": fence.zone,
    }
