"""Webhooks, over real HTTP against a receiver that trusts nothing unsigned."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from notifier import limits, signatures
from notifier.channels import outbound
from notifier.channels.webhook import WebhookChannel
from notifier.errors import AddressRefused, CredentialsRefused, SignatureRefused
from notifier.notifications import Accepted, Failed, InDoubt, Outcome, Retry
from notifier.standin.hook import Fault
from tests.notifier.conftest import LOOPBACK, Hook
from tests.notifier.samples import NOW_MS, notification

KEY = b"k" * 32


@pytest.fixture
async def channel(hook: Hook) -> AsyncIterator[WebhookChannel]:
    made = hook.channel(answer_s=0.5)
    await made.open()
    yield made
    await made.close()


async def send_one(channel: WebhookChannel, number: int = 1) -> Outcome:
    (outcome,) = await channel.send([notification(number, channel="webhook")], NOW_MS)
    return outcome


async def test_a_receiver_is_told_all_that_a_phone_is(hook: Hook, channel: WebhookChannel) -> None:
    made = notification(1, channel="webhook", variant="b")
    (outcome,) = await channel.send([made], NOW_MS)
    assert outcome == Accepted(provider_id=made.id)
    taken = hook.standin.taken[made.id]
    assert (taken["type"], taken["timestamp_ms"]) == ("notification.created", NOW_MS)
    assert taken["data"] == {
        "id": made.id,
        "decision": made.decision_id,
        "campaign": made.campaign,
        "variant": "b",
        "visitor": made.visitor,
        "lang": made.lang,
        "title": made.title,
        "body": made.body,
        "image_url": made.image_url,
        "link": made.link,
        "data": made.data,
        "tag": made.tag,
        "collapse_key": made.collapse_key,
        "created_ms": made.created_ms,
        "expires_ms": made.expires_ms,
    }


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(status=204), Accepted),
        (Fault(status=400), Failed),
        (Fault(status=410), Failed),
        (Fault(status=302, location="/hook"), Failed),
        (Fault(status=429, retry_after="9"), 9_000),
        (Fault(status=503, retry_after="2"), 2_000),
        (Fault(status=500), None),
        (Fault(status=504), InDoubt),
        (Fault(delay_s=2.0), InDoubt),
        (Fault(drop=True), InDoubt),
    ],
)
async def test_answers_are_understood_and_redirects_not_followed(
    hook: Hook, channel: WebhookChannel, fault: Fault, expected: Any
) -> None:
    hook.standin.faults.append(fault)
    outcome = await send_one(channel)
    if isinstance(expected, type):
        assert isinstance(outcome, expected)
    else:
        assert isinstance(outcome, Retry)
        assert outcome.after_ms == expected
    assert hook.standin.requests == 1
    assert hook.standin.refused == []


async def test_a_message_signed_with_another_secret_is_not_taken(hook: Hook) -> None:
    stranger = WebhookChannel(
        f"{hook.url}/hook", [signatures.new_secret()], now_s=time.time, allowed=LOOPBACK
    )
    await stranger.open()
    assert isinstance(await send_one(stranger), Failed)
    await stranger.close()
    assert hook.standin.taken == {}


async def test_secrets_can_be_changed_without_a_gap(hook: Hook) -> None:
    both = WebhookChannel(
        f"{hook.url}/hook", [signatures.new_secret(), hook.secret], now_s=time.time,
        allowed=LOOPBACK,
    )  # fmt: skip
    await both.open()
    assert isinstance(await send_one(both), Accepted)
    await both.close()


async def test_a_clock_that_is_wrong_is_noticed(hook: Hook) -> None:
    late = hook.channel(now_s=lambda: time.time() - limits.SIGNATURE_WINDOW_S - 60)
    await late.open()
    assert isinstance(await send_one(late), Failed)
    await late.close()
    assert "replay" in hook.standin.refused[0]


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of the reference library's own tests."""
    key = signatures.key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    headers = signatures.sign([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
    assert headers[signatures.SIGNATURE] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    found = signatures.verify([key], headers, body, 1_614_265_330.0)
    assert found == ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330)


@given(
    body=st.binary(max_size=200),
    at=st.integers(0, limits.SIGNATURE_WINDOW_S * 2),
    place=st.integers(0, 10_000),
)
def test_what_was_altered_or_is_too_old_is_refused(body: bytes, at: int, place: int) -> None:
    now_s = 1_800_000_000
    headers = signatures.sign([KEY], "ntf_1", now_s - at, body)
    if at <= limits.SIGNATURE_WINDOW_S:
        assert signatures.verify([b"o" * 32, KEY], headers, body, now_s) == ("ntf_1", now_s - at)
    else:
        with pytest.raises(SignatureRefused):
            signatures.verify([KEY], headers, body, now_s)
    altered = bytearray(body + b"x")
    altered[place % len(altered)] ^= 1
    for wrong, changed in (
        (headers, bytes(altered)),
        (headers | {signatures.ID: "ntf_2"}, body),
        (headers | {signatures.TIMESTAMP: str(now_s + 1)}, body),
        (headers | {signatures.TIMESTAMP: "soon"}, body),
        (headers | {signatures.SIGNATURE: "v1,"}, body),
        (headers | {signatures.SIGNATURE: headers[signatures.SIGNATURE].replace("v1", "v0")}, body),
        ({}, body),
    ):
        with pytest.raises(SignatureRefused):
            signatures.verify([KEY], wrong, changed, now_s)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_!!", "whsec_c2hvcnQ=", "é"])
def test_a_weak_or_broken_secret_is_refused(secret: str) -> None:
    with pytest.raises(CredentialsRefused):
        signatures.key_of(secret)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/hook",
        "http://93.184.215.14/hook",
        "https://user:secret@example.org/",
        "https://127.0.0.1/",
        "https://10.1.2.3/",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/",
        "https://192.168.1.1:8443/",
        "https://0.0.0.0/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::10.0.0.1]/",
        "https://[2002:0a00:0001::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[fd00::1]/",
        "https://224.0.0.1/",
        "https://example.org:0/",
        "https://example.org:x/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "https://",
        "",
    ],
)
def test_addresses_of_our_own_are_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        outbound.check_url(url, ())


