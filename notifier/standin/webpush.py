"""A server that behaves like a browser's push service, and like the browser behind it.

It takes a push only as RFC 8030, 8188, 8291 and 8292 have it: VAPID's signature is checked against
the key that the subscription was made for, the body is decrypted with the browser's own key. What
the service worker would be given is kept.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Literal

import jwt
import msgspec
from aiohttp import web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from notifier import limits

FaultKind = Literal[
    "gone", "unknown", "too_large", "quota", "unavailable", "unauthorized", "redirect", "slow",
    "drop_before", "drop_after",
]  # fmt: skip
_ANSWERS: Final[dict[str, tuple[int, str]]] = {
    "gone": (410, "push subscription has unsubscribed or expired"),
    "unknown": (404, "no such subscription"),
    "too_large": (413, "payload too large"),
    "quota": (429, "too many requests"),
    "unavailable": (503, "try again"),
    "unauthorized": (403, "the public key does not match the subscription's"),
    "redirect": (307, ""),
}
_DAY_S: Final = 86_400
_POINT_BYTES: Final = 65


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong with the next push to a subscription; `retry_after` goes out as it is."""

    kind: FaultKind
    retry_after: str | None = None
    delay_s: float = 0.0


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """A push that was taken: to which subscription, with which headers, and what it said."""

    subscription: str
    ttl_s: int
    urgency: str
    topic: str | None
    payload: dict[str, Any]


class Refused(Exception):
    """A push that is not as the standards have it: HTTP `status` and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class _Browser:
    """One subscription: the browser's key pair and secret, and whose pushes it takes."""

    def __init__(self, server_key: str) -> None:
        self.server_key = server_key
        self.private_key = ec.generate_private_key(ec.SECP256R1())
        self.auth = secrets.token_bytes(16)
        self.faults: deque[Fault] = deque()


class PushStandin:
    """The service's state and its handlers. now_s: seconds since 1970, for signatures' expiry."""

    def __init__(self, *, now_s: Callable[[], float]) -> None:
        self.pushes: deque[Pushed] = deque(maxlen=limits.STANDIN_KEPT_MAX)
        self.requests = 0
        self._now_s = now_s
        self._browsers: dict[str, _Browser] = {}

    def subscribe(self, base_url: str, server_key: str) -> str:
        """What a page gets from `pushManager.subscribe`, as JSON; server_key: whose pushes."""
        name = f"sub-{len(self._browsers) + 1}"
        browser = self._browsers[name] = _Browser(server_key)
        point = _point(browser.private_key.public_key())
        keys = {"p256dh": b64(point), "auth": b64(browser.auth)}
        subscription = {"endpoint": f"{base_url}/push/{name}", "keys": keys}
        return msgspec.json.encode(subscription).decode()

    def script(self, subscription: str, *faults: Fault) -> None:
        """Let the next pushes to a subscription (its JSON) go wrong."""
        endpoint: str = msgspec.json.decode(subscription)["endpoint"]
        self._browsers[endpoint.rsplit("/", 1)[1]].faults.extend(faults)

    def app(self) -> web.Application:
        """The service."""
        app = web.Application(client_max_size=limits.STANDIN_BODY_BYTES_MAX)
        app.router.add_post("/push/{name}", self._push)
        return app

    async def _push(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        name = request.match_info["name"]
        browser = self._browsers.get(name)
        if browser is None:
            return web.Response(status=404, text="no such subscription")
        fault = browser.faults.popleft() if browser.faults else None
        if fault is not None and fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault is not None and fault.kind in _ANSWERS:
            return _answer(fault)
        cut = fault is not None and fault.kind.startswith("drop")
        if fault is None or fault.kind != "drop_before":
            try:
                self._take(request, name, browser, await request.read())
            except Refused as error:
                return web.Response(status=error.status, text=error.reason)
        if cut and request.transport is not None:
            request.transport.abort()
        return web.Response(status=201, headers={"Location": f"/m/{self.requests}"})

    def _take(self, request: web.Request, name: str, browser: _Browser, body: bytes) -> None:
        headers = request.headers
        authorize(
            headers.get("Authorization", ""),
            audience=f"{request.scheme}://{request.host}",
            server_key=browser.server_key,
            now_s=self._now_s(),
        )
        ttl = headers.get("TTL", "")
        if not ttl.isdigit():
            raise Refused(400, "TTL is required")
        topic = headers.get("Topic")
        if topic is not None and len(topic) > 32:
            raise Refused(400, "Topic is over 32 characters")
        if headers.get("Content-Encoding") != "aes128gcm":
            raise Refused(415, "expected aes128gcm")
        if len(body) > limits.FCM_PAYLOAD_BYTES_MAX:
            raise Refused(413, "over 4096 bytes")
        said = msgspec.json.decode(decrypt(body, browser.private_key, browser.auth))
        self.pushes.append(
            Pushed(
                subscription=name,
                ttl_s=int(ttl),
                urgency=headers.get("Urgency", ""),
                topic=topic,
                payload=said,
            )
        )


def authorize(header: str, *, audience: str, server_key: str, now_s: float) -> None:
    """Check VAPID's header (RFC 8292). Raises Refused."""
    scheme, _, rest = header.partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
    if scheme.lower() != "vapid" or not {"t", "k"} <= parts.keys():
        raise Refused(401, "VAPID is required")
    if parts["k"] != server_key:
        raise Refused(403, "the public key does not match the subscription's")
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(parts["k"]))
    try:
        claims = jwt.decode(
            parts["t"],
            point,
            algorithms=["ES256"],
            audience=audience,
            options={"require": ["aud", "exp", "sub"], "verify_exp": False},
        )
    except jwt.InvalidTokenError as error:
        raise Refused(403, str(error)) from error
    if not now_s < int(claims["exp"]) <= now_s + _DAY_S:
        raise Refused(403, "exp is past, or more than 24 hours ahead")


