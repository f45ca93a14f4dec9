"""Notifications, rendered and addressed, and what became of sending one."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from notifier.options import Options, Priority

DoubtPolicy = Literal["resend", "drop"]
"""What to do about a send whose answer was lost: send again under the same tag, or never again."""

AddressKind = Literal["token", "fid", "visitor", "subscription"]
"""FCM registration token, Firebase installation id, visitor (inbox, log, webhook), or a browser's
subscription as JSON."""


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One message for one device on one channel, ready to send.

    id: a function of decision, device and channel, so that planning again changes nothing.
    expires_ms: ms since 1970; from then on it must not be shown.
    collapse_key: of undelivered notifications that share it a platform keeps the newest (one key a
        zone). tag: what a platform shows is replaced by what has the same tag (one tag a decision),
        so that a repeated send is seen once.
    attempt: number of the send under way, 1 for the first; 0 before any.
    """

    id: str
    decision_id: str
    campaign: str
    visitor: str
    device_id: str
    channel: str
    address: str
    address_kind: AddressKind = "token"
    platform: str = ""
    lang: str
    title: str
    body: str
    image_url: str | None = None
    link: str | None = None
    data: dict[str, str] = {}
    options: Options | None = None
    priority: Priority = "high"
    created_ms: int
    expires_ms: int
    collapse_key: str | None = None
    tag: str
    in_doubt: DoubtPolicy = "resend"
    variant: str | None = None
    attempt: int = 0


class Accepted(msgspec.Struct, frozen=True, kw_only=True, tag="accepted"):
    """The provider took it; `provider_id` is the provider's name for it."""

    provider_id: str


class Retry(msgspec.Struct, frozen=True, kw_only=True, tag="retry"):
    """Not sent, for a passing reason. `after_ms`: the least wait the provider asks for, or None."""

    reason: str
    after_ms: int | None = None


class Retired(msgspec.Struct, frozen=True, kw_only=True, tag="retired"):
    """Not sent, and the address will never work again: the device is to be retired."""

    reason: str


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """Not sent, and sending the same again would not help."""

    reason: str


class InDoubt(msgspec.Struct, frozen=True, kw_only=True, tag="in_doubt"):
    """It may have been sent: the answer was lost."""

    reason: str


Outcome = Accepted | Retry | Retired | Failed | InDoubt


def notification_id(decision_id: str, device_id: str, channel: str) -> str:
    """The id of the notification that a decision makes for a device on a channel (128 bits)."""
    return "ntf_" + _digest(f"{decision_id}\x1f{device_id}\x1f{channel}")


def replacement_tag(decision_id: str) -> str:
    """The platform replacement tag of a decision: at most 64 bytes (APNs' ceiling)."""
    return "b" + _digest(decision_id)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16, person=b"balise-notifier").hexdigest()
