"""A server that behaves like FCM's HTTP v1 and like the token end-point before it.

It checks the signature of the service account's assertion and the bearer token, validates each
message field by field, answers in Google's format, and fails where it is told to. What phones would
show is kept, so that a test can ask for it and the demo can draw it.

    POST /token                                   the exchange of an assertion for a token
    POST /v1/projects/{project}/messages:send     one message
    GET  /standin/messages?after=0&limit=100      what was received, oldest first
    POST /standin/faults                          {"address": "...", "faults": [{"kind": "..."}]}
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal

import jwt
import msgspec
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from notifier import limits
from notifier.standin.fcm_schema import violations

FaultKind = Literal[
    "unregistered", "invalid_address", "sender_id_mismatch", "third_party_auth", "quota",
    "unavailable", "internal", "deadline", "unauthorized", "slow", "drop_before", "drop_after",
    "not_json",
]  # fmt: skip

ANY: Final = "*"
"""The address whose faults hold for all that have none of their own."""

_OFFICIAL_AUDIENCE: Final = "https://oauth2.googleapis.com/token"
_ERROR_TYPE: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_ANSWERS: Final[dict[FaultKind, tuple[int, str, str, str]]] = {
    "unregistered": (404, "NOT_FOUND", "Requested entity was not found.", "UNREGISTERED"),
    "sender_id_mismatch": (403, "PERMISSION_DENIED", "SenderId mismatch", "SENDER_ID_MISMATCH"),
    "third_party_auth": (
        401,
        "UNAUTHENTICATED",
        "Auth error from APNS or Web Push Service",
        "THIRD_PARTY_AUTH_ERROR",
    ),
    "quota": (
        429,
        "RESOURCE_EXHAUSTED",
        "Quota exceeded for quota metric 'Send requests' of service 'fcm.googleapis.com'.",
        "QUOTA_EXCEEDED",
    ),
    "unavailable": (503, "UNAVAILABLE", "The service is currently unavailable.", "UNAVAILABLE"),
    "internal": (500, "INTERNAL", "Internal error encountered.", "INTERNAL"),
    "deadline": (504, "DEADLINE_EXCEEDED", "Deadline exceeded.", ""),
}


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong with a message: `times` messages of the address, or always if None.

    retry_after_s: sent as Retry-After. delay_s: before answering, of `slow` (which then succeeds).
    drop_before cuts the connection before the message is taken, drop_after once it was.
    """

    kind: FaultKind
    times: int | None = 1
    retry_after_s: int | None = None
    delay_s: float = 0.0


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was taken: `number` counts from 1, `name` is what the sender was told."""

    number: int
    name: str
    address: str
    project: str
    at_ms: int
    message: dict[str, Any]


class _Account(msgspec.Struct, frozen=True, kw_only=True):
    public_key: Any
    token_uri: str
    project_id: str


class FcmStandin:
    """The server's state and its handlers. `now_s`: seconds since 1970, for expiry and times.

    lifetime_s: of the access tokens it gives.
    """

    def __init__(self, *, now_s: Callable[[], float], lifetime_s: int = 3_599) -> None:
        self.messages: deque[Received] = deque(maxlen=limits.STANDIN_KEPT_MAX)
        self.requests = 0
        """Send requests so far, whatever became of them."""
        self.exchanges = 0
        """Access tokens given out so far."""
        self.lifetime_s = lifetime_s
        self._now_s = now_s
        self._accounts: dict[str, _Account] = {}
        self._tokens: dict[str, tuple[float, str]] = {}
        self._faults: dict[str, list[tuple[Fault, int | None]]] = {}
        self._listeners: list[Callable[[Received], None]] = []
        self._taken = 0

    def service_account(
        self,
        base_url: str,
        project_id: str = "balise-standin",
        key: rsa.RSAPrivateKey | None = None,
    ) -> dict[str, str]:
        """A service account as the Firebase console would give it, whose token_uri is this server
        at `base_url`; with a fresh key if none is given, which takes about 0.1 s.
        """
        key = key or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        email = f"balise@{project_id}.iam.gserviceaccount.com"
        token_uri = f"{base_url.rstrip('/')}/token"
        self._accounts[email] = _Account(
            public_key=key.public_key(), token_uri=token_uri, project_id=project_id
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return {
            "type": "service_account",
            "project_id": project_id,
            "private_key_id": f"standin-{len(self._accounts)}",
            "private_key": pem.decode(),
            "client_email": email,
            "client_id": "0",
            "token_uri": token_uri,
        }

    def script(self, address: str, *faults: Fault) -> None:
        """Let these faults happen, in order, to messages for an address (or ANY)."""
        self._faults[address] = [(fault, fault.times) for fault in faults]

    def subscribe(self, listener: Callable[[Received], None]) -> None:
        """Call the listener with each message taken, in the event loop."""
        self._listeners.append(listener)

    def revoke(self) -> None:
        """Let every access token given so far be refused from now on."""
        self._tokens.clear()

    def forget_accounts(self) -> None:
        """Let no service account get a token any more; tokens given stay good until they expire."""
        self._accounts.clear()

    def of(self, address: str) -> list[Received]:
        """The messages taken for an address, oldest first."""
        return [each for each in self.messages if each.address == address]

    def shown(self, address: str) -> list[Received]:
        """What the phone at an address shows: a message replaces an earlier one of the same tag."""
        drawer: dict[str, Received] = {}
        for each in self.of(address):
            tag = _tag(each.message) or each.name
            drawer.pop(tag, None)
            drawer[tag] = each
        return list(drawer.values())

    def app(self) -> web.Application:
        """The server as an aiohttp application."""
        app = web.Application(client_max_size=limits.STANDIN_BODY_BYTES_MAX)
        app.router.add_post("/token", self._token)
        app.router.add_post("/v1/projects/{project}/messages:send", self._send)
        app.router.add_get("/standin/messages", self._list)
        app.router.add_post("/standin/faults", self._script)
        return app

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return _oauth_error("unsupported_grant_type", "Invalid grant_type")
        try:
            account = self._signer(str(form.get("assertion", "")))
        except jwt.PyJWTError as error:
            return _oauth_error("invalid_grant", f"Invalid JWT: {error}")
        self.exchanges += 1
        token = f"ya29.standin-{self.exchanges}"
        self._tokens[token] = (self._now_s() + self.lifetime_s, account.project_id)
        return web.json_response(
            {"access_token": token, "expires_in": self.lifetime_s, "token_type": "Bearer"}
        )

    def _signer(self, assertion: str) -> _Account:
        unverified = jwt.decode(assertion, options={"verify_signature": False})
        account = self._accounts.get(str(unverified.get("iss")))
        if account is None:
            raise jwt.InvalidIssuerError("account not found")
        claims = jwt.decode(
            assertion,
            account.public_key,
            algorithms=["RS256"],
            # Google's own library names the official end-point, whatever token_uri says.
            audience=[account.token_uri, _OFFICIAL_AUDIENCE],
            options={"require": ["iss", "aud", "iat", "exp"]},
        )
        scopes = str(claims.get("scope", "")).split()
        if not any(scope.endswith(("/cloud-platform", "/firebase.messaging")) for scope in scopes):
            raise jwt.InvalidTokenError("no scope that may send messages")
        return account

    async def _send(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        refused = self._unauthorized(request)
        if refused is not None:
            return refused
        try:
            body = msgspec.json.decode(await request.read())
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _invalid([("", f"Invalid JSON payload received. {error}")])
        wrong = violations(body)
        if wrong:
            return _invalid([(each.field, each.description) for each in wrong])
        message: dict[str, Any] = body["message"]
        address = str(next(message[key] for key in _ADDRESSES if message.get(key)))
        fault = self._next_fault(address)
        if fault is None:
            return self._take(request, address, message)
        return await self._fail(request, fault, address, message)

    async def _fail(
        self, request: web.Request, fault: Fault, address: str, message: dict[str, Any]
    ) -> web.StreamResponse:
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        match fault.kind:
            case "slow":
                return self._take(request, address, message)
            case "drop_before" | "drop_after":
                if fault.kind == "drop_after":
                    self._take(request, address, message)
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()
            case "unauthorized":
                return _unauthenticated("ACCESS_TOKEN_EXPIRED")
            case "not_json":
                return web.Response(status=502, text="<html>Bad Gateway</html>")
            case "invalid_address":
                reason = "The registration token is not a valid FCM registration token"
                return _invalid([("message.token", reason)], message=reason)
            case _:
                return _answer(fault.kind, fault.retry_after_s)

    def _unauthorized(self, request: web.Request) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        expires_s, project = self._tokens.get(token, (0.0, ""))
        if scheme != "Bearer" or expires_s <= self._now_s():
            return _unauthenticated("ACCESS_TOKEN_EXPIRED" if token else "CREDENTIALS_MISSING")
        if project != request.match_info["project"]:
            reason = "Permission 'cloudmessaging.messages.create' denied on resource"
            return _google_error(403, "PERMISSION_DENIED", reason, ())
        return None

    def _next_fault(self, address: str) -> Fault | None:
        for key in (address, ANY):
            faults = self._faults.get(key)
            while faults:
                fault, left = faults[0]
                if left is None:
                    return fault
                if left > 0:
                    faults[0] = (fault, left - 1)
                    return fault
                faults.pop(0)
        return None

    def _take(
        self, request: web.Request, address: str, message: dict[str, Any]
    ) -> web.StreamResponse:
        self._taken += 1
        project = request.match_info["project"]
        taken = Received(
            number=self._taken,
            name=f"projects/{project}/messages/0:{self._taken:016d}",
            address=address,
            project=project,
            at_ms=round(self._now_s() * 1000),
            message=message,
        )
        self.messages.append(taken)
        for listener in self._listeners:
            listener(taken)
        return web.json_response({"name": taken.name})

    async def _list(self, request: web.Request) -> web.Response:
        try:
            after = int(request.query.get("after", "0"))
            limit = min(int(request.query.get("limit", "100")), 1_000)
        except ValueError:
            return _invalid([("after", "must be a number")])
        found = [each for each in self.messages if each.number > after][: max(0, limit)]
        return web.Response(
            body=msgspec.json.encode({"messages": found}), content_type="application/json"
        )

    async def _script(self, request: web.Request) -> web.Response:
        try:
            body = msgspec.json.decode(await request.read(), type=_Script)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _invalid([("", str(error))])
        self.script(body.address, *body.faults)
        return web.json_response({})


class _Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    address: str = ANY
    faults: tuple[Fault, ...] = ()


_ADDRESSES: Final = ("token", "fid", "topic", "condition")


def _tag(message: Mapping[str, Any]) -> str | None:
    for platform, path in _TAGS:
        found: Any = message.get(platform, {})
        for key in path:
            found = found.get(key, {}) if isinstance(found, dict) else {}
        if isinstance(found, str):
            return found
    return None


_TAGS: Final = (
    ("android", ("notification", "tag")),
    ("apns", ("headers", "apns-collapse-id")),
    ("webpush", ("notification", "tag")),
)


def _answer(kind: FaultKind, retry_after_s: int | None) -> web.Response:
    status, code, message, fcm_code = _ANSWERS[kind]
    details = [{"@type": _ERROR_TYPE, "errorCode": fcm_code}] if fcm_code else []
    response = _google_error(status, code, message, details)
    if retry_after_s is not None:
        response.headers["Retry-After"] = str(retry_after_s)
    return response


def _invalid(fields: Iterable[tuple[str, str]], message: str = "") -> web.Response:
    found = [{"field": field, "description": description} for field, description in fields]
    return _google_error(
        400,
        "INVALID_ARGUMENT",
        message or "; ".join(each["description"] for each in found),
        (
            {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": found},
            {"@type": _ERROR_TYPE, "errorCode": "INVALID_ARGUMENT"},
        ),
    )


def _unauthenticated(reason: str) -> web.Response:
    message = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
        "cookie or other valid authentication credential."
    )
    detail = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}
    return _google_error(401, "UNAUTHENTICATED", message, (detail,))


def _google_error(
    status: int, code: str, message: str, details: Iterable[Mapping[str, Any]]
) -> web.Response:
    error = {"code": status, "message": message, "status": code, "details": list(details)}
    return web.json_response({"error": error}, status=status)


def _oauth_error(code: str, description: str) -> web.Response:
    return web.json_response({"error": code, "error_description": description}, status=400)
