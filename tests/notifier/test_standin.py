"""The stand-in is held to Google's own client: what it gets wrong, every other test would."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import firebase_admin
import jwt
import msgspec
import pytest
import requests
from firebase_admin import credentials, exceptions, messaging
from google.auth.exceptions import RefreshError

from notifier.channels import fcm_wire
from notifier.channels.outbound import topic
from notifier.standin.fcm import ANY, Fault, FcmStandin
from notifier.standin.fcm_schema import violations
from notifier.standin.listening import serve
from tests.notifier.conftest import Fcm
from tests.notifier.samples import NOW_MS, notification


@contextmanager
def sdk(fcm: Fcm, **account: Any) -> Iterator[firebase_admin.App]:
    """The SDK, its retries off, pointed at the stand-in."""
    app = firebase_admin.initialize_app(
        credentials.Certificate({**fcm.account, **account}), name="test"
    )
    service = messaging._get_messaging_service(app)
    service._fcm_url = fcm_wire.send_url(fcm.url, fcm.account["project_id"])
    service._client.session.mount(fcm.url, requests.adapters.HTTPAdapter(max_retries=0))
    try:
        yield app
    finally:
        firebase_admin.delete_app(app)


def message(address: str = "t1") -> messaging.Message:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return messaging.Message(
            token=address, notification=messaging.Notification(title="a", body="b")
        )


async def sdk_send(fcm: Fcm, address: str = "t1", **account: Any) -> str:
    def send() -> str:
        with sdk(fcm, **account) as app:
            return str(messaging.send(message(address), app=app))

    return await asyncio.to_thread(send)


async def test_googles_client_sends_through_it(fcm: Fcm) -> None:
    heard: list[str] = []
    fcm.standin.subscribe(lambda received: heard.append(received.address))
    name = await sdk_send(fcm)
    (received,) = fcm.standin.of("t1")
    assert received.name == name
    assert received.message["notification"] == {"title": "a", "body": "b"}
    assert heard == ["t1"]
    assert fcm.standin.exchanges == 1


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("unregistered", messaging.UnregisteredError),
        ("invalid_address", exceptions.InvalidArgumentError),
        ("sender_id_mismatch", messaging.SenderIdMismatchError),
        ("third_party_auth", messaging.ThirdPartyAuthError),
        ("quota", messaging.QuotaExceededError),
        ("unavailable", exceptions.UnavailableError),
        ("internal", exceptions.InternalError),
        ("deadline", exceptions.DeadlineExceededError),
    ],
)
async def test_googles_client_reads_its_errors(fcm: Fcm, kind: Any, error: type) -> None:
    # Always, since Google's session answers a 401 with a second try.
    fcm.standin.script("t1", Fault(kind=kind, times=None))
    with pytest.raises(error):
        await sdk_send(fcm)
    fcm.standin.script("t1")
    assert fcm.standin.of("t1") == []
    assert (await sdk_send(fcm)).startswith("projects/balise-standin/messages/")


async def test_our_encoding_is_what_googles_client_sends(fcm: Fcm) -> None:
    made = notification(address="t9", link="https://example.org/paddle", platform="")
    body = msgspec.json.decode(fcm_wire.encode(made, NOW_MS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs = messaging.Message(
            token="t9",
            data={
                "event": "paddle",
                "balise_notification": made.id,
                "balise_link": "https://example.org/paddle",
            },
            notification=messaging.Notification(
                title=made.title, body=made.body, image=made.image_url
            ),
            android=messaging.AndroidConfig(
                collapse_key="lake",
                priority="high",
                ttl=900,
                notification=messaging.AndroidNotification(tag=made.tag),
            ),
            apns=messaging.APNSConfig(
                headers={
                    "apns-push-type": "alert",
                    "apns-priority": "10",
                    "apns-expiration": str(made.expires_ms // 1000),
                    "apns-collapse-id": made.tag,
                },
                payload=messaging.APNSPayload(messaging.Aps(mutable_content=True)),
                fcm_options=messaging.APNSFCMOptions(image=made.image_url),
            ),
            webpush=messaging.WebpushConfig(
                headers={"TTL": "900", "Urgency": "high", "Topic": topic("lake")},
                notification=messaging.WebpushNotification(
                    tag=made.tag, image=made.image_url, language="fr", direction="ltr"
                ),
                fcm_options=messaging.WebpushFCMOptions(link="https://example.org/paddle"),
            ),
        )

    def send() -> None:
        with sdk(fcm) as app:
            messaging.send(theirs, app=app)

    await asyncio.to_thread(send)
    assert fcm.standin.of("t9")[0].message == body["message"]


async def test_a_forged_assertion_gets_no_token(fcm: Fcm) -> None:
    other = FcmStandin(now_s=time.time).service_account(fcm.url)
    with pytest.raises(RefreshError, match="invalid_grant"):
        await sdk_send(fcm, private_key=other["private_key"])
    with pytest.raises(RefreshError, match="invalid_grant"):
        await sdk_send(fcm, client_email="someone@else.example")
    assert fcm.standin.exchanges == 0


@pytest.fixture
async def http(fcm: Fcm) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url=fcm.url) as session:
        yield session


async def exchange(http: aiohttp.ClientSession, fcm: Fcm, **claims: Any) -> tuple[int, Any]:
    now_s = int(time.time())
    payload = {
        "iss": fcm.account["client_email"],
        "aud": fcm.account["token_uri"],
        "iat": now_s,
        "exp": now_s + 3600,
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        **claims,
    }
    assertion = jwt.encode(payload, fcm.account["private_key"], algorithm="RS256")
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
    async with http.post("/token", data=form) as response:
        return response.status, await response.json()


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://example.org/token"},
        {"exp": 1_000_000},
        {"iss": "nobody"},
        {"scope": "https://www.googleapis.com/auth/drive"},
    ],
)
async def test_an_assertion_for_something_else_gets_no_token(
    http: aiohttp.ClientSession, fcm: Fcm, claims: dict[str, Any]
) -> None:
    status, answer = await exchange(http, fcm, **claims)
    assert (status, answer["error"]) == (400, "invalid_grant")


async def test_other_grants_get_no_token(http: aiohttp.ClientSession, fcm: Fcm) -> None:
    async with http.post("/token", data={"grant_type": "password"}) as response:
        assert (await response.json())["error"] == "unsupported_grant_type"


async def test_a_send_needs_a_token_of_its_project(http: aiohttp.ClientSession, fcm: Fcm) -> None:
    body = {"message": {"token": "t", "notification": {"title": "a"}}}
    url, other = (f"/v1/projects/{name}/messages:send" for name in ("balise-standin", "another"))
    async with http.post(url, json=body) as response:
        assert response.status == 401
    _, answer = await exchange(http, fcm)
    headers = {"Authorization": f"Bearer {answer['access_token']}"}
    async with http.post(other, json=body, headers=headers) as response:
        assert response.status == 403
    async with http.post(url, json=body, headers=headers) as response:
        assert response.status == 200
    fcm.standin.revoke()
    async with http.post(url, json=body, headers=headers) as response:
        assert response.status == 401


async def test_it_lists_what_it_took_and_is_scripted_over_http(
    http: aiohttp.ClientSession, fcm: Fcm
) -> None:
    for number in range(3):
        await sdk_send(fcm, f"t{number}")
    async with http.get("/standin/messages", params={"after": 1, "limit": 1}) as response:
        listed = (await response.json())["messages"]
    assert [(each["number"], each["address"]) for each in listed] == [(2, "t1")]
    async with http.get("/standin/messages", params={"after": "x"}) as response:
        assert response.status == 400
    script = {"address": ANY, "faults": [{"kind": "unavailable", "times": None}]}
    async with http.post("/standin/faults", json=script) as response:
        assert response.status == 200
    for _ in range(2):
        with pytest.raises(exceptions.UnavailableError):
            await sdk_send(fcm)
    async with http.post("/standin/faults", json={"faults": [{"kind": "nonsense"}]}) as response:
        assert response.status == 400


async def test_two_stand_ins_do_not_share_a_port() -> None:
    first = await serve(FcmStandin(now_s=time.time))
    port = int(first.url.rsplit(":", 1)[1])
    with pytest.raises(OSError, match="in use"):
        await serve(FcmStandin(now_s=time.time), port=port)
    await first.runner.cleanup()


GOOD: dict[str, Any] = {"token": "t", "notification": {"title": "a"}}


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({**GOOD, "titel": "a"}, "message.titel"),
        ({**GOOD, "notification": {"titel": "a"}}, "message.notification.titel"),
        ({**GOOD, "notification": {"title": 1}}, "message.notification.title"),
        ({**GOOD, "notification": "a"}, "message.notification"),
        ({**GOOD, "notification": {"image": "ftp://x"}}, "message.notification.image"),
        ({**GOOD, "data": {"a": 1}}, "message.data"),
        ({**GOOD, "data": {"from": "x"}}, "message.data"),
        ({**GOOD, "data": {"google.a": "x"}}, "message.data"),
        ({**GOOD, "data": {"a": "x" * 5_000}}, "message"),
        ({**GOOD, "android": {"ttl": 900}}, "message.android.ttl"),
        ({**GOOD, "android": {"ttl": "2419201s"}}, "message.android.ttl"),
        ({**GOOD, "android": {"ttl": "-1s"}}, "message.android.ttl"),
        ({**GOOD, "android": {"priority": "urgent"}}, "message.android.priority"),
        (
            {**GOOD, "android": {"notification": {"color": "red"}}},
            "message.android.notification.color",
        ),
        (
            {**GOOD, "android": {"notification": {"sticky": "yes"}}},
            "message.android.notification.sticky",
        ),
        (
            {**GOOD, "android": {"notification": {"notification_count": True}}},
            "message.android.notification.notification_count",
        ),
        ({**GOOD, "apns": {"headers": {"apns-collapse-id": "x" * 65}}}, "message.apns.headers"),
        ({**GOOD, "webpush": {"headers": {"Topic": "a b"}}}, "message.webpush.headers"),
        (
            {**GOOD, "webpush": {"fcm_options": {"link": "http://x"}}},
            "message.webpush.fcm_options.link",
        ),
        ({"notification": {"title": "a"}}, "message"),
        ({**GOOD, "topic": "x"}, "message"),
    ],
)
def test_wrong_fields_are_named_as_google_names_them(message: Any, field: str) -> None:
    assert [each.field for each in violations({"message": message})] == [field]


@pytest.mark.parametrize("body", [None, [], {}, {"message": 1}, "x"])
def test_a_body_without_a_message_is_wrong(body: Any) -> None:
    assert [each.field for each in violations(body)] == ["message"]


def test_good_messages_pass_in_either_spelling() -> None:
    assert violations({"message": GOOD, "validate_only": True}) == ()
    camel = {
        "fid": "f",
        "fcmOptions": {"analyticsLabel": "x"},
        "android": {
            "collapseKey": "x",
            "ttl": "3.5s",
            "notification": {"vibrateTimings": ["1s"], "bodyLocArgs": ["a"], "image": None},
        },
        "apns": {"payload": {"aps": {}}},
    }
    assert violations({"message": camel}) == ()
    assert [each.field for each in violations({"message": GOOD, "x": 1})] == ["x"]
