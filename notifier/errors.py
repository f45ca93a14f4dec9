"""Errors of the notifier.

NotifierError
├── LanguageRefused      not a language tag
├── TemplateRefused      a template that does not parse, or asks for what it may not have
├── RenderFailed         a template met values it cannot print
├── AddressRefused       an address that must not be posted to, or a subscription that is none
├── SignatureRefused     a signed message that is forged, altered, or too old
├── CredentialsRefused   a service account or token end-point that does not work
├── StoreUnavailable     the outbox or the inbox cannot be read or written for now
└── ChannelClosed        a channel was used after it closed, or before it opened
"""

from __future__ import annotations


class NotifierError(Exception):
    """Base of what the notifier raises for conditions a caller can meet."""


class LanguageRefused(NotifierError):
    """`tag` is not a BCP 47 language tag that Balise can use."""

    def __init__(self, *, tag: str) -> None:
        super().__init__(f"{tag[:40]!r} is not a language tag such as fr, fr-CA or zh-Hant")
        self.tag = tag


class TemplateRefused(NotifierError):
    """A template is refused for `code`; `reason` is for people."""

    def __init__(self, *, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class RenderFailed(NotifierError):
    """A template could not be printed with the values at hand."""

    def __init__(self, *, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class AddressRefused(NotifierError):
    """An address cannot be used, for `reason`."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SignatureRefused(NotifierError):
    """A signed message cannot be trusted, for `reason`."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CredentialsRefused(NotifierError):
    """Credentials of a provider cannot be used, for `reason`."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class StoreUnavailable(NotifierError):
    """The outbox or the inbox cannot be read or written for now; trying again later may work."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ChannelClosed(NotifierError):
    """Channel `name` is not open."""

    def __init__(self, *, name: str) -> None:
        super().__init__(f"channel {name} is not open")
        self.name = name
