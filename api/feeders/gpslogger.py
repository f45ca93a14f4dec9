"""GPSLogger for Android: a URL of its owner's making, filled in for each fix; speeds in m/s.

https://gpslogger.app: `?lat=%LAT&lon=%LON&timestamp=%TIMESTAMP&accuracy=%ACC&speed=%SPD`. The keys
are OsmAnd's. In what it could not fill in, the name of the place holder stands.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from api.feeders.fixes import Posted, Sent, fault, nothing
from api.feeders.traccar import flat

_FORM_FIELDS_MAX: Final = 100
URL_QUERY: Final = "lat=%LAT&lon=%LON&timestamp=%TIMESTAMP&accuracy=%ACC&speed=%SPD"


def decode(posted: Posted) -> Sent:
    """The fix of a request, in its query or in a form."""
    sent = nothing()
    given: dict[str, object] = dict(posted.query)
    try:
        text = posted.body.decode("utf-8", "replace")
        given |= dict(parse_qsl(text, max_num_fields=_FORM_FIELDS_MAX))
    except ValueError:
        sent.faults.append(fault(f"more than {_FORM_FIELDS_MAX} fields in a form"))
        return sent
    if given:
        sent.add(flat(given, posted.now_ms, mps=1.0))
    return sent
