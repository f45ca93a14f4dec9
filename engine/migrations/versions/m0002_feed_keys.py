"""Long-lived keys of devices' location apps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "feed_keys",
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("visitor", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device"),
        sa.UniqueConstraint("sha256"),
    )
    op.create_index("feed_keys_by_visitor", "feed_keys", ["visitor"])
