"""Web Push's wire: subscriptions, what a service worker is given, encryption, VAPID, answers.

pywebpush encrypts and py-vapid signs; neither sends. pywebpush's own sending waits up to 10,000 s,
and its `webpush()` writes into the claims that it is given, so that a later origin would be sent
the first one's audience.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02, VapidException
from pywebpush import WebPusher

from notifier import languages, limits
from notifier.channels.outbound import retry_after_ms, topic
from notifier.errors import AddressRefused, CredentialsRefused
from notifier.notifications import Accepted, Failed, InDoubt, Notification, Outcome, Retired, Retry
from notifier.options import Options, WebOptions

ENCODING: Final = "aes128gcm"


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """A browser's public key and secret, URL-safe base64."""

    p256dh: str
    auth: str


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """A browser's PushSubscription, as its toJSON() gives it: the `address` of a notification."""

    endpoint: str
    keys: Keys


class Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the service worker is given, as JSON; `notification` is what receipts name."""

    notification: str
    title: str
    body: str
    lang: str
    dir: str
    tag: str
    image: str | None = None
    icon: str | None = None
    badge: str | None = None
    require_interaction: bool = False
    link: str | None = None
    data: dict[str, str] = {}


_subscription: Final = msgspec.json.Decoder(Subscription)


def subscription(address: str) -> Subscription:
    """The subscription in a notification's address. Raises AddressRefused."""
    try:
        return _subscription.decode(address)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise AddressRefused(reason=f"no push subscription: {error}") from error


def encrypter(keys: Keys) -> Callable[[bytes], bytes]:
    """What encrypts for a browser (RFC 8291). Raises AddressRefused where its keys are none."""
    try:
        point = _bytes(keys.p256dh)
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as error:
        raise AddressRefused(reason="p256dh is no point of the curve P-256") from error
    try:
        secret = _bytes(keys.auth)
    except ValueError as error:
        raise AddressRefused(reason="auth is not base64") from error
    if len(point) != 65 or len(secret) != 16:
        raise AddressRefused(reason="p256dh has 65 bytes, auth 16")
    pusher = WebPusher({"endpoint": "", "keys": {"p256dh": keys.p256dh, "auth": keys.auth}})

    def encrypt(data: bytes) -> bytes:
        body: bytes = pusher.encode(data, ENCODING)["body"]
        return body

    return encrypt


class Signer:
    """VAPID (RFC 8292): says to a push service who sends.

    private_key: PEM, as `balise keys vapid` writes it. subject: mailto: or https:, where the push
    service can complain. now_s: real time, since the push service has no other.

    Raises:
        CredentialsRefused: the key or the subject is not usable.
    """

    def __init__(self, private_key: str, subject: str, now_s: Callable[[], float]) -> None:
        try:
            loaded = serialization.load_pem_private_key(private_key.encode(), password=None)
        except (ValueError, TypeError) as error:
            raise CredentialsRefused(reason=f"the VAPID key cannot be read: {error}") from error
        if not isinstance(loaded, ec.EllipticCurvePrivateKey) or not isinstance(
            loaded.curve, ec.SECP256R1
        ):
            raise CredentialsRefused(reason="the VAPID key is not of the curve P-256")
        self._vapid = Vapid02(loaded)
        self._subject = subject
        self._now_s = now_s
        self._kept: dict[str, tuple[float, str]] = {}
        self.public_key = public_key(loaded)
        try:
            self.authorization("https://push.example")
        except VapidException as error:
            raise CredentialsRefused(reason=str(error)) from error

    def authorization(self, endpoint: str) -> str:
        """The header that goes with a push to an end-point; one signature serves its origin."""
        parts = urlsplit(endpoint)
        origin = f"{parts.scheme}://{parts.netloc}"
        now_s = self._now_s()
        expires_s, header = self._kept.get(origin, (0.0, ""))
        if expires_s - now_s < limits.VAPID_REFRESH_S or expires_s - now_s > limits.VAPID_LIFE_S:
            expires_s = int(now_s) + limits.VAPID_LIFE_S
            # A dictionary of its own for each: nothing of one origin reaches another.
            claims = {"aud": origin, "exp": expires_s, "sub": self._subject}
            header = str(self._vapid.sign(claims)["Authorization"])
            if len(self._kept) >= limits.VAPID_ORIGINS_KEPT:
                self._kept.clear()
            self._kept[origin] = (expires_s, header)
        return header


def public_key(private_key: ec.EllipticCurvePrivateKey) -> str:
    """The applicationServerKey that a page subscribes with: URL-safe base64."""
    point = private_key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


def new_key() -> tuple[str, str]:
    """A fresh VAPID key: the private one as PEM, and the page's applicationServerKey."""
    made = ec.generate_private_key(ec.SECP256R1())
    pem = made.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode(), public_key(made)


def payload(notification: Notification) -> bytes:
    """What the service worker is given. Raises ValueError where no push service has to take it."""
    options = (notification.options or Options()).web or WebOptions()
    data = msgspec.json.encode(
        Payload(
            notification=notification.id,
            title=notification.title,
            body=notification.body,
            lang=notification.lang,
            dir="rtl" if languages.right_to_left(notification.lang) else "ltr",
            tag=notification.tag,
            image=notification.image_url,
            icon=options.icon,
            badge=options.badge,
            require_interaction=options.require_interaction,
            link=notification.link,
            data=notification.data,
        )
    )
    if len(data) > limits.WEBPUSH_BYTES_MAX:
        raise ValueError(f"{len(data)} bytes, of which {limits.WEBPUSH_BYTES_MAX} fit")
    return data


def headers(notification: Notification, now_ms: int) -> dict[str, str]:
    """The headers of a push at `now_ms`, but for who sends it (RFC 8030)."""
    ttl_s = min(max(0, notification.expires_ms - now_ms) // 1000, limits.FCM_TTL_MAX_S)
    out = {
        "TTL": str(ttl_s),
        "Urgency": "high" if notification.priority == "high" else "normal",
        "Content-Encoding": ENCODING,
        "Content-Type": "application/octet-stream",
    }
    if notification.collapse_key:
        out["Topic"] = topic(notification.collapse_key)
    return out


def outcome(status: int, given: Mapping[str, str], body: bytes, notification_id: str) -> Outcome:
    """What a push service's answer means."""
    if 200 <= status < 300:
        return Accepted(provider_id=given.get("Location") or notification_id)
    said = body.decode("utf-8", "replace").strip()
    reason = (f"HTTP {status}: {said}" if said else f"HTTP {status}")[: limits.REASON_CHARS_MAX]
    match status:
        case 404 | 410:
            return Retired(reason="unsubscribed")
        case 429:
            asked_ms = retry_after_ms(given)
            wait_ms = limits.WEBPUSH_RETRY_QUOTA_MS if asked_ms is None else asked_ms
            return Retry(reason=reason, after_ms=wait_ms)
        case 504:
            return InDoubt(reason=reason)
    if status >= 500 or status == 408:
        return Retry(reason=reason, after_ms=retry_after_ms(given))
    # Too large (413), not our subscription (401, 403), a redirect: the same again would not help.
    return Failed(reason=reason)


def _bytes(text: str) -> bytes:
    data: Any = text.rstrip("=")
    return base64.b64decode(data + "=" * (-len(data) % 4), altchars=b"-_", validate=True)
