"""Devices and visitors: registration, tokens, consents, erasure."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api import bodies, limits, sockets
from api.calls import Call, Route
from api.decode import JSON, NDJSON, VISITOR_CHARS
from api.errors import FieldError, Invalid, Malformed, NotAuthenticated, NotFound, TooLarge
from api.outlets import networks
from engine import clock as system
from engine.records import Consent, Device, Erasure, Profile, Purpose, WebPush
from notifier.channels.outbound import check_url
from notifier.channels.webpush_wire import Keys, encrypter
from notifier.errors import AddressRefused
from notifier.languages import known as known_language
from notifier.languages import normalise

Languages = Annotated[
    tuple[Annotated[str, Meta(max_length=35)], ...],
    Meta(max_length=limits.LANGUAGES_MAX, description="BCP 47 tags, best first: fr-CH, en."),
]
PushToken = Annotated[str, Meta(max_length=limits.PUSH_TOKEN_CHARS_MAX)]
AppVersion = Annotated[str, Meta(max_length=limits.KEY_NAME_CHARS_MAX)]
Base64 = Annotated[str, Meta(max_length=limits.PUSH_KEY_CHARS_MAX)]
Platform = Literal["android", "ios", "web", "other"]
CONSENTS_TOGETHER = 1_000
"""Consents that wait for the engine at once: far fewer than it lets wait."""
PURPOSES: tuple[Purpose, ...] = ("location", "push", "analytics")


class Consents(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a visitor allows, by purpose. In a request, a purpose left out keeps its value."""

    location: bool | UnsetType = UNSET
    push: bool | UnsetType = UNSET
    analytics: bool | UnsetType = UNSET

    def named(self) -> dict[Purpose, bool]:
        """The purposes that are given."""
        given = {purpose: getattr(self, purpose) for purpose in PURPOSES}
        return {purpose: value for purpose, value in given.items() if value is not UNSET}


class PushKeys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A browser's public key and secret, URL-safe base64."""

    p256dh: Base64
    auth: Base64


class PushSubscription(msgspec.Struct, frozen=True, kw_only=True):
    """A browser's PushSubscription, as its toJSON() gives it; what else is in it is not kept."""

    endpoint: Annotated[str, Meta(max_length=limits.PUSH_ENDPOINT_CHARS_MAX)]
    keys: PushKeys


class WebPushAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The applicationServerKey for `pushManager.subscribe`; null where no web pushes are sent."""

    public_key: str | None


class Registration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device that introduces itself. `languages` in the visitor's order of preference."""

    platform: Platform
    languages: Languages = ()
    app_version: AppVersion = ""
    push_token: PushToken = ""
    web_push: PushSubscription | None = None
    consents: Consents = Consents()


class DeviceChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changed of a device; what is left out stays."""

    languages: Languages | UnsetType = UNSET
    app_version: AppVersion | UnsetType = UNSET
    push_token: PushToken | UnsetType = UNSET
    web_push: PushSubscription | UnsetType | None = UNSET


class Refresh(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A refresh token; it holds once."""

    refresh_token: str


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A device's identity and tokens. Keep the refresh token: it changes at every use."""

    device: str
    visitor: str
    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str


class DeviceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A device as it is known; where its pushes go is not shown."""

    device: str
    visitor: str
    platform: str
    languages: tuple[str, ...]
    app_version: str
    has_push_token: bool
    has_web_push: bool


class ConsentsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A visitor's consents; `at_ms` is when they last changed, 0 for never."""

    visitor: str
    location: bool
    push: bool
    analytics: bool
    at_ms: int


class ConsentRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one visitor consented to; a purpose left out keeps its value."""

    visitor: Annotated[
        str, Meta(max_length=limits.VISITOR_CHARS_MAX, pattern=f"^[{re.escape(VISITOR_CHARS)}]+$")
    ]
    purposes: Consents


class ConsentsRecorded(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows were recorded: all of them."""

    recorded: int


class ProfileBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a visitor besides devices; replaces what was."""

    segments: Annotated[tuple[str, ...], Meta(max_length=100)] = ()
    attributes: Annotated[dict[str, str | float | bool], Meta(max_length=100)] = {}
    stay_from: dt.date | None = None
    stay_until: dt.date | None = None


class ProfileAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a visitor besides devices. Days in ISO 8601."""

    visitor: str
    segments: tuple[str, ...]
    attributes: dict[str, str | float | bool]
    stay_from: str | None
    stay_until: str | None