def decrypt(body: bytes, private_key: ec.EllipticCurvePrivateKey, auth: bytes) -> bytes:
    """The plain text of a push, by RFC 8188 and 8291 alone. Raises Refused."""
    if len(body) < 21 + _POINT_BYTES:
        raise Refused(400, "no header of aes128gcm")
    salt, record_bytes, id_bytes = struct.unpack("!16sIB", body[:21])
    if id_bytes != _POINT_BYTES or len(body) - 21 - id_bytes > record_bytes:
        raise Refused(400, "one record with the sender's key is expected")
    sender = body[21 : 21 + id_bytes]
    shared = private_key.exchange(
        ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
    )
    info = b"WebPush: info\x00" + _point(private_key.public_key()) + sender
    ikm = HKDF(hashes.SHA256(), 32, auth, info).derive(shared)
    key = HKDF(hashes.SHA256(), 16, salt, b"Content-Encoding: aes128gcm\x00").derive(ikm)
    nonce = HKDF(hashes.SHA256(), 12, salt, b"Content-Encoding: nonce\x00").derive(ikm)
    try:
        padded = AESGCM(key).decrypt(nonce, body[21 + id_bytes :], None)
    except InvalidTag as error:
        raise Refused(400, "cannot be decrypted") from error
    plain = padded.rstrip(b"\x00")
    if not plain.endswith(b"\x02"):
        raise Refused(400, "the last record is not marked")
    return plain[:-1]


def b64(data: bytes) -> str:
    """URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes of URL-safe base64 without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def _answer(fault: Fault) -> web.Response:
    status, text = _ANSWERS[fault.kind]
    response = web.Response(status=status, text=text)
    if fault.retry_after is not None:
        response.headers["Retry-After"] = fault.retry_after
    if status == 307:
        response.headers["Location"] = "/push/elsewhere"
    return response
