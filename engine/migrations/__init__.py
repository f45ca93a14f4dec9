"""The store's schema, step by step, and how far this version of Balise knows it."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from engine.errors import DataTooNew

FOLDER = Path(__file__).parent


def migrate(connection: Connection, path: str) -> bool:
    """Bring the database at `path` to the newest schema; returns whether that changed it.

    The caller holds the data directory and commits. Raises DataTooNew for a schema of a later
    version of Balise.
    """
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_current_head()
    found = MigrationContext.configure(connection).get_current_revision()
    assert newest is not None
    if found == newest:
        return False
    if found is not None and int(found) > int(newest):
        raise DataTooNew(path=path, found=int(found), known=int(newest))
    command.upgrade(config, "head")
    return True
