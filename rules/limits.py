"""Bounds of rules, each with its reason."""

from __future__ import annotations

# A tree that a person can still read, and that costs tens of microseconds at worst to evaluate.
CONDITION_LEAVES_MAX = 64
CONDITION_DEPTH_MAX = 8

# Ids travel in URLs, log records and collapse keys; tags and names are shown in lists.
ID_CHARS_MAX = 128
REF_CHARS_MAX = 256  # ids of places and events may be other systems' URIs
NAME_CHARS_MAX = 200
LIST_ENTRIES_MAX = 10_000  # a destination's zones or places, listed one by one

# OneSignal allows ten; more variants than that never reach a verdict at one destination's volumes.
VARIANTS_MAX = 10

# A geo push that comes a day late is noise; FCM's own ceiling of 28 days is for other uses.
TTL_S_MAX = 86_400
DWELL_S_MAX = 86_400  # beyond a day it is a stay, not a dwell
WITHIN_M_MAX = 50_000.0  # "near" beyond 50 km is a region: draw a zone
MINUTES_MAX = 7 * 24 * 60  # events are looked at most a week ahead
SUN_MINUTES_MAX = 720  # half a day: further off, the other sunset is nearer
PERIOD_S_MAX = 366 * 86_400  # caps and cooldowns look back at most a (leap) year

# Sends stay in a visitor's ledger this long at least, so that a new cap counts what went before.
LEDGER_MS_MIN = 86_400_000
# The ledger keeps the newest sends of a visitor; alerts, which no cap stops, could fill it.
LEDGER_SENDS_MAX = 4_096

# Candidates of one visitor that wait in one arbitration window; the worst gives way.
WAITING_PER_VISITOR_MAX = 64

# Time zone offsets change on whole quarter-hours of UTC (true of every zone since 1972), so
# a wall-clock answer is kept at most to the next one.
CLOCK_SPAN_MS = 900_000

# Opening hours are asked for a change at most this far ahead; a place shut for a year is shut.
HOURS_AHEAD_DAYS = 366
HOURS_CACHED_MAX = 10_000  # one per place with hours
SUN_DAYS_CACHED_MAX = 64  # yesterday, today and tomorrow are asked; the rest is replay

# What a speed looks like, metres a second. Visitors stroll at 0.5-1.8; 2.5 is a run, and where
# cycling begins; above 7 (25 km/h, the ceiling of an assisted bicycle) it is a vehicle.
WALKING_MPS_MIN = 0.5
RIDING_MPS_MIN = 2.5
DRIVING_MPS_MIN = 7.0