async def register(call: Call) -> Registered:
    """Make a device and a visitor for it."""
    body = call.body(Registration)
    device, visitor = system.new_id("dev"), system.new_id("vis")
    await _put(
        call,
        Device(
            device=device,
            visitor=visitor,
            platform=body.platform,
            languages=_languages(body.languages),
            app_version=body.app_version,
            push_token=body.push_token,
            web_push=_web_push(body.web_push, call),
        ),
    )
    purposes = body.consents.named()
    if purposes:
        await _consent(call, visitor, purposes)
    tokens = await call.service.gate.admit(device, visitor)
    return Registered(
        device=device,
        visitor=visitor,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_in=tokens.expires_in,
        token_type=tokens.token_type,
    )


async def refresh(call: Call) -> Registered:
    """Fresh tokens for a refresh token."""
    tokens, row = await call.service.gate.renew(call.body(Refresh).refresh_token)
    device = call.service.motor.pipeline.visitors.device(row.device)
    if device is None or device.visitor != row.visitor:
        await call.service.gate.vault.drop_refresh(row.device)
        raise NotAuthenticated("the device is not registered any more")
    return Registered(
        device=row.device,
        visitor=row.visitor,
        access_token=tokens.access_token,
        refresh_token=tokens.refresh_token,
        expires_in=tokens.expires_in,
        token_type=tokens.token_type,
    )


async def show(call: Call) -> DeviceAnswer:
    """One device."""
    return _shown(_device(call))


async def change(call: Call) -> DeviceAnswer:
    """Change a device's languages, version or push token."""
    body = call.body(DeviceChange)
    given = {
        name: getattr(body, name)
        for name in body.__struct_fields__
        if getattr(body, name) is not UNSET
    }
    if "languages" in given:
        given["languages"] = _languages(given["languages"])
    if "web_push" in given:
        given["web_push"] = _web_push(given["web_push"], call)
    changed = msgspec.structs.replace(_device(call), **given)
    await _put(call, changed)
    return _shown(changed)


async def web_push_key(call: Call) -> WebPushAnswer:
    """The key that a page subscribes with; it is public."""
    return WebPushAnswer(public_key=call.service.web_push_key or None)


def _web_push(given: PushSubscription | None, call: Call) -> WebPush | None:
    """A subscription that a push can be sent to. Raises Invalid naming what is wrong."""
    if given is None:
        return None
    try:
        check_url(given.endpoint, networks(call.service.settings))
    except AddressRefused as error:
        raise Invalid.one("web_push.endpoint", error.reason) from error
    try:
        encrypter(Keys(p256dh=given.keys.p256dh, auth=given.keys.auth))
    except AddressRefused as error:
        raise Invalid.one("web_push.keys", error.reason) from error
    return WebPush(endpoint=given.endpoint, p256dh=given.keys.p256dh, auth=given.keys.auth)


async def remove(call: Call) -> None:
    """Remove a device; its tokens end. The visitor and other devices stay."""
    device = _device(call)
    await _put(
        call, msgspec.structs.replace(device, push_token="", web_push=None, retired="removed")
    )
    sockets.end(call.service, lambda caller: caller.device == device.device)
    await call.service.gate.vault.drop_refresh(device.device)
    await call.service.gate.end_feed(device.device)


async def own_consents(call: Call) -> ConsentsAnswer:
    """The calling device's visitor's consents."""
    return _consents(call, call.caller.visitor)


async def put_own_consents(call: Call) -> ConsentsAnswer:
    """Give or take back consent. Taking back location forgets where the visitor is."""
    return await _change_consents(call, call.caller.visitor)


async def consents(call: Call) -> ConsentsAnswer:
    """A visitor's consents."""
    return _consents(call, call.part("id"))


async def put_consents(call: Call) -> ConsentsAnswer:
    """Record what a visitor consented to elsewhere."""
    return await _change_consents(call, _visitor(call))


