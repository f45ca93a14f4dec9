"""Credentials hold exactly as long and reach exactly as far as they say."""

from __future__ import annotations

import base64
import json
from typing import Any, get_args

import jwt
import pytest

from api import auth, limits
from api.errors import Invalid, NotAllowed, NotAuthenticated
from engine.clock import StepClock
from engine.errors import StoreRefused

DAY_MS = 86_400_000


@pytest.fixture
def clock() -> StepClock:
    return StepClock(start_ms=1_780_000_000_000)


@pytest.fixture
async def gate(clock: StepClock, vault: Any) -> auth.Gate:
    vault.clock = clock
    gate = auth.Gate(
        vault, clock=clock, access_token_s=3600, refresh_token_days=90, session_hours=12
    )
    await gate.load()
    return gate


async def test_a_key_opens_what_its_role_says_and_nothing_else(
    gate: auth.Gate, clock: StepClock
) -> None:
    row, key = auth.new_key(name="desk", role="viewer", now_ms=clock.now_ms())
    await gate.add(row)
    caller = gate.bearer(key)
    caller.needs("content:read")
    with pytest.raises(NotAllowed, match="content:write"):
        caller.needs("content:write")
    assert caller.id == row.id


async def test_keys_survive_a_restart_and_are_not_kept_in_clear(
    gate: auth.Gate, vault: Any, clock: StepClock
) -> None:
    row, key = auth.new_key(name="", role="admin", now_ms=clock.now_ms())
    await gate.add(row)
    assert key not in repr(vault.rows)
    assert len(base64.urlsafe_b64decode(key.rsplit("admin_")[1] + "==")) * 8 >= 256
    again = auth.Gate(
        vault, clock=clock, access_token_s=3600, refresh_token_days=90, session_hours=12
    )
    await again.load()
    assert again.bearer(key).id == row.id


async def test_a_revoked_or_expired_key_opens_nothing(gate: auth.Gate, clock: StepClock) -> None:
    first, first_key = auth.new_key(name="", role="admin", now_ms=clock.now_ms())
    second, second_key = auth.new_key(
        name="", role="admin", now_ms=clock.now_ms(), expires_ms=clock.now_ms() + 1000
    )
    await gate.add(first)
    await gate.add(second)
    await gate.revoke(first.id)
    with pytest.raises(NotAuthenticated, match="revoked"):
        gate.bearer(first_key)
    gate.bearer(second_key)
    clock.set(clock.now_ms() + 1000)
    with pytest.raises(NotAuthenticated, match="expired"):
        gate.bearer(second_key)


def test_scopes_may_narrow_a_role_and_never_widen_it() -> None:
    row, _ = auth.new_key(name="", role="operator", now_ms=0, scopes=["pings:write"])
    assert row.scopes == ("pings:write",)
    with pytest.raises(Invalid, match="keys:admin"):
        auth.new_key(name="", role="operator", now_ms=0, scopes=["keys:admin"])


def test_an_app_key_opens_registration_alone_and_admin_opens_all() -> None:
    assert auth.ROLES["app"] == {"devices:register"}
    assert auth.ROLES["admin"] == set(get_args(auth.Scope))
    assert all(scopes <= auth.ROLES["admin"] for scopes in auth.ROLES.values())


async def test_a_device_token_says_who_it_is_until_it_expires(
    gate: auth.Gate, clock: StepClock
) -> None:
    tokens = await gate.admit("dev_1", "vis_1")
    caller = gate.bearer(tokens.access_token)
    assert (caller.kind, caller.device, caller.visitor) == ("device", "dev_1", "vis_1")
    assert caller.owns("vis_1")
    assert not caller.owns("vis_2")
    clock.set(clock.now_ms() + (3600 + 60) * 1000)
    with pytest.raises(NotAuthenticated) as caught:
        gate.bearer(tokens.access_token)
    assert caught.value.expired


