"""Who calls, and how far that reaches: API keys, device tokens, console sessions.

An API key is `balise_<role>_<256 random bits>`; only its SHA-256 is kept, which is enough for a
secret that cannot be guessed. A device gets a short-lived JWT and an opaque refresh token that
changes at every use; a refresh token that comes twice was stolen or copied, and ends them all
(unless it is the last one used and comes again at once: then the answer was lost).
For the location app beside it, which can renew nothing, a device may have one long-lived key that
opens the way in for its pings and nothing else.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final, Literal, Protocol, get_args

import jwt
import msgspec

from api import limits
from api.errors import Invalid, NotAllowed, NotAuthenticated
from engine import clock as system
from engine.clock import Clock
from engine.credentials import FeedKeyRow, KeyRow, RefreshRow

Role = Literal["viewer", "editor", "approver", "operator", "partner", "admin", "app"]
Scope = Literal[
    "content:read", "content:write", "campaigns:read", "campaigns:write", "campaigns:approve",
    "decisions:read", "live:read", "crowd:read", "crowd:write", "feeds:write", "pings:write",
    "visitors:read", "visitors:write", "devices:register", "keys:admin", "ops:read",
]  # fmt: skip

_VIEWER: Final = frozenset[Scope](
    {"content:read", "campaigns:read", "decisions:read", "live:read", "crowd:read"}
)
ROLES: Final[Mapping[Role, frozenset[Scope]]] = {
    "viewer": _VIEWER,
    "editor": _VIEWER | {"content:write", "campaigns:write"},
    "approver": _VIEWER | {"campaigns:approve"},
    "operator": _VIEWER
    | {"crowd:write", "feeds:write", "pings:write", "visitors:read", "visitors:write", "ops:read"},
    "partner": frozenset({"content:read", "crowd:read", "feeds:write", "pings:write"}),
    "admin": frozenset(get_args(Scope)),
    # Ships inside every copy of an app, so it opens nothing but the way to a device of one's own.
    "app": frozenset({"devices:register"}),
}

DEVICE_AUDIENCE: Final = "balise:device"
CONSOLE_AUDIENCE: Final = "balise:console"
ISSUER: Final = "balise"
KEY_PREFIX: Final = "balise_"
REFRESH_PREFIX: Final = "baliser_"
FEED_PREFIX: Final = "balisef_"
LEEWAY_S: Final = 5
"""Clocks of two servers behind one address differ by less."""


class Vault(Protocol):
    """What keeps credentials."""

    async def keys(self) -> list[KeyRow]:
        """All keys, revoked ones too."""

    async def put_key(self, row: KeyRow) -> None:
        """Add a key or replace the one with its id."""

    async def refresh(self, sha256: str) -> RefreshRow | None:
        """The refresh token with that hash."""

    async def put_refresh(
        self, row: RefreshRow, *, replaces: str | None = None, grace_ms: int = 0
    ) -> bool:
        """Keep a token; `replaces` is marked used in the same transaction.

        False, and nothing kept, where `replaces` had been used already; unless it is the last of
        its device's that was, less than `grace_ms` ago.
        """

    async def drop_refresh(self, device: str) -> None:
        """End every refresh token of a device."""

    async def feed_keys(self) -> list[FeedKeyRow]:
        """The key of every device that has one."""

    async def put_feed_key(self, row: FeedKeyRow) -> None:
        """Keep a device's key in the place of the one before."""

    async def drop_feed_key(self, device: str) -> None:
        """End a device's key."""

    async def secret(self, name: str, fresh: str) -> str:
        """The secret kept under `name`; `fresh` is kept where there was none."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls: `id` names the key or device in logs and audits, never the secret."""

    kind: Literal["key", "device", "session", "anonymous"]
    id: str
    role: str = ""
    scopes: frozenset[str] = frozenset()
    device: str = ""
    visitor: str = ""

    def needs(self, *scopes: Scope) -> None:
        """Raise NotAllowed unless one of `scopes` is held; NotAuthenticated where nobody is."""
        if self.scopes.isdisjoint(scopes):
            wanted = " or ".join(scopes)
            if self.kind == "anonymous":
                raise NotAuthenticated(f"a credential with {wanted} is needed")
            raise NotAllowed(f"this needs {wanted}, which {self.id} lacks", scope=scopes[0])

    def owns(self, visitor: str) -> bool:
        """Whether this is a device of that visitor."""
        return self.kind == "device" and hmac.compare_digest(self.visitor, visitor)


ANONYMOUS: Final = Caller(kind="anonymous", id="anonymous")


