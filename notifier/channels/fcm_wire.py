"""FCM's wire: messages encoded, and answers understood, by firebase-admin's own code.

The SDK has no public way to encode a message or to tell its errors apart without sending; the two
functions here are the only ones that reach for its private names.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec
from firebase_admin import _utils, exceptions, messaging
from firebase_admin.__about__ import __version__ as sdk_version

from notifier import languages, limits
from notifier.channels.outbound import retry_after_ms, topic
from notifier.notifications import Accepted, Failed, InDoubt, Notification, Outcome, Retired, Retry
from notifier.options import AndroidOptions, AppleOptions, Options, WebOptions

HEADERS: Final[dict[str, str]] = {
    "Content-Type": "application/json",
    "X-GOOG-API-FORMAT-VERSION": "2",
    "X-FIREBASE-CLIENT": f"fire-admin-python/{sdk_version}",
}

NOTIFICATION_KEY: Final = "balise_notification"
"""Data key of the notification's id, by which the app reports what became of it."""

LINK_KEY: Final = "balise_link"
"""Data key of the deep link."""

_ADDRESS_FIELDS: Final = frozenset({"message.token", "message.fid"})
_BAD_ADDRESS: Final = "not a valid FCM registration token"
_service: Final = messaging._MessagingService
_REQUEST: Final = httpx.Request("POST", "https://fcm.googleapis.com/")


class _Violation(msgspec.Struct):
    field: str = ""


class _Detail(msgspec.Struct, rename="camel"):
    error_code: str = ""
    field_violations: list[_Violation] = []


class _GoogleError(msgspec.Struct):
    status: str = ""
    message: str = ""
    details: list[_Detail] = []


def send_url(endpoint: str, project_id: str) -> str:
    """The address that messages of a project are posted to, at an end-point."""
    official = str(_service.FCM_URL).format(project_id)
    return endpoint.rstrip("/") + official.removeprefix("https://fcm.googleapis.com")


class Encoder:
    """Encodes notifications. Those that differ only in whom they go to, and in the decision that
    they follow, are encoded by the SDK once, around marks in the place of what differs.
    """

    def __init__(self) -> None:
        # Unguessable: no message can hold one.
        self._marks = [f"mark{secrets.token_hex(16)}" for _ in range(3)]
        self._cut = re.compile("|".join(f'"{mark}"' for mark in self._marks).encode())
        self._kept: dict[bytes, tuple[list[bytes], list[int]]] = {}

    def encode(self, notification: Notification, now_ms: int) -> bytes:
        """The body of the request that sends a notification at `now_ms`.

        Raises:
            ValueError: the SDK refuses a field.
        """
        if not notification.address:
            raise ValueError("the address is empty")
        id_mark, tag_mark, address_mark = self._marks
        common = msgspec.structs.replace(
            notification, id=id_mark, tag=tag_mark, address=address_mark, decision_id="",
            visitor="", device_id="", attempt=0, created_ms=0,
        )  # fmt: skip
        key = msgspec.msgpack.encode((common, _ttl_s(notification, now_ms)))
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= limits.FCM_FRAMES_KEPT:
                self._kept.clear()
            found = self._kept[key] = self._framed(encode(common, now_ms))
        parts, places = found
        own = [
            msgspec.json.encode(each)
            for each in (notification.id, notification.tag, notification.address)
        ]
        out = [parts[0]]
        for part, place in zip(parts[1:], places, strict=True):
            out += (own[place], part)
        return b"".join(out)

    def _framed(self, body: bytes) -> tuple[list[bytes], list[int]]:
        """A body cut at its marks, and which mark stood at each cut."""
        places = [self._marks.index(found[1:-1].decode()) for found in self._cut.findall(body)]
        return self._cut.split(body), places


