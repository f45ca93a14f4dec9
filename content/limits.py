"""The bounds of content, each with its reason."""

from __future__ import annotations

from typing import Final

ID_CHARS_MAX: Final = 100
"""Ids stand in URLs, logs and push payloads; the longest public identifiers seen have about 60."""

LANGUAGE_CHARS_MAX: Final = 35
"""RFC 5646 section 4.4.1 asks buffers to hold 35 characters of a language tag."""

NAME_CHARS_MAX: Final = 300
"""A title of one line; DATAtourisme's longest has about 200."""

SUMMARY_CHARS_MAX: Final = 2_000
"""A paragraph under a title."""

DESCRIPTION_CHARS_MAX: Final = 50_000
"""Several pages; more belongs on a web site."""

LANGUAGES_MAX: Final = 60
"""More than any destination translates into; keeps one text from filling a page of the API."""

LIST_ITEMS_MAX: Final = 200
"""Tags, themes, categories of one record: more is a mapping mistake."""

URL_CHARS_MAX: Final = 2_048
"""What browsers and proxies accept in common."""

OPENING_HOURS_CHARS_MAX: Final = 2_000
"""OpenStreetMap's own limit is 255; other sources write longer rules."""

EXTRA_KEYS_MAX: Final = 200
"""Foreign properties kept with a record at import."""

EXTRA_CHARS_MAX: Final = 20_000
"""Of one foreign value as JSON; a longer one (an embedded geometry, a page) is not kept."""

DWELLS_MAX: Final = 16
"""Dwell instants of one zone; each is a timer a visit."""

DWELL_S_MAX: Final = 86_400.0
"""A visit longer than a day is residence."""

METRES_MAX: Final = 1_000_000.0
"""Radii, widths and margins beyond a thousand kilometres are unit mistakes."""

PERSONS_MAX: Final = 100_000_000
"""Capacity or places left; above it someone wrote square millimetres."""

STOPS_MAX: Final = 500
"""Stops of a circuit; a signposted week-long trek has about a hundred."""

LINE_POSITIONS_MAX: Final = 200_000
"""Positions of a circuit's line: a week at one fix each three seconds."""

OCCURRENCE_CHANGES_MAX: Final = 1_000
"""Dates excluded, added or changed in one recurrence: almost three years of days."""

DURATION_MIN_MAX: Final = 60 * 24 * 366
"""An occurrence lasts at most a year."""

OFFSET_MIN_MAX: Final = 12 * 60
"""From the sun's event to the start; beyond half a day it is another event's."""

OCCURRENCES_MAX: Final = 50_000
"""In one expansion: 500 events, three times a day, for a month."""

YEAR_MIN: Final = 1970
YEAR_MAX: Final = 2200
"""Recurrences are walked day by day from their first, at worst: 230 years are a tenth of a
second."""

IMPORT_BYTES_MAX: Final = 256 * 1024 * 1024
"""One file is decoded in memory; the largest regional flux slimmed to one JSON has about 100 MB."""

IMPORT_RECORDS_MAX: Final = 1_000_000
"""Records of one import; France's whole DATAtourisme flux has half of it."""

NEAR_KM_MAX: Final = 300.0
"""A zone farther than this from its destination, which would be near were its coordinates
swapped, has them swapped."""

COLUMN_MAP_CHARS_MAX: Final = 6_000
"""A map of columns travels in a query, and a request line has at most 8,190 bytes."""
