"""Web Push, over real HTTP against a push service that checks and decrypts like a real one."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from notifier import limits
from notifier.channels import webpush_wire
from notifier.channels.outbound import topic
from notifier.channels.webpush import WebPushChannel
from notifier.errors import CredentialsRefused
from notifier.notifications import Accepted, Failed, InDoubt, Notification, Outcome, Retired, Retry
from notifier.options import Options, WebOptions
from notifier.standin.webpush import Fault, Refused, authorize, decrypt, unb64
from tests.notifier.conftest import Push
from tests.notifier.samples import NOW_MS, notification

RETIRED, FAILED, DOUBT = Retired, Failed, InDoubt


@pytest.fixture
async def channel(push: Push) -> AsyncIterator[WebPushChannel]:
    made = push.channel(answer_s=0.5)
    await made.open()
    yield made
    await made.close()


def pushed(push: Push, **changes: Any) -> Notification:
    changes.setdefault("address", push.subscribe())
    return notification(channel="webpush", **changes)


async def send_one(channel: WebPushChannel, made: Notification) -> Outcome:
    (outcome,) = await channel.send([made], NOW_MS)
    return outcome


def test_the_stand_in_decrypts_the_example_of_the_standard() -> None:
    """RFC 8291, section 5: so that it is no mirror of the library that encrypts."""
    body = unb64(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmY"
        "WAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexS"
        "gSxsj_Qulcy4a-fN"
    )
    private = int.from_bytes(unb64("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big")
    key = ec.derive_private_key(private, ec.SECP256R1())
    plain = decrypt(body, key, unb64("BTBZMqHH6r4Tts7J_aSIgg"))
    assert plain == b"When I grow up, I want to be a watermelon"
    with pytest.raises(Refused):
        decrypt(body[:-1] + b"\x00", key, unb64("BTBZMqHH6r4Tts7J_aSIgg"))


async def test_the_service_worker_is_given_the_message(push: Push, channel: WebPushChannel) -> None:
    options = Options(web=WebOptions(icon="https://example.org/i.png", require_interaction=True))
    made = pushed(push, options=options, lang="ar")
    assert isinstance(await send_one(channel, made), Accepted)
    (found,) = push.standin.pushes
    assert found.payload == {
        "notification": made.id,
        "title": made.title,
        "body": made.body,
        "lang": "ar",
        "dir": "rtl",
        "tag": made.tag,
        "image": made.image_url,
        "icon": "https://example.org/i.png",
        "require_interaction": True,
        "link": made.link,
        "data": {"event": "paddle"},
    }
    assert (found.ttl_s, found.urgency, found.topic) == (900, "high", topic("lake"))


async def test_what_is_past_its_time_is_not_kept_by_the_service(
    push: Push, channel: WebPushChannel
) -> None:
    made = pushed(push, expires_ms=NOW_MS - 1, priority="normal", collapse_key=None)
    assert isinstance(await send_one(channel, made), Accepted)
    (found,) = push.standin.pushes
    assert (found.ttl_s, found.urgency, found.topic) == (0, "normal", None)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(kind="gone"), RETIRED),
        (Fault(kind="unknown"), RETIRED),
        (Fault(kind="too_large"), FAILED),
        (Fault(kind="unauthorized"), FAILED),
        (Fault(kind="redirect"), FAILED),
        (Fault(kind="quota", retry_after="17"), 17_000),
        (Fault(kind="quota"), limits.WEBPUSH_RETRY_QUOTA_MS),
        (Fault(kind="unavailable", retry_after="3"), 3_000),
        (Fault(kind="unavailable"), None),
        (Fault(kind="slow", delay_s=2.0), DOUBT),
        (Fault(kind="drop_before"), DOUBT),
        (Fault(kind="drop_after"), DOUBT),
    ],
)
async def test_answers_are_understood(
    push: Push, channel: WebPushChannel, fault: Fault, expected: Any
) -> None:
    made = pushed(push)
    push.standin.script(made.address, fault)
    outcome = await send_one(channel, made)
    if isinstance(expected, type):
        assert isinstance(outcome, expected)
    else:
        assert isinstance(outcome, Retry)
        assert outcome.after_ms == expected
    assert push.standin.requests == 1
    # One fault, one push: the next one arrives.
    assert isinstance(await send_one(channel, made), Accepted)


async def test_a_push_larger_than_services_must_take_is_not_sent(
    push: Push, channel: WebPushChannel
) -> None:
    assert isinstance(await send_one(channel, pushed(push, body="é" * 2_000)), Failed)
    assert push.standin.requests == 0
    fits = pushed(push, body="x", data={}, options=None, link=None, image_url=None)
    room = limits.WEBPUSH_BYTES_MAX - len(webpush_wire.payload(fits))
    full = msgspec.structs.replace(fits, body="x" * (room + 1))
    assert isinstance(await send_one(channel, full), Accepted)


@pytest.mark.parametrize(
    "address",
    [
        "not json",
        '{"endpoint": "https://push.example/1"}',
        '{"endpoint": "https://10.0.0.8/p", "keys": {"p256dh": "%k", "auth": "%a"}}',
        '{"endpoint": "ftp://push.example/p", "keys": {"p256dh": "%k", "auth": "%a"}}',
        '{"endpoint": "https://push.example/p", "keys": {"p256dh": "BBBB", "auth": "%a"}}',
        '{"endpoint": "https://push.example/p", "keys": {"p256dh": "%k", "auth": "AAAA"}}',
        '{"endpoint": "https://push.example/p", "keys": {"p256dh": "%k", "auth": "!"}}',
    ],
)
async def test_what_no_browser_gave_out_is_retired_unsent(
    push: Push, channel: WebPushChannel, address: str
) -> None:
    keys = msgspec.json.decode(push.subscribe())["keys"]
    address = address.replace("%k", keys["p256dh"]).replace("%a", keys["auth"])
    outcome = await send_one(channel, pushed(push, address=address))
    assert isinstance(outcome, Retired)
    assert outcome.reason.startswith("invalid_address")


async def test_a_push_signed_for_another_site_is_refused(push: Push) -> None:
    stranger = push.channel()
    _, other = webpush_wire.new_key()
    await stranger.open()
    made = pushed(push, address=push.standin.subscribe(push.url, other))
    outcome = await send_one(stranger, made)
    await stranger.close()
    assert isinstance(outcome, Failed)
    assert "403" in outcome.reason


def test_signatures_are_kept_for_their_origin_and_renewed_in_time() -> None:
    private_key, public_key = webpush_wire.new_key()
    now_s = 1_800_000_000.0
    signer = webpush_wire.Signer(private_key, "https://example.org", lambda: now_s)
    first = signer.authorization("https://a.example/x")
    assert signer.authorization("https://a.example/y") == first
    authorize(first, audience="https://a.example", server_key=public_key, now_s=now_s)
    other = signer.authorization("https://b.example/x")
    authorize(other, audience="https://b.example", server_key=public_key, now_s=now_s)
    with pytest.raises(Refused):
        authorize(first, audience="https://b.example", server_key=public_key, now_s=now_s)
    now_s += limits.VAPID_LIFE_S - limits.VAPID_REFRESH_S + 1
    renewed = signer.authorization("https://a.example/x")
    assert renewed != first
    authorize(renewed, audience="https://a.example", server_key=public_key, now_s=now_s)


@pytest.mark.parametrize(
    ("key", "subject"),
    [("not a key", "mailto:a@example.org"), (None, "nobody"), (None, "")],
)
def test_unusable_credentials_are_refused_at_once(key: str | None, subject: str) -> None:
    private_key = key or webpush_wire.new_key()[0]
    with pytest.raises(CredentialsRefused):
        webpush_wire.Signer(private_key, subject, time.time)


async def test_a_place_that_does_not_answer_is_tried_again(channel: WebPushChannel) -> None:
    keys = {"p256dh": webpush_wire.new_key()[1], "auth": "A" * 22}
    address = msgspec.json.encode({"endpoint": "http://127.0.0.1:1/p", "keys": keys}).decode()
    made = notification(channel="webpush", address=address)
    assert isinstance(await send_one(channel, made), Retry)
