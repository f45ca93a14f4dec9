from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from notifier import limits
from notifier.messages import Message, Text
from notifier.notifications import Notification, notification_id
from notifier.plan import Device, Home, Request, plan
from tests.notifier.samples import MINUTE_MS, NOW_MS

MESSAGE = Message(
    texts={
        "fr": Text(title="Au bord du lac", body="Dans {{ starts_in }}"),
        "de": Text(title="Am See", body="In {{ starts_in }}"),
        "en": Text(title="By the lake", body="In {{ starts_in }}"),
    }
)
HOME = Home(default_language="fr", time_zone="Europe/Paris")


def request(**changes: Any) -> Request:
    made = Request(
        decision_id="d1",
        campaign="paddle",
        visitor="v1",
        languages=("de",),
        push_consent=True,
        channels=("fcm",),
        decided_ms=NOW_MS,
        expires_ms=NOW_MS + 15 * MINUTE_MS,
        collapse_key="lake",
        variables={"starts_in_ms": 30 * MINUTE_MS},
    )
    return msgspec.structs.replace(made, **changes)


def device(number: int = 1, **changes: Any) -> Device:
    made = Device(id=f"phone-{number}", address=f"token-{number}", platform="android")
    return msgspec.structs.replace(made, **changes)


def test_each_device_is_told_in_its_language() -> None:
    devices = [device(1), device(2, languages=("en-GB",)), device(3, languages=("ja",))]
    made = plan(request(), MESSAGE, devices, HOME)
    assert [(each.device_id, each.lang, each.body) for each in made.notifications] == [
        ("phone-1", "de", "In 30 Minuten"),
        ("phone-2", "en", "In 30 minutes"),
        ("phone-3", "fr", "Dans 30 minutes"),
    ]
    assert made.skipped == ()


def test_what_the_decision_says_is_carried_over() -> None:
    (made,) = plan(request(in_doubt="drop", variant="b"), MESSAGE, [device()], HOME).notifications
    assert made.id == notification_id("d1", "phone-1", "fcm")
    assert (made.decision_id, made.campaign, made.visitor) == ("d1", "paddle", "v1")
    assert (made.created_ms, made.expires_ms) == (NOW_MS, NOW_MS + 15 * MINUTE_MS)
    assert (made.collapse_key, made.in_doubt, made.variant) == ("lake", "drop", "b")
    assert (made.address, made.platform, made.attempt) == ("token-1", "android", 0)


def test_without_consent_nobody_is_told() -> None:
    made = plan(request(push_consent=False, channels=()), MESSAGE, [device()], HOME)
    assert made.notifications == ()
    assert [each.reason for each in made.skipped] == ["no_consent"]


def test_what_is_over_is_not_told() -> None:
    made = plan(request(expires_ms=NOW_MS), MESSAGE, [device()], HOME)
    assert made.notifications == ()
    assert [each.reason for each in made.skipped] == ["expired"]


def test_the_inbox_and_the_log_address_the_visitor_once() -> None:
    made = plan(request(channels=()), MESSAGE, [device(1), device(2)], HOME).notifications
    assert [(each.channel, each.device_id) for each in made] == [
        ("fcm", "phone-1"),
        ("fcm", "phone-2"),
        ("inbox", "v1"),
        ("log", "v1"),
    ]
    assert made[2].address_kind == "visitor"
    assert made[2].lang == "de"


def test_retired_devices_and_shared_addresses_are_left_out() -> None:
    devices = [
        device(1, retired=True),
        device(2),
        device(3, address="token-2"),
        device(4, address=""),
        device(5, channel="webpush"),
    ]
    made = plan(request(), MESSAGE, devices, HOME)
    assert [each.device_id for each in made.notifications] == ["phone-2"]
    assert [(each.device_id, each.reason) for each in made.skipped] == [("phone-1", "retired")]


def test_a_channel_without_a_device_says_so() -> None:
    made = plan(request(channels=("fcm", "inbox")), MESSAGE, [], HOME)
    assert [each.channel for each in made.notifications] == ["inbox"]
    assert [(each.channel, each.reason) for each in made.skipped] == [("fcm", "no_device")]


def test_a_visitor_has_a_bounded_number_of_devices() -> None:
    devices = [device(number) for number in range(limits.DEVICES_PER_VISITOR_MAX + 2)]
    made = plan(request(), MESSAGE, devices, HOME)
    assert len(made.notifications) == limits.DEVICES_PER_VISITOR_MAX
    assert [each.reason for each in made.skipped] == ["too_many", "too_many"]


def test_a_message_with_a_hole_is_not_sent() -> None:
    made = plan(request(variables={}), MESSAGE, [device()], HOME)
    assert made.notifications == ()
    assert [each.reason for each in made.skipped] == ["render_failed"]
    assert "starts_in" in made.skipped[0].detail


@given(
    st.lists(st.integers(0, 6), max_size=8),
    st.lists(st.sampled_from(["fcm", "inbox", "log"]), max_size=4),
)
def test_planning_is_a_function_and_ids_are_unique(numbers: list[int], channels: list[str]) -> None:
    devices = [device(number) for number in numbers]
    asked = request(channels=tuple(channels))
    first, second = plan(asked, MESSAGE, devices, HOME), plan(asked, MESSAGE, devices, HOME)
    assert first == second
    ids = [each.id for each in first.notifications]
    assert len(set(ids)) == len(ids)
    assert {each.tag for each in first.notifications} <= {first.notifications[0].tag if ids else ""}
    encoded = msgspec.json.encode(first.notifications)
    assert msgspec.json.decode(encoded, type=tuple[Notification, ...]) == first.notifications


def test_other_decisions_devices_and_channels_have_other_ids() -> None:
    ids = {
        notification_id(decision, device_id, channel)
        for decision in ("a", "ab")
        for device_id in ("b", "")
        for channel in ("fcm", "inbox")
    }
    assert len(ids) == 8
