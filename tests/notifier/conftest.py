"""Fixtures of the notifier's tests: stand-ins that really listen."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import msgspec
import pytest
import structlog
from blockbuster import blockbuster_ctx
from cryptography.hazmat.primitives.asymmetric import rsa

from notifier import signatures
from notifier.channels import webpush_wire
from notifier.channels.fcm import FcmChannel
from notifier.channels.webhook import WebhookChannel
from notifier.channels.webpush import WebPushChannel
from notifier.standin.fcm import FcmStandin
from notifier.standin.hook import HookStandin
from notifier.standin.listening import serve
from notifier.standin.webpush import PushStandin


class Fcm(msgspec.Struct, frozen=True, kw_only=True):
    """A stand-in, where it listens, and a service account that it knows."""

    standin: FcmStandin
    url: str
    account: Mapping[str, Any]

    def channel(self, **settings: Any) -> FcmChannel:
        return FcmChannel(self.account, endpoint=self.url, **settings)


LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """A push service, where it listens, and the key that pushes are signed with."""

    standin: PushStandin
    url: str
    private_key: str
    public_key: str

    def channel(self, **settings: Any) -> WebPushChannel:
        given: dict[str, Any] = {"now_s": time.time, "allowed": LOOPBACK, **settings}
        return WebPushChannel(self.private_key, "mailto:ops@example.org", **given)

    def subscribe(self) -> str:
        return self.standin.subscribe(self.url, self.public_key)


class Hook(msgspec.Struct, frozen=True, kw_only=True):
    """An integrator's server, where it listens, and the secret that it shares."""

    standin: HookStandin
    url: str
    secret: str

    def channel(self, **settings: Any) -> WebhookChannel:
        given: dict[str, Any] = {"now_s": time.time, "allowed": LOOPBACK, **settings}
        return WebhookChannel(given.pop("url", f"{self.url}/hook"), [self.secret], **given)


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    """One key for all: making one takes longer than most tests."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def unblocked() -> Iterator[None]:
    """A call that blocks the event loop fails the test."""
    with blockbuster_ctx():
        yield


@pytest.fixture
async def fcm(key: rsa.RSAPrivateKey, unblocked: None) -> AsyncIterator[Fcm]:
    standin = FcmStandin(now_s=time.time)
    served = await serve(standin)
    account = standin.service_account(served.url, key=key)
    yield Fcm(standin=standin, url=served.url, account=account)
    await served.runner.cleanup()


@pytest.fixture
async def push(unblocked: None) -> AsyncIterator[Push]:
    standin = PushStandin(now_s=time.time)
    served = await serve(standin)
    private_key, public_key = webpush_wire.new_key()
    yield Push(standin=standin, url=served.url, private_key=private_key, public_key=public_key)
    await served.runner.cleanup()


@pytest.fixture
async def hook(unblocked: None) -> AsyncIterator[Hook]:
    secret = signatures.new_secret()
    standin = HookStandin([signatures.key_of(secret)], now_s=time.time)
    served = await serve(standin)
    yield Hook(standin=standin, url=served.url, secret=secret)
    await served.runner.cleanup()


@pytest.fixture
async def channel(fcm: Fcm) -> AsyncIterator[FcmChannel]:
    made = fcm.channel(answer_s=2.0)
    await made.open()
    yield made
    await made.close()


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """No log on the terminal: drawing the traceback of a planned fault outlasts the test."""
    with structlog.testing.capture_logs():
        yield
