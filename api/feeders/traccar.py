"""Traccar Client, and whatever else speaks OsmAnd's protocol: four shapes of the same.

https://www.traccar.org/osmand/. A: the query. B: the same keys as a form. C: the JSON of Traccar
Client 9. D: an array of flat objects with the keys of A. Speeds are knots in A and B, m/s in JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from api import limits
from api.errors import FieldError, TooLarge
from api.feeders.fixes import Fix, Posted, Sent, fault, make, nothing, read

KNOT_MPS: Final = 1852 / 3600
_FORM_FIELDS_MAX: Final = 100
_OPENS_JSON: Final = (b"{", b"[")


def decode(posted: Posted) -> Sent:
    """The fixes of a request. Raises TooLarge beyond the limit of pings."""
    body = posted.body.strip()
    if body.startswith(_OPENS_JSON) or (body and posted.content_type == "application/json"):
        return _json(body, posted.now_ms)
    sent = nothing()
    given = dict(posted.query)
    if body:
        try:
            pairs = parse_qsl(body.decode("utf-8", "replace"), max_num_fields=_FORM_FIELDS_MAX)
        except ValueError:
            sent.faults.append(fault(f"more than {_FORM_FIELDS_MAX} fields in a form"))
            return sent
        given |= dict(pairs)
    if given:
        sent.add(flat(given, posted.now_ms, mps=KNOT_MPS))
    return sent


def flat(
    given: Mapping[str, object], now_ms: int, *, mps: float, index: int | None = None
) -> Fix | FieldError:
    """A fix of named values; without a timestamp it is of now."""
    valid = given.get("valid")
    if valid is False or (isinstance(valid, str) and valid.strip().lower() in ("false", "0")):
        return fault("the app itself says that it is not valid", field="valid", index=index)
    lat, lon = given.get("lat"), given.get("lon")
    location = given.get("location")
    if isinstance(location, str) and location.count(",") == 1:
        lat, _, lon = location.partition(",")
    return make(
        at=given.get("timestamp", now_ms),
        lon=lon,
        lat=lat,
        accuracy_m=given.get("accuracy"),
        speed=given.get("speed"),
        mps=mps,
        mock=given.get("mock"),
        index=index,
    )


def _json(body: bytes, now_ms: int) -> Sent:
    sent = nothing()
    found = read(body, sent)
    if sent.faults:
        return sent
    items = found if isinstance(found, list) else [found]
    if len(items) > limits.PINGS_PER_REQUEST_MAX:
        raise TooLarge(what="pings", limit=limits.PINGS_PER_REQUEST_MAX)
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            sent.faults.append(fault("expected an object", index=index))
        elif isinstance(item.get("location"), dict):
            sent.add(_of_client(item["location"], index))
        else:
            sent.add(flat(item, now_ms, mps=1.0, index=index))
    return sent


def _of_client(location: Mapping[str, object], index: int) -> Fix | FieldError:
    coords = location.get("coords")
    if not isinstance(coords, dict):
        return fault("expected an object", field="location.coords", index=index)
    return make(
        at=location.get("timestamp"),
        lon=coords.get("longitude"),
        lat=coords.get("latitude"),
        accuracy_m=coords.get("accuracy"),
        speed=coords.get("speed"),
        mock=location.get("mock"),
        index=index,
    )