def _ttl_s(notification: Notification, now_ms: int) -> int:
    return min(max(0, notification.expires_ms - now_ms) // 1000, limits.FCM_TTL_MAX_S)


def encode(notification: Notification, now_ms: int) -> bytes:
    """The body of the request that sends one notification at `now_ms`.

    Raises:
        ValueError: the SDK refuses a field.
    """
    ttl_s = _ttl_s(notification, now_ms)
    options = notification.options or Options()
    platform = notification.platform
    known = platform in {"android", "ios", "web"}
    message = messaging.Message(
        data=_data(notification),
        notification=messaging.Notification(
            title=notification.title, body=notification.body, image=notification.image_url
        ),
        android=None
        if known and platform != "android"
        else _android(notification, options.android or AndroidOptions(), ttl_s),
        apns=None
        if known and platform != "ios"
        else _apple(notification, options.apple or AppleOptions()),
        webpush=None
        if known and platform != "web"
        else _web(notification, options.web or WebOptions(), ttl_s),
    )
    # Set after construction: the SDK warns of `token=`, which most apps in the field still use.
    setattr(message, "fid" if notification.address_kind == "fid" else "token", notification.address)
    return msgspec.json.encode({"message": _service.encode_message(message)})


def outcome(status: int, headers: Mapping[str, str], body: bytes) -> Outcome | None:
    """What FCM's answer means; None where it wants another access token."""
    if 200 <= status < 300:
        name = _name(body)
        return Accepted(provider_id=name) if name else InDoubt(reason="answer without a name")
    error = _error(status, headers, body)
    reason = f"{error.code}: {error}"[: limits.REASON_CHARS_MAX]
    match error:
        case messaging.UnregisteredError():
            return Retired(reason="unregistered")
        case messaging.SenderIdMismatchError() | messaging.ThirdPartyAuthError():
            # The project's set-up is at fault as often as the address, so no device is retired.
            return Failed(reason=reason)
        case exceptions.UnauthenticatedError():
            return None
        case exceptions.ResourceExhaustedError():
            asked_ms = retry_after_ms(headers)
            wait_ms = limits.FCM_RETRY_QUOTA_MS if asked_ms is None else asked_ms
            return Retry(reason=reason, after_ms=wait_ms)
        case exceptions.InvalidArgumentError() if _blames_address(body):
            return Retired(reason="invalid_address")
        case exceptions.DeadlineExceededError():
            return InDoubt(reason=reason)
    if status == 504:
        return InDoubt(reason=reason)
    if status >= 500 or status == 408:
        return Retry(reason=reason, after_ms=retry_after_ms(headers))
    return Failed(reason=reason)


def _data(notification: Notification) -> dict[str, str]:
    data = {**notification.data, NOTIFICATION_KEY: notification.id}
    if notification.link is not None:
        data[LINK_KEY] = notification.link
    return data


def _android(notification: Notification, options: AndroidOptions, ttl_s: int) -> Any:
    return messaging.AndroidConfig(
        collapse_key=notification.collapse_key,
        priority=notification.priority,
        ttl=ttl_s,
        notification=messaging.AndroidNotification(
            tag=notification.tag,
            channel_id=options.channel_id,
            icon=options.icon,
            color=options.color,
            sound=options.sound,
        ),
    )


def _apple(notification: Notification, options: AppleOptions) -> Any:
    level = options.interruption_level
    image = notification.image_url
    return messaging.APNSConfig(
        headers={
            "apns-push-type": "alert",
            "apns-priority": "10" if notification.priority == "high" else "5",
            "apns-expiration": str(notification.expires_ms // 1000),
            "apns-collapse-id": notification.tag,
        },
        payload=messaging.APNSPayload(
            messaging.Aps(
                sound=options.sound,
                category=options.category,
                thread_id=options.thread,
                # The app's extension fetches the picture.
                mutable_content=True if image else None,
                custom_data={"interruption-level": level} if level else None,
            )
        ),
        fcm_options=messaging.APNSFCMOptions(image=image) if image else None,
    )


def _web(notification: Notification, options: WebOptions, ttl_s: int) -> Any:
    headers = {
        "TTL": str(ttl_s),
        "Urgency": "high" if notification.priority == "high" else "normal",
    }
    if notification.collapse_key:
        headers["Topic"] = topic(notification.collapse_key)
    link = notification.link or ""
    return messaging.WebpushConfig(
        headers=headers,
        notification=messaging.WebpushNotification(
            tag=notification.tag,
            icon=options.icon,
            badge=options.badge,
            image=notification.image_url,
            language=notification.lang,
            direction="rtl" if languages.right_to_left(notification.lang) else "ltr",
            require_interaction=options.require_interaction or None,
        ),
        # FCM opens nothing but https from a browser; the app's own links travel in the data.
        fcm_options=messaging.WebpushFCMOptions(link=link) if link.startswith("https:") else None,
    )


def _name(body: bytes) -> str:
    answer = _json(body)
    name = answer.get("name")
    return name if isinstance(name, str) else ""


def _json(body: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _google_error(body: bytes) -> _GoogleError | None:
    """The `error` of an answer; None where it is not of Google's making."""
    try:
        return msgspec.convert(_json(body).get("error"), _GoogleError)
    except msgspec.ValidationError:
        return None


def _error(status: int, headers: Mapping[str, str], body: bytes) -> exceptions.FirebaseError:
    # The SDK takes Google's format for granted; a proxy in between need not know it.
    content = b"" if _google_error(body) is None else body
    response = httpx.Response(status, headers=dict(headers), content=content, request=_REQUEST)
    raised = httpx.HTTPStatusError(f"HTTP {status}", request=_REQUEST, response=response)
    return _utils.handle_platform_error_from_httpx(raised, _service._build_fcm_error_httpx)


def _blames_address(body: bytes) -> bool:
    error = _google_error(body) or _GoogleError()
    fields = {each.field for detail in error.details for each in detail.field_violations}
    return not fields.isdisjoint(_ADDRESS_FIELDS) or _BAD_ADDRESS in error.message
