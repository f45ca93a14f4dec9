"""Bounds of the doors, each with its reason."""

from __future__ import annotations

from typing import Final

PINGS_PER_REQUEST_MAX: Final = 10_000
"""A phone's backlog of a day at one fix in ten seconds is 8,640; more is several requests."""

CONSENTS_PER_REQUEST_MAX: Final = 10_000
"""About 1 MB of JSON; the list of a whole season is a few requests."""

BODY_BYTES_MAX: Final = 4 * 1024 * 1024
"""10,000 pings with every field and long visitor ids are about 2 MB of JSON."""

IMPORT_BYTES_MAX: Final = 64 * 1024 * 1024
"""The 544 communes of two French departments are 10 MB of GeoJSON; a country's zones fit."""

IMPORT_BYTES_CEILING: Final = 256 * 1024 * 1024
"""An import is held in memory whole, and decoded takes several times as much."""

BODY_BYTES_CEILING: Final = 32 * 1024 * 1024
"""A body may become one record of the log, which takes at most 64 MiB."""

CHANGE_RECORDS_MAX: Final = 500
"""Records of an import that take effect together; between two such steps the stream goes on."""

CHANGE_BYTES_MAX: Final = 8 * 1024 * 1024
"""They are one record of the log; and a zone's outline of that size has 300,000 vertices."""

VISITOR_CHARS_MAX: Final = 128
"""Room for a UUID with a prefix, or a SHA-512 in hex; ids are repeated in every record."""

RECORD_ID_CHARS_MAX: Final = 128
"""Ids stand in URLs, logs and replacement tags."""

ACCURACY_M_MAX: Final = 1_000_000.0
"""A cell tower's or an address's guess is worse than useless beyond that: the column is f32."""

SPEED_MPS_MAX: Final = 1_000.0
"""Three times an airliner: above it the unit is wrong."""

FIX_MS_MAX: Final = 253_402_300_799_999
"""The end of the year 9999, the last that ISO 8601 writes in four digits."""

SECONDS_MISTAKEN_BELOW: Final = 100_000_000_000
"""As ms this is March 1973: a smaller fix time is one given in seconds."""

BACKLOG_AFTER_MS: Final = 300_000
"""A fix that an app delivers later is history: the age from which, by default, none pushes."""

FEEDERS_MAX: Final = 50_000
"""Devices of whose streaming app it is remembered what came last: about 50 MB."""

FENCES_MAX: Final = 100
"""What Android lets one app watch."""

FENCES_IOS_MAX: Final = 20
"""What iOS lets one app watch."""

FEEDER_FAULTS_SHOWN_MAX: Final = 5
"""The last faults of an app; one that sends wrongly sends the same fault again and again."""

FIELD_ERRORS_MAX: Final = 100
"""A broken form has a few faults; a broken generator repeats one."""

REASON_CHARS_MAX: Final = 200
"""Reasons quote what was sent; a quotation need not be the whole of it."""

PAGE_DEFAULT: Final = 100
"""Rows of a list when none is asked for: a screenful and a half."""

PAGE_MAX: Final = 1_000
"""Rows of a list at most: about 1 MB of zones with their shapes."""

LANGUAGES_MAX: Final = 10
"""A phone lists a few; the chain is walked for each message."""

PUSH_ENDPOINT_CHARS_MAX: Final = 2_048
"""Browsers' push end-points are 150-600 characters; more than a URL is usually allowed is none."""

PUSH_KEY_CHARS_MAX: Final = 128
"""A point of P-256 is 87 characters of base64, the secret 22."""

PUSH_TOKEN_CHARS_MAX: Final = 4_096
"""FCM tokens are about 200 characters and documented as unbounded."""

AHEAD_MS: Final = 60_000
"""A counter's clock may be this far ahead of ours."""

COMMAND_TIMEOUT_S: Final = 300.0
"""An import of 100,000 zones takes a minute; a command that waits for longer has hung."""

SOCKETS_MAX: Final = 10_000
"""Open inbox sockets of one process: descriptors are limited to 65,536 on most systems."""

STREAM_FRAMES_MAX: Final = 8
"""Frames of one stream that wait for their receipt; the next is not read before one is given."""

FRAME_ID_CHARS_MAX: Final = 64
"""A phone's name for a frame: a number, or a UUID."""

SOCKET_HEARTBEAT_S: Final = 25.0
"""Under the 30 s after which mobile carriers' gateways forget an idle connection."""

SOCKET_RECHECK_S: Final = 10.0
"""A token that expires or a key that ends closes its sockets within this time."""

SOCKET_CLOSE_S: Final = 5.0
"""How long the other side may take to say goodbye."""

SHUTDOWN_S: Final = 10.0
"""Time for requests in flight at Ctrl-C; under Docker's and systemd's patience."""

BURST_S: Final = 10.0
"""A caller that was idle may spend this many seconds' worth at once: an app that wakes up."""

BUCKETS_MAX: Final = 50_000
"""Callers whose rate is remembered; beyond it the longest idle are forgotten."""

KEY_NAME_CHARS_MAX: Final = 80
"""A label in a list of keys."""

REFRESH_GRACE_S: Final = 60.0
"""A phone whose answer was lost on the way tries again within this time, with the same token."""

# Pages that watch the live map at once: a control room and its guests.
LIVE_WATCHERS_MAX = 64
# Messages that wait for one page; a page slower than this misses frames.
LIVE_QUEUE_MAX = 64
# Time between frames: smooth enough with interpolation, cheap for both sides.
LIVE_FRAME_S = 0.25
# Pushes shown of one burst; a closure alert to thousands is a figure, not a list.
LIVE_PUSHES_MAX = 20

# Outcomes that a crash kept from the log, logged again in one record at start.
UNREPORTED_AT_ONCE = 500

# Allocations between two looks of the garbage collector: at Python's own 700 it takes a tenth of a
# busy engine's time.
GC_ALLOCATIONS = 20_000