def test_an_address_of_our_own_can_be_allowed() -> None:
    allowed = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/8"))
    outbound.check_url("http://10.1.2.3/hook", allowed)
    outbound.check_url("https://[fd00::1]/hook", allowed)
    outbound.check_url("https://example.org:8443/hook?a=b", ())
    with pytest.raises(AddressRefused):
        outbound.check_url("http://10.2.0.1/hook", allowed)


class Lying(AbstractResolver):
    """A name server in an attacker's hands."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=each, port=port, family=family, proto=0, flags=0)
            for each in self.addresses
        ]

    async def close(self) -> None: ...


async def test_a_name_that_points_into_our_network_is_not_followed() -> None:
    mixed = outbound.PublicResolver((), Lying("10.0.0.1", "93.184.215.14", "::1"))
    assert [each["host"] for each in await mixed.resolve("a.example")] == ["93.184.215.14"]
    inside = outbound.PublicResolver((), Lying("127.0.0.1", "fe80::1%eth0"))
    with pytest.raises(OSError, match="no public address"):
        await inside.resolve("a.example")
    allowed = outbound.PublicResolver(LOOPBACK, Lying("127.0.0.1"))
    assert len(await allowed.resolve("a.example")) == 1


@pytest.mark.parametrize("name", ["localhost", "2130706433", "0x7f.1"])
async def test_other_names_of_this_machine_are_not_reached(hook: Hook, name: str) -> None:
    port = hook.url.rsplit(":", 1)[1]
    sly = WebhookChannel(f"https://{name}:{port}/hook", [hook.secret], now_s=time.time)
    await sly.open()
    assert isinstance(await send_one(sly), Retry | Failed)
    await sly.close()
    assert hook.standin.requests == 0
