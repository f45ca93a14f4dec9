"""The tables of the store. `engine/migrations` makes them; a test holds the two together.

Times are ms since 1970 UTC. `body` columns are JSON of the struct that the table's rows stand for;
the other columns are what is asked for by SQL.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()
Key = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER numbers itself in SQLite

WAITING = text("state IN ('queued', 'retry')")
INTERRUPTED = text("state IN ('sending', 'in_doubt')")
UNREPORTED = text("reported IS FALSE")

# name -> value: `applied_through` (log position), secrets by `secret.<name>`.
meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", Text, nullable=False),
)

# The newest version of every record of the catalogue; `body` null where it was deleted.
catalogue = Table(
    "catalogue",
    metadata,
    Column("kind", String, primary_key=True),
    Column("id", String, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("body", Text),
    Column("updated_ms", BigInteger, nullable=False),
)

profiles = Table(
    "profiles",
    metadata,
    Column("visitor", String, primary_key=True),
    Column("body", Text, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
)

consents = Table(
    "consents",
    metadata,
    Column("visitor", String, primary_key=True),
    Column("purpose", String, primary_key=True),
    Column("allowed", Boolean, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

devices = Table(
    "devices",
    metadata,
    Column("id", String, primary_key=True),
    Column("visitor", String, nullable=False),
    Column("retired", String, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("body", Text, nullable=False),
    Column("registered_ms", BigInteger, nullable=False),
    Column("last_seen_ms", BigInteger, nullable=False),
    Index("devices_by_visitor", "visitor"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("seq", Key, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("position", BigInteger, nullable=False),
    Column("visitor", String, nullable=False),
    Column("campaign", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("zone", String),
    Column("verdict", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("decided_ms", BigInteger, nullable=False),
    Column("times", Text),
    Column("body", Text, nullable=False),
    Index("decisions_by_visitor", "visitor", "seq"),
    Index("decisions_by_campaign", "campaign", "reason", "seq"),
    Index("decisions_by_verdict", "verdict", "seq"),
    Index("decisions_by_time", "decided_ms"),
    sqlite_autoincrement=True,
)

# The outbox. `reported`: the log has heard what became of it.
notifications = Table(
    "notifications",
    metadata,
    Column("id", String, primary_key=True),
    Column("decision", String, nullable=False),
    Column("campaign", String, nullable=False),
    Column("visitor", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("lang", String, nullable=False),
    Column("state", String, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("doubts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("provider_id", Text, nullable=False),
    Column("dispatched_ms", BigInteger),
    Column("answered_ms", BigInteger),
    Column("updated_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("reported", Boolean, nullable=False),
    Column("body", Text, nullable=False),
    Index("notifications_by_decision", "decision"),
    Index("notifications_by_visitor", "visitor"),
    Index("notifications_by_state", "channel", "state"),
    Index(
        "notifications_waiting",
        "channel",
        "due_ms",
        "id",
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    ),
    Index(
        "notifications_interrupted",
        "channel",
        "id",
        sqlite_where=INTERRUPTED,
        postgresql_where=INTERRUPTED,
    ),
    Index(
        "notifications_unreported",
        "id",
        sqlite_where=UNREPORTED,
        postgresql_where=UNREPORTED,
    ),
)

# `position` is the reader's cursor; it is never used twice.
inbox = Table(
    "inbox",
    metadata,
    Column("position", Key, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("visitor", String, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("read_ms", BigInteger),
    Column("body", Text, nullable=False),
    Index("inbox_by_visitor", "visitor", "position"),
    sqlite_autoincrement=True,
)

visits = Table(
    "visits",
    metadata,
    Column("visitor", String, primary_key=True),
    Column("zone", String, primary_key=True),
    Column("enter_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("exit_ms", BigInteger),
    Column("cause", String, nullable=False),
    Column("visit", BigInteger, nullable=False),
    Index("visits_by_zone", "zone", "enter_ms"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("role", String, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("sha256", String, nullable=False, unique=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
    Column("revoked_ms", BigInteger),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("sha256", String, primary_key=True),
    Column("device", String, nullable=False),
    Column("visitor", String, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("used_ms", BigInteger),
    Index("refresh_tokens_by_device", "device"),
    Index("refresh_tokens_by_visitor", "visitor"),
)

feed_keys = Table(
    "feed_keys",
    metadata,
    Column("device", String, primary_key=True),
    Column("visitor", String, nullable=False),
    Column("sha256", String, nullable=False, unique=True),
    Column("created_ms", BigInteger, nullable=False),
    Index("feed_keys_by_visitor", "visitor"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", Key, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("who", String, nullable=False),
    Column("what", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("detail", Text, nullable=False),
    Index("audit_by_subject", "subject", "seq"),
    sqlite_autoincrement=True,
)
