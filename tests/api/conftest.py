"""Fixtures of the doors' tests."""

from __future__ import annotations

import msgspec
import pytest

from engine.credentials import KeyRow, RefreshRow


class MemoryVault:
    """Keeps credentials in dictionaries."""

    def __init__(self) -> None:
        self.rows: dict[str, KeyRow] = {}
        self.tokens: dict[str, RefreshRow] = {}
        self.secrets: dict[str, str] = {}

    async def keys(self) -> list[KeyRow]:
        return list(self.rows.values())

    async def put_key(self, row: KeyRow) -> None:
        self.rows[row.id] = row

    async def refresh(self, sha256: str) -> RefreshRow | None:
        return self.tokens.get(sha256)

    async def put_refresh(self, row: RefreshRow, *, replaces: str | None = None) -> bool:
        if replaces is not None:
            before = self.tokens.get(replaces)
            if before is None or before.used_ms is not None:
                return False
            self.tokens[replaces] = msgspec.structs.replace(before, used_ms=1)
        self.tokens[row.sha256] = row
        return True

    async def drop_refresh(self, device: str) -> None:
        self.tokens = {k: v for k, v in self.tokens.items() if v.device != device}

    async def secret(self, name: str, fresh: str) -> str:
        return self.secrets.setdefault(name, fresh)


@pytest.fixture
def vault() -> MemoryVault:
    return MemoryVault()
