"""What a campaign is refused for when it is saved."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from api.resources import campaign_faults
from engine.catalogue import CatalogueBook
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
