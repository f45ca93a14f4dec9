"""How Alembic runs the steps: on the connection of whoever called `migrate`."""

from __future__ import annotations

from alembic import context

from engine.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