async def test_forged_and_foreign_tokens_are_refused(gate: auth.Gate, clock: StepClock) -> None:
    now_s = clock.now_ms() // 1000
    claims = {"sub": "dev_1", "visitor": "vis_1", "iat": now_s, "exp": now_s + 60, "iss": "balise"}
    unsigned = jwt.encode(claims | {"aud": auth.DEVICE_AUDIENCE}, None, algorithm="none")
    stranger = jwt.encode(claims | {"aud": auth.DEVICE_AUDIENCE}, "x" * 43, algorithm="HS256")
    console = gate._sign({"sub": "key_1"}, auth.CONSOLE_AUDIENCE, 60)
    head, body, signature = (await gate.admit("dev_1", "vis_1")).access_token.split(".")
    changed = json.loads(base64.urlsafe_b64decode(body + "==")) | {"visitor": "vis_2"}
    swapped = base64.urlsafe_b64encode(json.dumps(changed).encode()).decode().rstrip("=")
    forged = f"{head}.{swapped}.{signature}"
    deep = base64.urlsafe_b64encode(b"[" * 5_000).decode().rstrip("=")
    strange = ("\udce9t\udce9", "balise_admin_\udcff", "\ud800", f"{deep}.{body}.{signature}")
    for token in (
        unsigned, stranger, console, forged, *strange, "", "x", "balise_admin_guess", "a.b.c"
    ):  # fmt: skip
        with pytest.raises(NotAuthenticated):
            gate.bearer(token)


async def test_a_refresh_token_works_once_and_its_successor_after_it(gate: auth.Gate) -> None:
    tokens = await gate.admit("dev_1", "vis_1")
    renewed, row = await gate.renew(tokens.refresh_token)
    assert row.device == "dev_1"
    assert gate.bearer(renewed.access_token).visitor == "vis_1"
    await gate.renew(renewed.refresh_token)


async def test_a_refresh_token_used_twice_ends_all_of_its_device_and_of_no_other(
    gate: auth.Gate, clock: StepClock
) -> None:
    mine = await gate.admit("dev_1", "vis_1")
    other = await gate.admit("dev_2", "vis_2")
    renewed, _ = await gate.renew(mine.refresh_token)
    clock.set(clock.now_ms() + round(limits.REFRESH_GRACE_S * 1000))
    with pytest.raises(NotAuthenticated, match="used before"):
        await gate.renew(mine.refresh_token)
    with pytest.raises(NotAuthenticated):
        await gate.renew(renewed.refresh_token)
    await gate.renew(other.refresh_token)


async def test_a_phone_whose_answer_was_lost_tries_again_at_once_with_the_same_token(
    gate: auth.Gate, clock: StepClock
) -> None:
    tokens = await gate.admit("dev_1", "vis_1")
    lost, _ = await gate.renew(tokens.refresh_token)
    clock.set(clock.now_ms() + round(limits.REFRESH_GRACE_S * 1000) - 1)
    again, _ = await gate.renew(tokens.refresh_token)
    assert again.refresh_token != lost.refresh_token
    await gate.renew(again.refresh_token)
    # Its successor has been used by now: whoever has this one is not the phone.
    with pytest.raises(NotAuthenticated, match="used before"):
        await gate.renew(tokens.refresh_token)
    with pytest.raises(NotAuthenticated):
        await gate.renew(lost.refresh_token)


async def test_a_revoked_key_is_out_even_where_that_cannot_be_stored_and_can_be_revoked_again(
    gate: auth.Gate, vault: Any, clock: StepClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    row, key = auth.new_key(name="", role="admin", now_ms=clock.now_ms())
    await gate.add(row)

    async def refuse(_: Any) -> None:
        raise StoreRefused(reason="disk full")

    with monkeypatch.context() as patch:
        patch.setattr(vault, "put_key", refuse)
        with pytest.raises(StoreRefused):
            await gate.revoke(row.id)
    with pytest.raises(NotAuthenticated, match="revoked"):
        gate.bearer(key)
    assert vault.rows[row.id].revoked_ms is None
    await gate.revoke(row.id)
    assert vault.rows[row.id].revoked_ms is not None


async def test_a_refresh_token_ends_after_its_days(gate: auth.Gate, clock: StepClock) -> None:
    tokens = await gate.admit("dev_1", "vis_1")
    clock.set(clock.now_ms() + 90 * DAY_MS)
    with pytest.raises(NotAuthenticated, match="expired"):
        await gate.renew(tokens.refresh_token)


async def test_a_session_reaches_as_far_as_its_key_does_now(
    gate: auth.Gate, clock: StepClock
) -> None:
    row, key = auth.new_key(name="", role="viewer", now_ms=clock.now_ms())
    await gate.add(row)
    cookie = gate.open_session(gate.bearer(key))
    gate.session(cookie).needs("live:read")
    with pytest.raises(NotAuthenticated):
        gate.bearer(cookie)
    await gate.revoke(row.id)
    with pytest.raises(NotAuthenticated, match="revoked"):
        gate.session(cookie)


def test_nobody_is_asked_to_authenticate_and_somebody_is_told_no() -> None:
    with pytest.raises(NotAuthenticated):
        auth.ANONYMOUS.needs("content:read")
    with pytest.raises(NotAllowed):
        auth.Caller(kind="device", id="dev_1").needs("content:read")
