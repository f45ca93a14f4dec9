"""API keys, who am I, and console sessions."""

from __future__ import annotations

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from api import limits, sockets
from api.auth import Role, Scope, new_key
from api.calls import JSON, SESSION_COOKIE, Call, Route
from api.errors import Invalid, NotAllowed, NotFound
from engine.credentials import KeyRow


class KeyBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to make. `scopes` narrows the role; `expires_ms` ends it."""

    role: Role
    name: Annotated[str, Meta(max_length=limits.KEY_NAME_CHARS_MAX)] = ""
    scopes: tuple[Scope, ...] | None = None
    expires_ms: Annotated[int, Meta(ge=0, le=limits.FIX_MS_MAX)] | None = None


class KeyAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key as it is known; `key`, the secret itself, is in the answer to its making only."""

    id: str
    name: str
    role: str
    scopes: tuple[str, ...]
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None
    key: str | None = None


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Who the credential stands for, and how far it reaches."""

    kind: str
    id: str
    role: str
    scopes: list[str]
    device: str
    visitor: str


class SessionBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The key to log in with."""

    key: str


async def make(call: Call) -> KeyAnswer:
    """Make a key; nobody can give away more than they have."""
    body = call.body(KeyBody)
    now_ms = call.service.clock.now_ms()
    if body.expires_ms is not None and body.expires_ms <= now_ms:
        raise Invalid.one("expires_ms", "lies in the past")
    row, key = new_key(
        name=body.name,
        role=body.role,
        now_ms=now_ms,
        scopes=body.scopes,
        expires_ms=body.expires_ms,
    )
    if not call.caller.scopes.issuperset(row.scopes):
        raise NotAllowed("a key cannot make one that reaches further than itself")
    await call.service.gate.add(row)
    return _shown(row, key)


async def list_(call: Call) -> dict[str, list[KeyAnswer]]:
    """All keys, without their secrets."""
    return {"items": [_shown(row) for row in call.service.gate.keys]}


async def revoke(call: Call) -> None:
    """End a key at once, and the sockets that were opened with it."""
    key = call.part("id")
    try:
        if await call.service.gate.revoke(key) is None:
            raise NotFound(kind="key", record_id=key)
    finally:
        sockets.end(call.service, lambda caller: caller.id == key and caller.kind != "device")


async def me(call: Call) -> Me:
    """Who calls."""
    caller = call.caller
    return Me(
        kind=caller.kind,
        id=caller.id,
        role=caller.role,
        scopes=sorted(caller.scopes),
        device=caller.device,
        visitor=caller.visitor,
    )


async def log_in(call: Call) -> web.Response:
    """Open a console session: a cookie that pages of this server send along."""
    settings = call.service.settings
    caller = call.service.gate.key(call.body(SessionBody).key)
    caller.needs("live:read", "content:read")
    response = web.Response(status=204)
    response.set_cookie(
        SESSION_COOKIE,
        call.service.gate.open_session(caller),
        max_age=settings.session_hours * 3600,
        httponly=True,
        samesite="Strict",
        secure=settings.https,
        path="/",
    )
    return response


async def log_out(call: Call) -> web.Response:
    """Forget the session's cookie."""
    response = web.Response(status=204)
    response.del_cookie(
        SESSION_COOKIE,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=call.service.settings.https,
    )
    return response


def _shown(row: KeyRow, key: str | None = None) -> KeyAnswer:
    return KeyAnswer(
        id=row.id,
        name=row.name,
        role=row.role,
        scopes=row.scopes,
        created_ms=row.created_ms,
        expires_ms=row.expires_ms,
        revoked_ms=row.revoked_ms,
        key=key,
    )


ROUTES = (
    Route(method="POST", path="/v1/keys", handler=make, tag="keys", scopes=("keys:admin",),
          summary="Make an API key; it is shown once", body=KeyBody, answer=KeyAnswer, status=201,
          audited=True),
    Route(method="GET", path="/v1/keys", handler=list_, tag="keys", scopes=("keys:admin",),
          summary="List API keys", answer=list[KeyAnswer]),
    Route(method="DELETE", path="/v1/keys/{id}", handler=revoke, tag="keys",
          scopes=("keys:admin",), summary="Revoke an API key", status=204, audited=True),
    Route(method="GET", path="/v1/me", handler=me, tag="keys", any_caller=True,
          summary="Who am I?", answer=Me),
    Route(method="POST", path="/console/session", handler=log_in, tag="console", open=True,
          summary="Log in to the console with a key", sessions=False, body=SessionBody,
          takes=(JSON,), status=204),
    Route(method="DELETE", path="/console/session", handler=log_out, tag="console", open=True,
          summary="Log out", sessions=False, status=204),
)  # fmt: skip