class DeviceTokens(msgspec.Struct, frozen=True, kw_only=True):
    """What a device is given."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  # the name of a scheme


def digest(secret: str) -> str:
    """SHA-256 in hex."""
    # What is no UTF-8 in a header stands as surrogates: no key, which has a digest all the same.
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def new_key(
    *,
    name: str,
    role: Role,
    now_ms: int,
    scopes: Iterable[str] | None = None,
    expires_ms: int | None = None,
) -> tuple[KeyRow, str]:
    """A fresh key, as it is kept and as it is shown once.

    Raises Invalid where `scopes` reach beyond the role.
    """
    allowed = ROLES[role]
    chosen = allowed if scopes is None else frozenset(scopes)
    beyond = sorted(chosen - allowed)
    if beyond:
        raise Invalid.one("scopes", f"the role {role} does not have {', '.join(beyond)}")
    key = f"{KEY_PREFIX}{role}_{system.token()}"
    row = KeyRow(
        id=system.new_id("key"),
        name=name,
        role=role,
        scopes=tuple(sorted(chosen)),
        sha256=digest(key),
        created_ms=now_ms,
        expires_ms=expires_ms,
    )
    return row, key


class Gate:
    """Checks credentials. Keys are held in memory; `load` reads them."""

    def __init__(
        self,
        vault: Vault,
        *,
        clock: Clock,
        access_token_s: int,
        refresh_token_days: int,
        session_hours: int,
    ) -> None:
        self.vault = vault
        self.clock = clock
        self.access_token_s = access_token_s
        self.refresh_token_ms = refresh_token_days * 86_400_000
        self.session_s = session_hours * 3600
        self._by_hash: dict[str, KeyRow] = {}
        self._by_id: dict[str, KeyRow] = {}
        self._passing: set[str] = set()
        self._feeds: dict[str, FeedKeyRow] = {}
        self._feed_of: dict[str, FeedKeyRow] = {}
        self._secret = ""

    async def load(self) -> None:
        """Read the keys and the signing secret."""
        for row in await self.vault.keys():
            self._remember(row)
        for feed in await self.vault.feed_keys():
            self._feeds[feed.sha256] = self._feed_of[feed.device] = feed
        self._secret = await self.vault.secret("jwt", system.token())

    # -- keys ---------------------------------------------------------------

    @property
    def keys(self) -> list[KeyRow]:
        """All keys that are kept, oldest first."""
        kept = (row for row in self._by_id.values() if row.id not in self._passing)
        return sorted(kept, key=lambda row: (row.created_ms, row.id))

    async def add(self, row: KeyRow) -> None:
        """Keep a key; it holds from now on."""
        await self.vault.put_key(row)
        self._remember(row)

    async def revoke(self, key_id: str) -> KeyRow | None:
        """End a key, at once even where that cannot be stored; None where there is none by that id.

        Raises as the vault does: then it must be asked for again, to hold after a restart.
        """
        row = self._by_id.get(key_id)
        if row is None or row.id in self._passing:
            return None
        if row.revoked_ms is None:
            row = msgspec.structs.replace(row, revoked_ms=self.clock.now_ms())
            self._remember(row)
        await self.vault.put_key(row)
        return row

    def lend(self, row: KeyRow) -> None:
        """Let a key hold in this process, for as long as it runs."""
        self._passing.add(row.id)
        self._remember(row)

    def _remember(self, row: KeyRow) -> None:
        self._by_hash[row.sha256] = row
        self._by_id[row.id] = row

    def key(self, secret: str) -> Caller:
        """The caller of an API key. Raises NotAuthenticated."""
        # Looked up by hash: the time it takes tells nothing of the key.
        return self._key_caller(self._by_hash.get(digest(secret)), "key")

    def _key_caller(self, row: KeyRow | None, kind: Literal["key", "session"]) -> Caller:
        if row is None:
            raise NotAuthenticated("the key is not known")
        if row.revoked_ms is not None:
            raise NotAuthenticated("the key has been revoked")
        if row.expires_ms is not None and self.clock.now_ms() >= row.expires_ms:
            raise NotAuthenticated("the key has expired")
        return Caller(kind=kind, id=row.id, role=row.role, scopes=frozenset(row.scopes))

    def bearer(self, credential: str) -> Caller:
        """The caller of an `Authorization: Bearer` credential. Raises NotAuthenticated."""
        if credential.startswith(KEY_PREFIX):
            return self.key(credential)
        claims = self._claims(credential, DEVICE_AUDIENCE)
        device, visitor = str(claims["sub"]), str(claims.get("visitor", ""))
        return Caller(kind="device", id=device, device=device, visitor=visitor)

    # -- devices ------------------------------------------------------------

    def _sign(self, claims: dict[str, object], audience: str, life_s: int) -> str:
        now_s = self.clock.now_ms() // 1000
        times: dict[str, object] = {"iat": now_s, "exp": now_s + life_s}
        return jwt.encode(
            claims | times | {"aud": audience, "iss": ISSUER}, self._secret, algorithm="HS256"
        )

    def _claims(self, token: str, audience: str) -> dict[str, object]:
        """Checked claims, the expiry by this gate's own clock."""
        if not token.isascii():
            raise NotAuthenticated("the token does not hold")
        try:
            claims: dict[str, object] = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                audience=audience,
                issuer=ISSUER,
                options={
                    "require": ["exp", "iat", "aud", "iss", "sub"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, RecursionError) as error:
            raise NotAuthenticated("the token does not hold", expired=True) from error
        expires_s = claims["exp"]
        if not isinstance(expires_s, int) or self.clock.now_ms() / 1000 > expires_s + LEEWAY_S:
            raise NotAuthenticated("the token has expired", expired=True)
        return claims

    def _access(self, device: str, visitor: str) -> str:
        return self._sign({"sub": device, "visitor": visitor}, DEVICE_AUDIENCE, self.access_token_s)

    async def admit(self, device: str, visitor: str) -> DeviceTokens:
        """Tokens for a device that has just registered."""
        return await self._issue(device, visitor, replaces=None)

    async def _issue(self, device: str, visitor: str, *, replaces: str | None) -> DeviceTokens:
        refresh = REFRESH_PREFIX + system.token()
        row = RefreshRow(
            sha256=digest(refresh),
            device=device,
            visitor=visitor,
            expires_ms=self.clock.now_ms() + self.refresh_token_ms,
        )
        grace_ms = round(limits.REFRESH_GRACE_S * 1000)
        if not await self.vault.put_refresh(row, replaces=replaces, grace_ms=grace_ms):
            await self._reused(device)
        return DeviceTokens(
            access_token=self._access(device, visitor),
            refresh_token=refresh,
            expires_in=self.access_token_s,
        )

    async def renew(self, refresh: str) -> tuple[DeviceTokens, RefreshRow]:
        """Fresh tokens for a refresh token, which ends with it.

        For REFRESH_GRACE_S it may be used again, as long as what it was exchanged for has not been:
        the answer may have been lost. Raises NotAuthenticated; any other token that has been used
        before ends all of its device's.
        """
        row = await self.vault.refresh(digest(refresh))
        if row is None:
            raise NotAuthenticated("the refresh token is not known: register the device again")
        if self.clock.now_ms() >= row.expires_ms:
            raise NotAuthenticated("the refresh token has expired: register the device again")
        return await self._issue(row.device, row.visitor, replaces=row.sha256), row

    async def _reused(self, device: str) -> None:
        await self.vault.drop_refresh(device)
        raise NotAuthenticated(
            "the refresh token was used before; all tokens of the device have been ended: "
            "register it again"
        )

    # -- location apps --------------------------------------------------------

    async def feed_key(self, device: str, visitor: str) -> tuple[FeedKeyRow, str]:
        """A fresh key for the location app of a device, shown once; the one before ends."""
        key = FEED_PREFIX + system.token()
        row = FeedKeyRow(
            device=device, visitor=visitor, sha256=digest(key), created_ms=self.clock.now_ms()
        )
        await self.vault.put_feed_key(row)
        self._forget_feed(device)
        self._feeds[row.sha256] = self._feed_of[device] = row
        return row, key

    def feed_of(self, device: str) -> FeedKeyRow | None:
        """The key that a device has, as it is kept."""
        return self._feed_of.get(device)

    async def end_feed(self, device: str) -> bool:
        """End a device's key; whether there was one."""
        await self.vault.drop_feed_key(device)
        return self._forget_feed(device)

    def _forget_feed(self, device: str) -> bool:
        row = self._feed_of.pop(device, None)
        if row is not None:
            del self._feeds[row.sha256]
        return row is not None

    def feeder(self, key: str) -> Caller:
        """The device whose location app sends with `key`. Raises NotAuthenticated."""
        row = self._feeds.get(digest(key))
        if row is None:
            raise NotAuthenticated("the device key is not known, or has been revoked")
        return Caller(kind="device", id=row.device, device=row.device, visitor=row.visitor)

    # -- console ------------------------------------------------------------

    def open_session(self, caller: Caller) -> str:
        """A session for the holder of a key, as the value of a cookie."""
        return self._sign({"sub": caller.id}, CONSOLE_AUDIENCE, self.session_s)

    def session(self, cookie: str) -> Caller:
        """The caller of a session: the reach of its key as it is now. Raises NotAuthenticated."""
        claims = self._claims(cookie, CONSOLE_AUDIENCE)
        return self._key_caller(self._by_id.get(str(claims["sub"])), "session")
