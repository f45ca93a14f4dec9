"""What a campaign is refused for when it is saved."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from api.resources import CHANNELS, campaign_faults
from engine.catalogue import CatalogueBook
from notifier.channels.fcm import FcmChannel
from notifier.channels.inbox import InboxChannel
from notifier.channels.log import LogChannel
from notifier.channels.webhook import WebhookChannel
from notifier.channels.webpush import WebPushChannel
from rules.campaigns import Campaign
from tests.engine.worlds import campaign


@pytest.mark.parametrize(
    ("condition", "field"),
    [
        ({"type": "first_visit"}, "condition"),
        ({"type": "not", "of": {"type": "first_visit"}}, "condition.of"),
        (
            {
                "type": "all",
                "of": [{"type": "weekly"}, {"type": "visited", "zones": ["z"], "within_s": 60}],
            },
            "condition.of[1]",
        ),
    ],
)
def test_a_condition_that_nobody_can_answer_is_refused(
    condition: dict[str, Any], field: str
) -> None:
    body = campaign("c", {"type": "enter", "zones": ["lake"]}, condition=condition)
    faults = campaign_faults(msgspec.convert(body, Campaign), CatalogueBook(), live=False)
    assert [fault.field for fault in faults] == [field]


def test_the_channels_that_a_campaign_may_name_are_those_that_there_are() -> None:
    kinds = (FcmChannel, InboxChannel, LogChannel, WebhookChannel, WebPushChannel)
    assert {kind.name for kind in kinds} == CHANNELS
    body = campaign("c", {"type": "enter", "zones": ["lake"]}, channels=["inbox", "sms"])
    faults = campaign_faults(msgspec.convert(body, Campaign), CatalogueBook(), live=False)
    assert [fault.field for fault in faults] == ["channels[1]"]