def _visitor(call: Call) -> str:
    """The visitor of the path, who may be new. Raises Invalid."""
    visitor = call.part("id")
    visible = all(each.isprintable() and not each.isspace() for each in visitor)
    if not 1 <= len(visitor) <= limits.VISITOR_CHARS_MAX or not visible:
        raise Invalid.one("id", f"expected 1 to {limits.VISITOR_CHARS_MAX} visible characters")
    return visitor


async def record_consents(call: Call) -> ConsentsRecorded:
    """Record what many visitors consented to elsewhere; one bad row refuses them all.

    Recording the same again changes nothing, so a request that was cut short can be repeated.
    """
    rows = _consent_rows(call.body(bytes), call.request.content_type)
    motor = call.service.motor
    at_ms = motor.clock.now_ms()
    for start in range(0, len(rows), CONSENTS_TOGETHER):
        entries = (
            Consent(visitor=row.visitor, purposes=row.purposes.named(), at_ms=at_ms)
            for row in rows[start : start + CONSENTS_TOGETHER]
        )
        await asyncio.gather(*(motor.submit(entry) for entry in entries))
    return ConsentsRecorded(recorded=len(rows))


def _consent_rows(body: bytes, content_type: str) -> list[ConsentRow]:
    """The rows of a JSON array or NDJSON. Raises Malformed, TooLarge, or Invalid by row."""
    lines = [line for line in body.split(b"\n") if line.strip()] if content_type == NDJSON else []
    found = [bodies.document(line) for line in lines] if lines else bodies.document(body or b"[]")
    if not isinstance(found, list):
        raise Malformed("expected an array of objects")
    if len(found) > limits.CONSENTS_PER_REQUEST_MAX:
        raise TooLarge(what="consents", limit=limits.CONSENTS_PER_REQUEST_MAX)
    rows: list[ConsentRow] = []
    wrong: list[FieldError] = []
    for index, item in enumerate(found):
        try:
            row = bodies.convert(item, ConsentRow)
            if not row.purposes.named():
                raise _nothing_named("purposes")
        except Invalid as error:
            wrong += (msgspec.structs.replace(fault, index=index) for fault in error.errors)
        else:
            rows.append(row)
    if wrong:
        raise Invalid(wrong)
    return rows


async def put_profile(call: Call) -> ProfileAnswer:
    """Set a visitor's segments, attributes and stay."""
    body = call.body(ProfileBody)
    profile = Profile(
        visitor=_visitor(call),
        segments=body.segments,
        attributes=body.attributes,
        stay_from=body.stay_from.isoformat() if body.stay_from else None,
        stay_until=body.stay_until.isoformat() if body.stay_until else None,
    )
    await call.service.motor.submit(profile)
    return ProfileAnswer(**msgspec.structs.asdict(profile))


async def erase(call: Call) -> None:
    """Forget a visitor: devices, tokens, consents, positions, decisions and messages."""
    await _erase(call, _visitor(call))


async def erase_self(call: Call) -> None:
    """Forget the calling device's visitor."""
    await _erase(call, call.caller.visitor)


async def _erase(call: Call, visitor: str) -> None:
    known = call.service.motor.pipeline.visitors.find(visitor)
    devices = list(known.devices) if known is not None else []
    await call.service.motor.submit(Erasure(visitor=visitor))
    sockets.end(call.service, lambda caller: caller.kind == "device" and caller.visitor == visitor)
    for device in devices:
        await call.service.gate.vault.drop_refresh(device)
        await call.service.gate.end_feed(device)


def _languages(tags: tuple[str, ...]) -> tuple[str, ...]:
    """Tags in their usual case: phones write fr_CH, and browsers en-us."""
    wrong = [
        FieldError(field=f"languages[{at}]", reason=f"{tag!r} is no language tag such as fr-CH")
        for at, tag in enumerate(tags)
        if not known_language(tag)
    ]
    if wrong:
        raise Invalid(wrong)
    return tuple(dict.fromkeys(normalise(tag) for tag in tags))


async def _put(call: Call, device: Device) -> None:
    await call.service.motor.submit(device)


async def _consent(call: Call, visitor: str, purposes: dict[Purpose, bool]) -> None:
    at_ms = call.service.motor.clock.now_ms()
    await call.service.motor.submit(Consent(visitor=visitor, purposes=purposes, at_ms=at_ms))


