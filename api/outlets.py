"""The channels that the settings name, ready to be opened."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any, Final

from api.errors import SettingInvalid
from api.settings import Settings
from engine.clock import Clock
from engine.store import Store
from notifier.channels import Channel
from notifier.channels.fcm import FcmChannel
from notifier.channels.inbox import Hub, InboxChannel
from notifier.channels.log import LogChannel
from notifier.channels.outbound import Network
from notifier.channels.webhook import WebhookChannel
from notifier.channels.webpush import WebPushChannel
from notifier.errors import AddressRefused, CredentialsRefused

FCM_ENDPOINT: Final = "https://fcm.googleapis.com"


def channels(settings: Settings, store: Store, hub: Hub, clock: Clock) -> list[Channel]:
    """The channels of a server. clock: real time, which push services and receivers go by.

    Raises SettingInvalid.
    """
    found: list[Channel] = [InboxChannel(store.inbox, hub), LogChannel()]
    if settings.webhook_url:
        found.insert(0, _webhook(settings, clock))
    if settings.vapid_private_key:
        found.insert(0, _webpush(settings, clock))
    if settings.fcm_service_account:
        found.insert(0, _fcm(settings))
    return found


def networks(settings: Settings) -> tuple[Network, ...]:
    """Networks of our own that requests may go out to."""
    return tuple(ipaddress.ip_network(each) for each in settings.outgoing_networks)


def web_push_key(found: list[Channel]) -> str:
    """The applicationServerKey of the Web Push channel; empty where there is none."""
    return next((each.public_key for each in found if isinstance(each, WebPushChannel)), "")


def _fcm(settings: Settings) -> Channel:
    path = settings.fcm_service_account
    try:
        account: Any = json.loads(_read("fcm_service_account", path))
    except ValueError as error:
        raise SettingInvalid(name="fcm_service_account", source=path, reason=str(error)) from error
    if not isinstance(account, dict):
        raise SettingInvalid(name="fcm_service_account", source=path, reason="holds no object")
    return FcmChannel(account, endpoint=settings.fcm_endpoint or FCM_ENDPOINT)


def _webpush(settings: Settings, clock: Clock) -> Channel:
    path = settings.vapid_private_key
    key = _read("vapid_private_key", path)
    try:
        return WebPushChannel(
            key,
            settings.vapid_subject,
            now_s=lambda: clock.now_ms() / 1000,
            allowed=networks(settings),
        )
    except CredentialsRefused as error:
        raise SettingInvalid(name="vapid_private_key", source=path, reason=error.reason) from error


def _webhook(settings: Settings, clock: Clock) -> Channel:
    path = settings.webhook_secrets
    secrets = [line.strip() for line in _read("webhook_secrets", path).splitlines()]
    secrets = [line for line in secrets if line]
    if not secrets:
        raise SettingInvalid(name="webhook_secrets", source=path, reason="holds no secret")
    try:
        return WebhookChannel(
            settings.webhook_url,
            secrets,
            now_s=lambda: clock.now_ms() / 1000,
            allowed=networks(settings),
        )
    except CredentialsRefused as error:
        raise SettingInvalid(name="webhook_secrets", source=path, reason=error.reason) from error
    except AddressRefused as error:
        reason = f"{settings.webhook_url}: {error.reason}"
        raise SettingInvalid(name="webhook_url", source="settings", reason=reason) from error


def _read(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SettingInvalid(name=name, source=path, reason=str(error)) from error
