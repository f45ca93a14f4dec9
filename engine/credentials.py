"""Credentials in the database: keys and refresh tokens by their hash, and signing secrets."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlalchemy import Row as SqlRow

from engine import tables
from engine.clock import Clock
from engine.database import Database, insert_new, upsert

_keys = tables.api_keys
_tokens = tables.refresh_tokens
_feeds = tables.feed_keys


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """An API key as it is kept: `sha256` in hex, never the key. Times in ms since 1970 UTC."""

    id: str
    name: str
    role: str
    scopes: tuple[str, ...]
    sha256: str
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None


class RefreshRow(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh token as it is kept. `used_ms` is set once another has taken its place."""

    sha256: str
    device: str
    visitor: str
    expires_ms: int
    used_ms: int | None = None


class FeedKeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """The long-lived key of a device's location app, as it is kept."""

    device: str
    visitor: str
    sha256: str
    created_ms: int


class Credentials:
    """What keeps credentials. Every method may raise StoreRefused or Overloaded."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def keys(self) -> list[KeyRow]:
        """All keys, oldest first, revoked ones too."""
        query = select(_keys).order_by(_keys.c.created_ms, _keys.c.id)
        return await self._database.read(lambda of: [_key(row) for row in of.execute(query)])

    async def put_key(self, row: KeyRow) -> None:
        """Add a key or replace the one with its id."""
        values = {**msgspec.structs.asdict(row), "scopes": " ".join(row.scopes)}
        await self._database.write(lambda to: _put_key(to, values))

    async def refresh(self, sha256: str) -> RefreshRow | None:
        """The refresh token with that hash."""
        query = select(_tokens).where(_tokens.c.sha256 == sha256)

        def first(of: Connection) -> RefreshRow | None:
            row = of.execute(query).first()
            return None if row is None else RefreshRow(**row._mapping)

        return await self._database.read(first)

    async def put_refresh(
        self, row: RefreshRow, *, replaces: str | None = None, grace_ms: int = 0
    ) -> bool:
        """Keep a token; `replaces` is marked used in the same transaction.

        False, and nothing kept, where `replaces` is absent or had been used already; unless it is
        the last of its device's that was, less than `grace_ms` ago. The device's tokens whose time
        is over are dropped with it.
        """
        now_ms = self._clock.now_ms()
        return await self._database.write(
            lambda to: _put_refresh(to, row, replaces, now_ms, grace_ms)
        )

    async def drop_refresh(self, device: str) -> None:
        """End every refresh token of a device."""
        statement = delete(_tokens).where(_tokens.c.device == device)
        await self._database.write(lambda to: to.execute(statement).rowcount)

    async def feed_keys(self) -> list[FeedKeyRow]:
        """The key of every device that has one."""
        return await self._database.read(
            lambda of: [FeedKeyRow(**row._mapping) for row in of.execute(select(_feeds))]
        )

    async def put_feed_key(self, row: FeedKeyRow) -> None:
        """Keep a device's key in the place of the one before."""
        values = msgspec.structs.asdict(row)
        await self._database.write(lambda to: upsert(to, _feeds, [values]))

    async def drop_feed_key(self, device: str) -> None:
        """End a device's key."""
        statement = delete(_feeds).where(_feeds.c.device == device)
        await self._database.write(lambda to: to.execute(statement).rowcount)

    async def secret(self, name: str, fresh: str) -> str:
        """The secret kept under `name`; `fresh` is kept where there was none."""
        return await self._database.write(lambda to: _secret(to, f"secret.{name}", fresh))


def _key(row: SqlRow[Any]) -> KeyRow:
    values = dict(row._mapping)
    return KeyRow(**{**values, "scopes": tuple(values["scopes"].split())})


def _put_key(to: Connection, values: dict[str, Any]) -> None:
    upsert(to, _keys, [values])


_USE = (
    update(_tokens)
    .where(_tokens.c.sha256 == bindparam("which"), _tokens.c.used_ms.is_(None))
    .values(used_ms=bindparam("now_ms"))
)


def _put_refresh(
    to: Connection, row: RefreshRow, replaces: str | None, now_ms: int, grace_ms: int
) -> bool:
    if replaces is not None:
        query = select(func.max(_tokens.c.used_ms)).where(_tokens.c.device == row.device)
        last_ms: int | None = to.execute(query).scalar_one()
        # Each use is later than the one before, so that it is known which was the last.
        used_ms = now_ms if last_ms is None else max(now_ms, last_ms + 1)
        if to.execute(_USE, {"which": replaces, "now_ms": used_ms}).rowcount != 1:
            query = select(_tokens.c.used_ms).where(_tokens.c.sha256 == replaces)
            before_ms: int | None = to.execute(query).scalar_one_or_none()
            if before_ms is None or before_ms != last_ms or now_ms - before_ms >= grace_ms:
                return False
        over = (_tokens.c.device == row.device) & (_tokens.c.expires_ms <= now_ms)
        to.execute(delete(_tokens).where(over))
    to.execute(_tokens.insert(), [msgspec.structs.asdict(row)])
    return True


def _secret(to: Connection, name: str, fresh: str) -> str:
    insert_new(to, tables.meta, [{"name": name, "value": fresh}], key="name")
    query = select(tables.meta.c.value).where(tables.meta.c.name == name)
    return str(to.execute(query).scalar_one())