async def _change_consents(call: Call, visitor: str) -> ConsentsAnswer:
    purposes = call.body(Consents).named()
    if not purposes:
        raise _nothing_named("")
    await _consent(call, visitor, purposes)
    return _consents(call, visitor)


def _nothing_named(field: str) -> Invalid:
    return Invalid.one(field, f"name at least one of {', '.join(PURPOSES)}")


def _consents(call: Call, visitor: str) -> ConsentsAnswer:
    known = call.service.motor.pipeline.visitors.find(visitor)
    if known is None:
        raise NotFound(kind="visitor", record_id=visitor)
    return ConsentsAnswer(
        visitor=visitor,
        location=known.allows("location"),
        push=known.allows("push"),
        analytics=known.allows("analytics"),
        at_ms=known.consented_ms,
    )


def _device(call: Call) -> Device:
    """The device of the path. To another device it does not exist."""
    wanted = call.part("id")
    found = call.service.motor.pipeline.visitors.device(wanted)
    mine = call.caller.kind != "device" or call.caller.device == wanted
    if found is None or not mine:
        raise NotFound(kind="device", record_id=wanted)
    return found


def _shown(device: Device) -> DeviceAnswer:
    return DeviceAnswer(
        device=device.device,
        visitor=device.visitor,
        platform=device.platform,
        languages=device.languages,
        app_version=device.app_version,
        has_push_token=bool(device.push_token),
        has_web_push=device.web_push is not None,
    )


ROUTES = (
    Route(method="POST", path="/v1/devices", handler=register, tag="devices", status=201,
          summary="Register a device with the app's publishable key", scopes=("devices:register",),
          body=Registration, answer=Registered),
    Route(method="POST", path="/v1/devices/token", handler=refresh, tag="devices", open=True,
          summary="Exchange a refresh token for fresh tokens", sessions=False, body=Refresh,
          answer=Registered),
    Route(method="GET", path="/v1/devices/{id}", handler=show, tag="devices", device=True,
          summary="Show a device", scopes=("visitors:read",), answer=DeviceAnswer),
    Route(method="PATCH", path="/v1/devices/{id}", handler=change, tag="devices", device=True,
          summary="Change a device", scopes=("visitors:write",), body=DeviceChange,
          answer=DeviceAnswer),
    Route(method="DELETE", path="/v1/devices/{id}", handler=remove, tag="devices", device=True,
          summary="Remove a device", scopes=("visitors:write",), status=204),
    Route(method="GET", path="/v1/web-push", handler=web_push_key, tag="devices", open=True,
          summary="The key with which a page subscribes to web pushes", answer=WebPushAnswer),
    Route(method="GET", path="/v1/consents", handler=own_consents, tag="visitors", device=True,
          summary="Show the consents of this device's visitor", answer=ConsentsAnswer),
    Route(method="PUT", path="/v1/consents", handler=put_own_consents, tag="visitors", device=True,
          summary="Give or take back consent", body=Consents, answer=ConsentsAnswer),
    Route(method="POST", path="/v1/consents", handler=record_consents, tag="visitors",
          summary="Record the consents of many visitors: an array, or one object a line",
          scopes=("visitors:write",), body=bytes, describes=list[ConsentRow], takes=(JSON, NDJSON),
          answer=ConsentsRecorded, audited=True),
    Route(method="DELETE", path="/v1/me", handler=erase_self, tag="visitors", device=True,
          summary="Erase this device's visitor", status=204),
    Route(method="GET", path="/v1/visitors/{id}/consents", handler=consents, tag="visitors",
          summary="Show a visitor's consents", scopes=("visitors:read",), answer=ConsentsAnswer),
    Route(method="PUT", path="/v1/visitors/{id}/consents", handler=put_consents, tag="visitors",
          summary="Record a visitor's consents", scopes=("visitors:write",), body=Consents,
          answer=ConsentsAnswer, audited=True),
    Route(method="PUT", path="/v1/visitors/{id}/profile", handler=put_profile, tag="visitors",
          summary="Set a visitor's segments, attributes and stay", scopes=("visitors:write",),
          body=ProfileBody, answer=ProfileAnswer),
    Route(method="DELETE", path="/v1/visitors/{id}", handler=erase, tag="visitors",
          summary="Erase a visitor", scopes=("visitors:write",), status=204, audited=True),
)  # fmt: skip
