"""The FCM channel, over real HTTP against the stand-in."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import msgspec
import pytest
from aiohttp import web

from notifier import limits
from notifier.channels import fcm_wire, outbound
from notifier.channels.fcm import FcmChannel
from notifier.errors import CredentialsRefused
from notifier.notifications import Accepted, Failed, InDoubt, Notification, Outcome, Retired, Retry
from notifier.options import AndroidOptions, AppleOptions, Options, WebOptions
from notifier.standin.fcm import Fault
from tests.notifier.conftest import Fcm
from tests.notifier.samples import NOW_MS, eventually, notification


async def send_one(channel: FcmChannel, made: Notification | None = None) -> Outcome:
    (outcome,) = await channel.send([made or notification()], NOW_MS)
    return outcome


async def test_a_message_arrives_as_it_was_written(fcm: Fcm, channel: FcmChannel) -> None:
    made = notification()
    outcome = await send_one(channel, made)
    (received,) = fcm.standin.of(made.address)
    assert outcome == Accepted(provider_id=received.name)
    assert received.message["notification"] == {
        "title": made.title,
        "body": made.body,
        "image": made.image_url,
    }
    assert received.message["data"] == {
        "event": "paddle",
        fcm_wire.NOTIFICATION_KEY: made.id,
        fcm_wire.LINK_KEY: made.link,
    }
    assert received.message["android"] == {
        "collapse_key": "lake",
        "priority": "high",
        "ttl": "900s",
        "notification": {"tag": made.tag},
    }
    assert "apns" not in received.message
    assert "webpush" not in received.message


async def test_ios_gets_its_headers(fcm: Fcm, channel: FcmChannel) -> None:
    options = Options(
        apple=AppleOptions(
            sound="default", category="EVENT", thread="lake", interruption_level="time-sensitive"
        )
    )
    made = notification(platform="ios", options=options, priority="normal")
    assert isinstance(await send_one(channel, made), Accepted)
    (received,) = fcm.standin.of(made.address)
    assert "android" not in received.message
    assert received.message["apns"] == {
        "headers": {
            "apns-push-type": "alert",
            "apns-priority": "5",
            "apns-expiration": str(made.expires_ms // 1000),
            "apns-collapse-id": made.tag,
        },
        "payload": {
            "aps": {
                "sound": "default",
                "category": "EVENT",
                "thread-id": "lake",
                "mutable-content": 1,
                "interruption-level": "time-sensitive",
            }
        },
        "fcm_options": {"image": made.image_url},
    }


async def test_browsers_get_theirs(fcm: Fcm, channel: FcmChannel) -> None:
    options = Options(web=WebOptions(icon="https://example.org/i.png", require_interaction=True))
    made = notification(
        platform="web", options=options, lang="ar", link="https://example.org/x", image_url=None
    )
    assert isinstance(await send_one(channel, made), Accepted)
    (received,) = fcm.standin.of(made.address)
    web_part = received.message["webpush"]
    assert web_part["headers"].keys() == {"TTL", "Urgency", "Topic"}
    assert len(web_part["headers"]["Topic"]) == 32
    assert web_part["notification"] == {
        "tag": made.tag,
        "icon": "https://example.org/i.png",
        "lang": "ar",
        "dir": "rtl",
        "requireInteraction": True,
    }
    assert web_part["fcm_options"] == {"link": "https://example.org/x"}


async def test_installations_are_addressed_by_fid(fcm: Fcm, channel: FcmChannel) -> None:
    made = notification(address="installation", address_kind="fid")
    assert isinstance(await send_one(channel, made), Accepted)
    (received,) = fcm.standin.of("installation")
    assert received.message["fid"] == "installation"
    assert "token" not in received.message


@pytest.mark.parametrize(
    ("left_ms", "ttl"), [(0, "0s"), (-5, "0s"), (1_999, "1s"), (10**12, "2419200s")]
)
def test_the_time_to_live_is_what_is_left(left_ms: int, ttl: str) -> None:
    body = fcm_wire.encode(notification(expires_ms=NOW_MS + left_ms), NOW_MS)
    assert msgspec.json.decode(body)["message"]["android"]["ttl"] == ttl


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(kind="unregistered"), Retired(reason="unregistered")),
        (Fault(kind="invalid_address"), Retired(reason="invalid_address")),
        (Fault(kind="quota", retry_after_s=7), (Retry, 7_000)),
        (Fault(kind="quota"), (Retry, limits.FCM_RETRY_QUOTA_MS)),
        (Fault(kind="unavailable", retry_after_s=3), (Retry, 3_000)),
        (Fault(kind="unavailable"), (Retry, None)),
        (Fault(kind="internal"), (Retry, None)),
        (Fault(kind="not_json"), (Retry, None)),
        (Fault(kind="sender_id_mismatch"), (Failed, None)),
        (Fault(kind="third_party_auth"), (Failed, None)),
        (Fault(kind="deadline"), (InDoubt, None)),
        (Fault(kind="drop_before"), (InDoubt, None)),
        (Fault(kind="drop_after"), (InDoubt, None)),
    ],
)
async def test_each_fault_of_fcm_is_understood(
    fcm: Fcm, channel: FcmChannel, fault: Fault, expected: Any
) -> None:
    fcm.standin.script("token-1", fault)
    outcome = await send_one(channel)
    if isinstance(expected, tuple):
        kind, after_ms = expected
        assert isinstance(outcome, kind)
        assert outcome.reason
        assert getattr(outcome, "after_ms", None) == after_ms
    else:
        assert outcome == expected
    assert fcm.standin.requests == 1
    assert isinstance(await send_one(channel), Accepted)


async def test_an_answer_that_does_not_come_is_in_doubt(fcm: Fcm) -> None:
    channel = fcm.channel(answer_s=0.2)
    await channel.open()
    fcm.standin.script("token-1", Fault(kind="slow", delay_s=0.6))
    assert await send_one(channel) == InDoubt(reason="no answer in time")
    await channel.close()


async def test_nobody_listening_is_a_retry(fcm: Fcm) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    channel = FcmChannel(fcm.account, endpoint=f"http://127.0.0.1:{port}")
    await channel.open()
    outcome = await send_one(channel)
    assert isinstance(outcome, Retry)
    assert outcome.reason.startswith("no connection")
    await channel.close()


async def test_a_message_that_cannot_be_encoded_fails_alone(fcm: Fcm, channel: FcmChannel) -> None:
    bad = notification(2, options=Options(android=AndroidOptions(color="red")))
    outcomes = await channel.send([notification(1), bad, notification(3)], NOW_MS)
    kinds = [type(each).__name__ for each in outcomes]
    assert kinds == ["Accepted", "Failed", "Accepted"]
    assert fcm.standin.requests == 2


async def test_one_token_serves_many_sends(fcm: Fcm, channel: FcmChannel) -> None:
    outcomes = await channel.send([notification(number) for number in range(50)], NOW_MS)
    assert all(isinstance(each, Accepted) for each in outcomes)
    assert fcm.standin.exchanges == 1


async def test_a_revoked_token_is_replaced_once(fcm: Fcm, channel: FcmChannel) -> None:
    await send_one(channel)
    fcm.standin.revoke()
    outcomes = await channel.send([notification(number) for number in range(20)], NOW_MS)
    assert all(isinstance(each, Accepted) for each in outcomes)
    assert fcm.standin.exchanges == 2


async def test_a_token_that_is_never_taken_ends_in_a_retry(fcm: Fcm, channel: FcmChannel) -> None:
    fcm.standin.script("token-1", Fault(kind="unauthorized", times=None))
    outcome = await send_one(channel)
    assert isinstance(outcome, Retry)
    assert fcm.standin.requests == 2


async def test_a_token_near_its_end_is_used_while_the_next_is_fetched(fcm: Fcm) -> None:
    fcm.standin.lifetime_s = 120  # google-auth calls it stale with 225 s left
    channel = fcm.channel()
    await channel.open()
    assert isinstance(await send_one(channel), Accepted)
    fcm.standin.lifetime_s = 3_600
    assert isinstance(await send_one(channel), Accepted)
    await eventually(lambda: fcm.standin.exchanges == 2)
    assert isinstance(await send_one(channel), Accepted)
    assert fcm.standin.exchanges == 2
    await channel.close()


async def test_a_token_near_its_end_is_used_while_no_other_can_be_had(fcm: Fcm) -> None:
    fcm.standin.lifetime_s = 120
    channel = fcm.channel()
    await channel.open()
    await send_one(channel)
    fcm.standin.forget_accounts()
    for _ in range(3):
        assert isinstance(await send_one(channel), Accepted)
    await channel.close()
    assert fcm.standin.exchanges == 1


async def test_closing_waits_for_a_refresh_under_way(fcm: Fcm) -> None:
    fcm.standin.lifetime_s = 120
    channel = fcm.channel()
    await channel.open()
    await send_one(channel)
    await send_one(channel)
    await channel.close()
    assert fcm.standin.exchanges == 2


async def test_an_expired_token_is_waited_for(fcm: Fcm) -> None:
    fcm.standin.lifetime_s = 0
    channel = fcm.channel()
    await channel.open()
    assert isinstance(await send_one(channel), Retry)
    fcm.standin.lifetime_s = 3_600
    assert isinstance(await send_one(channel), Accepted)
    await channel.close()


async def test_without_a_token_sends_are_put_off_and_the_end_point_is_left_alone(
    fcm: Fcm,
) -> None:
    stranger = {**fcm.account, "client_email": "someone@else.example"}
    channel = FcmChannel(stranger, endpoint=fcm.url)
    await channel.open()
    outcomes = await channel.send([notification(number) for number in range(10)], NOW_MS)
    for outcome in outcomes:
        assert isinstance(outcome, Retry)
        assert outcome.after_ms == round(limits.TOKEN_PAUSE_S * 1000)
        assert "invalid_grant" in outcome.reason
        assert "PRIVATE" not in outcome.reason
    assert (await channel.send([notification()], NOW_MS))[0] == outcomes[0]
    assert fcm.standin.requests == 0
    await channel.close()


@pytest.mark.parametrize(
    "change", [{"private_key": "nonsense"}, {"type": "user"}, {"project_id": ""}]
)
async def test_an_unusable_service_account_is_refused(fcm: Fcm, change: dict[str, str]) -> None:
    with pytest.raises(CredentialsRefused):
        FcmChannel({**fcm.account, **change})


async def test_the_official_end_point_is_the_default() -> None:
    assert fcm_wire.send_url("https://fcm.googleapis.com", "p") == (
        "https://fcm.googleapis.com/v1/projects/p/messages:send"
    )
    assert fcm_wire.send_url("http://127.0.0.1:9/", "p") == (
        "http://127.0.0.1:9/v1/projects/p/messages:send"
    )


@pytest.mark.parametrize(
    ("headers", "after_ms"),
    [
        ({}, None),
        ({"Retry-After": "30"}, 30_000),
        ({"Retry-After": "999999999999"}, limits.RETRY_AFTER_MAX_MS),
        ({"Retry-After": "-3"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Mon, 17 Aug 2026 20:53:30 GMT"}, None),
        (
            {
                "Retry-After": "Mon, 17 Aug 2026 20:53:30 GMT",
                "Date": "Mon, 17 Aug 2026 20:53:20 GMT",
            },
            10_000,
        ),
        (
            {
                "Retry-After": "Mon, 17 Aug 2026 20:53:00 GMT",
                "Date": "Mon, 17 Aug 2026 20:53:20 GMT",
            },
            0,
        ),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], after_ms: int | None) -> None:
    assert outbound.retry_after_ms(headers) == after_ms


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"{}", InDoubt),
        (200, b"<html>log in to the Wi-Fi</html>", InDoubt),
        (200, b'{"name": 7}', InDoubt),
        (302, b"", Failed),
        (400, b'{"error": "text"}', Failed),
        (400, b'{"error": {"details": [7]}}', Failed),
        (
            400,
            b'{"error": {"details": [{"fieldViolations": [{"field": "message.fid"}]}]}}',
            Retired,
        ),
        (403, b"", Failed),
        (404, b"<html>", Failed),
        (408, b"", Retry),
        (413, b"", Failed),
        (500, b"\xff\xfe", Retry),
        (502, b"", Retry),
        (504, b"", InDoubt),
        (599, b"[1]", Retry),
    ],
)
def test_answers_that_are_not_fcms_are_understood(status: int, body: bytes, kind: type) -> None:
    assert isinstance(fcm_wire.outcome(status, {}, body), kind)


async def test_an_endless_answer_is_cut(fcm: Fcm) -> None:
    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
        except ConnectionResetError:
            return response

    app = web.Application()
    app.router.add_post("/{path:.*}", flood)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    channel = FcmChannel(fcm.account, endpoint=f"http://127.0.0.1:{port}")
    await channel.open()
    assert isinstance(await send_one(channel), InDoubt)
    await channel.close()
    await runner.cleanup()


async def test_the_loop_is_not_blocked_while_a_token_is_fetched(fcm: Fcm) -> None:
    channel = fcm.channel()
    await channel.open()
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    assert isinstance(await send_one(channel), Accepted)
    assert ticks > 10
    ticking.cancel()
    await channel.close()


@pytest.mark.parametrize("platform", ["android", "ios", "web", ""])
def test_what_is_encoded_once_for_all_is_what_is_encoded_for_each(platform: str) -> None:
    encoder = fcm_wire.Encoder()
    for number in range(5):
        for kind in ("token", "fid"):
            made = notification(
                number, platform=platform, address=f'a"\\é{number}', address_kind=kind, body="é 🛶"
            )
            for now_ms in (NOW_MS, NOW_MS + 1_000):
                alone = msgspec.json.decode(fcm_wire.encode(made, now_ms))
                assert msgspec.json.decode(encoder.encode(made, now_ms)) == alone
    with pytest.raises(ValueError, match="empty"):
        encoder.encode(notification(address=""), NOW_MS)


def test_other_words_are_not_taken_for_the_same() -> None:
    encoder = fcm_wire.Encoder()
    for number in range(2 * limits.FCM_FRAMES_KEPT):
        made = notification(title=f"title {number}")
        body = msgspec.json.decode(encoder.encode(made, NOW_MS))
        assert body["message"]["notification"]["title"] == f"title {number}"
