"""What a message may ask of each platform beyond its text."""

from __future__ import annotations

from typing import Literal

import msgspec

Priority = Literal["high", "normal"]


class AndroidOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Android. `channel_id` is the app's notification channel, `color` is #rrggbb."""

    channel_id: str | None = None
    icon: str | None = None
    color: str | None = None
    sound: str | None = None


class AppleOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """iOS. `category` names the app's actions, `thread` groups notifications."""

    sound: str | None = None
    category: str | None = None
    thread: str | None = None
    interruption_level: Literal["passive", "active", "time-sensitive"] | None = None


class WebOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Browsers. `icon` and `badge` are https addresses."""

    icon: str | None = None
    badge: str | None = None
    require_interaction: bool = False


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of every platform; a platform left out takes its defaults."""

    android: AndroidOptions | None = None
    apple: AppleOptions | None = None
    web: WebOptions | None = None
