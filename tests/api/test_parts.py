"""Small parts of the doors: rates, proxies, log lines."""

from __future__ import annotations

import pytest
from aiohttp.test_utils import make_mocked_request

from api import auth, limits, logs, proxies
from api.errors import RateLimited
from api.ratelimit import Buckets
from api.settings import Settings


def test_a_bucket_allows_its_burst_then_its_rate() -> None:
    buckets = Buckets()
    for _ in range(int(2 * limits.BURST_S)):
        buckets.spend("a", per_s=2, at_s=100.0)
    with pytest.raises(RateLimited) as caught:
        buckets.spend("a", per_s=2, at_s=100.0)
    assert caught.value.retry_after_s == pytest.approx(0.5)
    buckets.spend("b", per_s=2, at_s=100.0)
    buckets.spend("a", per_s=2, at_s=100.5)
    with pytest.raises(RateLimited):
        buckets.spend("a", per_s=2, at_s=100.6)


def test_a_refused_request_costs_nothing_and_rate_zero_allows_all() -> None:
    buckets = Buckets()
    for _ in range(1000):
        buckets.spend("a", per_s=0, at_s=0.0)
    assert len(buckets) == 0


def test_the_longest_idle_callers_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BUCKETS_MAX", 10)
    buckets = Buckets()
    for at in range(100):
        buckets.spend(str(at), per_s=1, at_s=float(at))
    assert len(buckets) == 10


@pytest.mark.parametrize(
    ("trusted", "forwarded", "expected"),
    [
        ((), "1.2.3.4", "127.0.0.1"),
        (("127.0.0.0/8",), "1.2.3.4", "1.2.3.4"),
        (("127.0.0.0/8",), "6.6.6.6, 1.2.3.4", "1.2.3.4"),
        (("127.0.0.0/8", "10.0.0.0/8"), "6.6.6.6, 1.2.3.4, 10.0.0.1", "1.2.3.4"),
        (("127.0.0.0/8",), "", "127.0.0.1"),
        (("127.0.0.0/8",), "<script>", "127.0.0.1"),
        (("10.0.0.0/8",), "1.2.3.4", "127.0.0.1"),
    ],
)
def test_an_address_is_taken_from_trusted_proxies_only(
    trusted: tuple[str, ...], forwarded: str, expected: str
) -> None:
    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": forwarded})
    request = request.clone(remote="127.0.0.1")
    assert proxies.address_of(request, Settings(trusted_proxies=trusted)) == expected


def test_the_scheme_is_taken_from_trusted_proxies_only() -> None:
    headers = {"X-Forwarded-Proto": "https", "Host": "push.example"}
    request = make_mocked_request("GET", "/", headers=headers).clone(remote="10.0.0.1")
    assert proxies.origin_of(request, Settings()) == "http://push.example"
    trusting = Settings(trusted_proxies=("10.0.0.0/8",))
    assert proxies.origin_of(request, trusting) == "https://push.example"
    public = Settings(public_url="https://other.example/path")
    assert proxies.origin_of(request, public) == "https://other.example"


def test_no_credential_gets_into_a_log_line() -> None:
    _, key = auth.new_key(name="", role="admin", now_ms=0)
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJkZXYifQ.c2lnbmF0dXJl"
    line = logs.without_secrets(
        None,
        "info",
        {
            "event": f"failed with Bearer {key}",
            "token": "x",
            "push_token": "y",
            "text": f"{key} {jwt} {auth.REFRESH_PREFIX}{'r' * 43}",
            "error": "Authorization: Bearer abc.def",
            "status": 500,
        },
    )
    shown = str(line)
    assert not any(secret in shown for secret in (key, jwt, "rrrr", "abc.def"))
    assert line["token"] == line["push_token"] == logs.REMOVED
    assert line["status"] == 500
