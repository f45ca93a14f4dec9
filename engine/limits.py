"""Bounds of the engine, each with its reason."""

from __future__ import annotations

# Before every date that a fix or counter can carry.
NEVER_MS = -(2**62)

# Wall clocks are slewed by far less; a leap beyond this is a step or a suspended machine.
CLOCK_LEAP_MS = 10_000
# Ticks for which a leap ahead must last before it is believed: a bad NTP answer is gone by then.
CLOCK_LEAP_TICKS = 5

# Counters that feed pontoons and museums report every 5 minutes at the slowest; two are missed.
COUNTER_FRESH_MS = 15 * 60_000
# A level falls only this share of capacity below the threshold at which it rose: a queue's coming
# and going does not make it flicker.
LEVEL_HYSTERESIS = 0.03
# Trend compares with the mean over about this long: shorter sees groups, longer misses a rush.
TREND_MS = 10 * 60_000
# Fewer persons than this are no trend.
TREND_PERSONS_MIN = 3

# Batches over which latency percentiles are taken: some seconds of a busy engine.
LATENCY_SAMPLES = 4096
# Rates over less than this jump about.
RATE_WINDOW_S = 0.5

# Pings that wait for the engine's thread. At a million a second this is a quarter second of work,
# about 50 MB of drafts; beyond it the door answers 429.
WAITING_PINGS_MAX = 250_000
# Other entries that wait: an import of 100,000 zones is one entry.
WAITING_ENTRIES_MAX = 10_000
# Pings applied before the loop serves sockets again: some milliseconds.
PUMP_PINGS_MAX = 20_000
# Effects that wait for the store; behind it ingest is refused rather than memory filled.
STORE_EFFECTS_MAX = 20_000
# How long a refused log waits before it tries again: a full disk is rarely freed sooner.
LOG_RETRY_S = 1.0
# What Retry-After says when a queue is full: they drain in well under this.
RETRY_AFTER_S = 1.0

# Simulated visitors: how many begin at rest, and how likely a rest is where a way ends.
WALKERS_RESTING_SHARE = 0.35
WALKERS_REST_CHANCE = 0.25

# The log ----------------------------------------------------------------------------------------
# A segment is removed whole once snapshots cover it: small enough to free space soon, large enough
# that a day at 1,000 pings/s is about 50 files.
LOG_SEGMENT_BYTES = 64 * 2**20
# A record is one batch of pings (36 bytes each) or one request's catalogue change; API bodies are
# bounded far below. A length beyond it is damage, not a reason to ask for memory.
RECORD_BYTES_MAX = 64 * 2**20
# Read-ahead of replay: amortises the system call, stays inside the processor's cache.
LOG_READ_BYTES = 2**20
# Under `interval` durability, unsynced records are kept to be written again after a failed fsync;
# this many bytes force one early.
LOG_UNSYNCED_BYTES_MAX = 8 * 2**20
# What `interval` durability may lose to a power failure unless told otherwise.
LOG_INTERVAL_MS = 1000

# Events known to rules: those that began a while ago (still going on) to two days ahead, which is
# further than any campaign announces; expanded again every ten minutes.
OCCASIONS_BEHIND_MS = 24 * 3_600_000
OCCASIONS_AHEAD_MS = 48 * 3_600_000
OCCASIONS_REFRESH_MS = 10 * 60_000

# Real visitors are shown only in cells of about 150 m that hold at least this many of them.
K_MIN = 10
DENSITY_CELL_DEG = 0.002
# A visitor silent for longer is not shown.
LIVE_RECENT_MS = 10 * 60_000

# Simulated counters report as often as real ones at their best.
SIMULATED_COUNTER_MS = 60_000
# One simulated visitor stands for a party and the parties near it that have no app.
PERSONS_A_WALKER = 8

# Who merely asks for the holder of a data directory locks it for some microseconds: try again.
HOLD_TRIES = 5
HOLD_PAUSE_S = 0.02

# The store --------------------------------------------------------------------------------------
# Calls that wait for the writer; each is one transaction's share. Beyond it callers are refused.
STORE_WAITING_MAX = 10_000
# Calls that one transaction takes together: their fsync is shared, and none waits for long.
STORE_TOGETHER_MAX = 64
# Readers beside the writer: pages and APIs ask for little; more would only take turns.
STORE_READERS = 4
# Pages of the write-ahead log (4 KiB) after which the writer moves them into the database.
STORE_CHECKPOINT_PAGES = 4000
# Values in one `IN (...)`: below every database's bound on parameters.
SQL_LIST_MAX = 500
# Rows of one answer. Whoever wants more goes on from the cursor.
PAGE_ROWS_MAX = 1000

# Outcomes that go to the log in one record: a lane settles fewer at a time.
OUTCOMES_A_RECORD_MAX = 1_000

# Effects of a replayed tail that are stored at once, and records between two signs of progress.
RECOVERY_EFFECTS_MAX = 2_000
RECOVERY_PROGRESS_RECORDS = 500

# Rows of a traces file: 40 bytes each in memory; a year of a large destination is cut in months.
TRACE_ROWS_MAX = 20_000_000
# Unreadable rows of it that are shown one by one; all are counted.
TRACE_PROBLEMS_MAX = 100
# Pings that replay hands to the tracker at once: a burst within one second is cut at this.
REPLAY_PINGS_MAX = 10_000

# A demonstration whose speed the machine cannot keep skips virtual seconds beyond this lag.
SIMULATION_LAG_MS = 10_000

# Snapshots --------------------------------------------------------------------------------------
# The newest, and one for the day on which it does not read well.
SNAPSHOTS_KEPT = 2
# Time between two: fixes that are in snapshots leave the log within three times as much, far below
# the 24 hours that they may live, and an erased visitor's traces likewise.
SNAPSHOT_S = 15 * 60.0
# Entries after which one is due earlier: replaying as many takes some seconds.
SNAPSHOT_ENTRIES = 6_000_000
# How often it is asked whether one is due, and the pause after one that failed.
SNAPSHOT_POLL_S = 1.0
SNAPSHOT_RETRY_S = 30.0
# Visitors encoded in one go: about a millisecond, for which other threads wait.
SNAPSHOT_PIECE = 1_000
# Bytes of an array written in one go.
SNAPSHOT_WRITE_BYTES = 4 * 2**20

# How long stopping waits for the store; what it has not taken by then is in the log.
STOP_S = 10.0

# Records of pings whose times are remembered for decisions that wait: more than arbitration takes.
CAUSES_KEPT = 4_096

# The circle at whose exit a phone asks for fences again: phones do not notice smaller ones, and
# who comes from further away has time to ask.
FENCES_REACH_M_MIN = 100.0
FENCES_REACH_M_MAX = 50_000.0

# Causes within one record whose rendered messages are kept: an alert has one, a busy second a few
# hundred.
MESSAGES_SHARED_MAX = 1_024
