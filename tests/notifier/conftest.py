"""Fixtures of the notifier's tests: a stand-in for FCM that really listens."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import msgspec
import pytest
import structlog
from blockbuster import blockbuster_ctx
from cryptography.hazmat.primitives.asymmetric import rsa

from notifier.channels.fcm import FcmChannel
from notifier.standin.fcm import FcmStandin, serve


class Fcm(msgspec.Struct, frozen=True, kw_only=True):
    """A stand-in, where it listens, and a service account that it knows."""

    standin: FcmStandin
    url: str
    account: Mapping[str, Any]

    def channel(self, **settings: Any) -> FcmChannel:
        return FcmChannel(self.account, endpoint=self.url, **settings)


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
