"""The fields of an FCM v1 message, and what FCM says about those that are wrong.

From the reference of projects.messages (HTTP v1). Names are accepted in snake_case and in
lowerCamelCase, as proto3's JSON mapping has it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from notifier import limits

Check = Callable[[Any], str | None]

_DURATION: Final = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]{1,9})?s")
_COLOR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_RESERVED: Final = re.compile(r"from|message_type|(google|gcm)\..*|google.*")


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A field that is wrong, by its path, and why."""

    field: str
    description: str


def _of(kind: type, name: str) -> Check:
    def check(value: Any) -> str | None:
        good = isinstance(value, kind) and not (kind is not bool and isinstance(value, bool))
        return None if good else f"Invalid value ({name})"

    return check


_string: Final = _of(str, "TYPE_STRING")
_bool: Final = _of(bool, "TYPE_BOOL")
_int: Final = _of(int, "TYPE_INT32")
_object: Final = _of(dict, "TYPE_MESSAGE")


def _strings(value: Any) -> str | None:
    good = isinstance(value, list) and all(isinstance(each, str) for each in value)
    return None if good else "Invalid value (repeated TYPE_STRING)"


def _map(value: Any) -> str | None:
    good = isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
    return None if good else "Invalid value (map of TYPE_STRING)"


def _data(value: Any) -> str | None:
    wrong = _map(value)
    if wrong is None and any(_RESERVED.fullmatch(key) for key in value):
        return "Invalid data payload key"
    return wrong


def _duration(value: Any) -> str | None:
    if not isinstance(value, str) or _DURATION.fullmatch(value) is None:
        return "Illegal duration format; duration must end with 's'"
    if float(value[:-1]) > limits.FCM_TTL_MAX_S:
        return f"Invalid ttl: must be between 0 and {limits.FCM_TTL_MAX_S} seconds"
    return None


def _durations(value: Any) -> str | None:
    good = isinstance(value, list) and all(_duration(each) is None for each in value)
    return None if good else "Illegal duration format"


def _color(value: Any) -> str | None:
    good = isinstance(value, str) and _COLOR.fullmatch(value) is not None
    return None if good else "Color must be in the form #rrggbb"


def _url(value: Any) -> str | None:
    good = isinstance(value, str) and value.startswith(("https://", "http://"))
    return None if good else "Invalid image URL provided. It should be a HTTP or HTTPS URL"


def _https(value: Any) -> str | None:
    good = isinstance(value, str) and value.startswith("https://")
    return None if good else "Link must be an HTTPS URL"


def _one_of(*names: str) -> Check:
    def check(value: Any) -> str | None:
        return None if value in names else f"Invalid value, must be one of {', '.join(names)}"

    return check


def _apns_headers(value: Any) -> str | None:
    wrong = _map(value)
    if wrong is None and len(value.get("apns-collapse-id", "").encode()) > 64:
        return "apns-collapse-id is longer than 64 bytes"
    return wrong


def _webpush_headers(value: Any) -> str | None:
    wrong = _map(value)
    if wrong is None and re.fullmatch(r"[A-Za-z0-9_-]{0,32}", value.get("Topic", "")) is None:
        return "Topic has characters outside URL-safe base64, or more than 32"
    return wrong


_LABEL: Final[Mapping[str, Any]] = {"analytics_label": _string}

MESSAGE: Final[Mapping[str, Any]] = {
    "token": _string,
    "fid": _string,
    "topic": _string,
    "condition": _string,
    "data": _data,
    "fcm_options": _LABEL,
    "notification": {"title": _string, "body": _string, "image": _url},
    "android": {
        "collapse_key": _string,
        "priority": _one_of("high", "normal", "HIGH", "NORMAL"),
        "ttl": _duration,
        "restricted_package_name": _string,
        "data": _data,
        "direct_boot_ok": _bool,
        "bandwidth_constrained_ok": _bool,
        "restricted_satellite_ok": _bool,
        "fcm_options": _LABEL,
        "notification": {
            **dict.fromkeys(
                ("title", "body", "icon", "sound", "tag", "click_action", "body_loc_key"), _string
            ),
            **dict.fromkeys(("title_loc_key", "channel_id", "ticker", "event_time"), _string),
            **dict.fromkeys(("body_loc_args", "title_loc_args"), _strings),
            **dict.fromkeys(("sticky", "local_only", "default_sound"), _bool),
            **dict.fromkeys(("default_vibrate_timings", "default_light_settings"), _bool),
            "color": _color,
            "image": _url,
            "notification_priority": _one_of(
                "PRIORITY_MIN", "PRIORITY_LOW", "PRIORITY_DEFAULT", "PRIORITY_HIGH", "PRIORITY_MAX"
            ),
            "visibility": _one_of("PRIVATE", "PUBLIC", "SECRET"),
            "notification_count": _int,
            "vibrate_timings": _durations,
            "light_settings": _object,
            "proxy": _one_of("ALLOW", "DENY", "IF_PRIORITY_LOWERED"),
        },
    },
    "webpush": {
        "headers": _webpush_headers,
        "data": _data,
        "notification": _object,
        "fcm_options": {"link": _https, **_LABEL},
    },
    "apns": {
        "headers": _apns_headers,
        "payload": _object,
        "fcm_options": {"image": _url, **_LABEL},
        "live_activity_token": _string,
    },
}
_TARGETS: Final = ("token", "fid", "topic", "condition")


def violations(body: Any) -> tuple[Violation, ...]:
    """What is wrong with the body of a send request; empty if nothing is."""
    if not isinstance(body, dict) or not isinstance(body.get("message"), dict):
        return (Violation(field="message", description="Message is required"),)
    extra = sorted(set(body) - {"message", "validate_only", "validateOnly"})
    found = [Violation(field=name, description=_no_field(name, "")) for name in extra]
    message = body["message"]
    found += _walk(message, MESSAGE, "message")
    targets = [name for name in _TARGETS if message.get(name)]
    if len(targets) != 1:
        reason = "Exactly one of token, fid, topic or condition is required"
        found.append(Violation(field="message", description=reason))
    size_bytes = len(msgspec.json.encode({**message, "token": None, "fid": None}))
    if size_bytes > limits.FCM_PAYLOAD_BYTES_MAX:
        found.append(Violation(field="message", description="Message is too big"))
    return tuple(found)


def _walk(value: Any, schema: Mapping[str, Any], path: str) -> Iterator[Violation]:
    if not isinstance(value, dict):
        yield Violation(field=path, description="Invalid value (TYPE_MESSAGE)")
        return
    for name, inner in value.items():
        known = schema.get(_snake(name))
        where = f"{path}.{name}"
        if known is None:
            yield Violation(field=where, description=_no_field(name, path))
        elif isinstance(known, Mapping):
            yield from _walk(inner, known, where)
        elif inner is not None and (wrong := known(inner)) is not None:
            yield Violation(field=where, description=wrong)


def _no_field(name: str, path: str) -> str:
    where = f" at '{path}'" if path else ""
    return f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.'


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])[A-Z]", lambda found: "_" + found[0].lower(), name)
