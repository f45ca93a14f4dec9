"""Overland (iOS): batches of GeoJSON features, and beside them where the phone is now.

https://overland.p3k.app: speeds in m/s, -1 for unknown. The batch is history as far as it is old;
`current`, the newest fix, stands outside of it and is what triggers.
"""

from __future__ import annotations

from api import limits
from api.errors import FieldError, TooLarge
from api.feeders.fixes import Fix, Posted, Sent, fault, make, nothing, read


def decode(posted: Posted) -> Sent:
    """The fixes of a batch and of `current`. Raises TooLarge beyond the limit of pings."""
    sent = nothing()
    found = read(posted.body, sent) if posted.body.strip() else None
    if not isinstance(found, dict):
        if posted.body.strip() and not sent.faults:
            sent.faults.append(fault("expected an object with locations"))
        return sent
    locations = found.get("locations")
    if not isinstance(locations, list):
        sent.faults.append(fault("expected an array", field="locations"))
        locations = []
    if len(locations) > limits.PINGS_PER_REQUEST_MAX:
        raise TooLarge(what="pings", limit=limits.PINGS_PER_REQUEST_MAX)
    for index, feature in enumerate(locations):
        sent.add(_fix(feature, index, current=False))
    current = found.get("current")
    if current:  # `{}` where the phone has none
        sent.add(_fix(current, None, current=True))
    return sent


def _fix(feature: object, index: int | None, *, current: bool) -> Fix | FieldError:
    if not isinstance(feature, dict):
        return fault("expected a GeoJSON feature", index=index)
    geometry, properties = feature.get("geometry"), feature.get("properties")
    position = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if not isinstance(position, list) or len(position) < 2:
        return fault("expected the coordinates of a point", field="geometry", index=index)
    about = properties if isinstance(properties, dict) else {}
    return make(
        at=about.get("timestamp"),
        lon=position[0],
        lat=position[1],
        accuracy_m=about.get("horizontal_accuracy"),
        speed=about.get("speed"),
        current=current,
        index=index,
    )
