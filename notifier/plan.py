"""From a decision to notifications: which devices, on which channels, in which language. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from notifier import limits, messages
from notifier.errors import RenderFailed, TemplateRefused
from notifier.messages import Message
from notifier.notifications import (
    AddressKind,
    DoubtPolicy,
    Notification,
    notification_id,
    replacement_tag,
)
from notifier.variables import Reader

VISITOR_CHANNELS: Final = frozenset({"inbox", "log", "webhook"})
"""Channels that address the visitor, once, and not each device."""

Skip = Literal["no_consent", "no_device", "retired", "expired", "render_failed", "too_many"]


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """Where a push can go. languages: BCP 47, best first; empty takes the visitor's."""

    id: str
    channel: str = "fcm"
    address: str
    address_kind: AddressKind = "token"
    platform: str = ""
    languages: tuple[str, ...] = ()
    retired: bool = False


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision to send gives the notifier.

    languages: the visitor's, best first. push_consent: whether the visitor agreed to be told.
    channels: on which to tell; empty for every channel of `all_channels`. variables: raw values
    (see notifier.variables). expires_ms: ms since 1970.
    """

    decision_id: str
    campaign: str
    visitor: str
    languages: tuple[str, ...] = ()
    push_consent: bool
    channels: tuple[str, ...] = ()
    decided_ms: int
    expires_ms: int
    collapse_key: str | None = None
    in_doubt: DoubtPolicy = "resend"
    variables: Mapping[str, Any] = {}
    variant: str | None = None


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """The destination, as far as messages go: its default language and IANA time zone."""

    default_language: str
    time_zone: str


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """Why a device (or, if None, a whole channel or everything) gets nothing."""

    channel: str | None
    device_id: str | None
    reason: Skip
    detail: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The notifications of one decision, and what was left out and why."""

    notifications: tuple[Notification, ...]
    skipped: tuple[Skipped, ...]


def plan(
    request: Request,
    message: Message,
    devices: Sequence[Device],
    home: Home,
    all_channels: Sequence[str] = ("fcm", "inbox", "log"),
    rendered: dict[tuple[str, ...], messages.Rendered] | None = None,
) -> Plan:
    """The notifications that tell a visitor: a function of its arguments and of nothing else.

    Without consent there are none, nor from `expires_ms` on. An address gets one at most, however
    many devices claim it. A message that cannot be filled in is skipped, never sent with a hole.
    rendered: the message with these very variables, by languages, as far as it was needed before;
    what is rendered here is added.
    """
    if not request.push_consent:
        return _none("no_consent")
    if request.decided_ms >= request.expires_ms:
        return _none("expired")
    notifications: list[Notification] = []
    skipped: list[Skipped] = []
    rendered = {} if rendered is None else rendered
    for device in _targets(request, devices, all_channels, skipped):
        wanted = device.languages or request.languages
        try:
            if wanted not in rendered:
                rendered[wanted] = messages.render(
                    message, values=request.variables, reader=_reader(wanted, home)
                )
        except (RenderFailed, TemplateRefused) as failed:
            skipped.append(
                Skipped(
                    channel=device.channel,
                    device_id=device.id,
                    reason="render_failed",
                    detail=str(failed),
                )
            )
            continue
        notifications.append(_notification(request, message, device, rendered[wanted]))
    return Plan(notifications=tuple(notifications), skipped=tuple(skipped))


def _none(reason: Skip) -> Plan:
    return Plan(notifications=(), skipped=(Skipped(channel=None, device_id=None, reason=reason),))


def _targets(
    request: Request,
    devices: Sequence[Device],
    all_channels: Sequence[str],
    skipped: list[Skipped],
) -> Iterator[Device]:
    for channel in dict.fromkeys(request.channels or all_channels):
        if channel in VISITOR_CHANNELS:
            yield Device(
                id=request.visitor,
                channel=channel,
                address=request.visitor,
                address_kind="visitor",
                languages=request.languages,
            )
            continue
        mine = [device for device in devices if device.channel == channel and device.address]
        if not mine:
            skipped.append(Skipped(channel=channel, device_id=None, reason="no_device"))
        seen: set[str] = set()
        for device in mine:
            reason: Skip | None = "retired" if device.retired else None
            if reason is None and len(seen) >= limits.DEVICES_PER_VISITOR_MAX:
                reason = "too_many"
            if reason is not None:
                skipped.append(Skipped(channel=channel, device_id=device.id, reason=reason))
            elif device.address not in seen:
                seen.add(device.address)
                yield device


def _reader(wanted: tuple[str, ...], home: Home) -> Reader:
    return Reader(
        languages=wanted,
        lang=home.default_language,
        default=home.default_language,
        time_zone=home.time_zone,
    )


def _notification(
    request: Request, message: Message, device: Device, rendered: messages.Rendered
) -> Notification:
    return Notification(
        id=notification_id(request.decision_id, device.id, device.channel),
        decision_id=request.decision_id,
        campaign=request.campaign,
        visitor=request.visitor,
        device_id=device.id,
        channel=device.channel,
        address=device.address,
        address_kind=device.address_kind,
        platform=device.platform,
        lang=rendered.lang,
        title=rendered.title,
        body=rendered.body,
        image_url=rendered.image_url,
        link=rendered.link,
        data=rendered.data,
        options=message.options,
        priority=message.priority,
        created_ms=request.decided_ms,
        expires_ms=request.expires_ms,
        collapse_key=request.collapse_key,
        tag=replacement_tag(request.decision_id),
        in_doubt=request.in_doubt,
        variant=request.variant,
    )
