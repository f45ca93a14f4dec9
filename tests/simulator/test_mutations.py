"""Each planted fault is found by the simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulator.mutations import ALL
from tests.simulator.run import simulate

# The first seed that finds it, where that is not the first of all. After a change of the product
# or of the simulator another may; up to LAST are tried.
FIRST = {
    "a_frozen_state_goes_on_moving": 2,
    "the_position_is_not_in_the_transaction": 2,
    "the_erased_stay_where_they_were": 2,
    "who_was_in_a_removed_zone_never_leaves": 4,
    "crowds_are_read_between_ticks": 2,
    "caps_are_not_reserved": 2,
    "what_was_sent_is_given_back_to_the_caps": 2,
    "old_fixes_push": 3,
    "what_is_in_doubt_is_always_sent_again": 2,
    "nothing_is_checked_again_before_a_send": 2,
}
LAST = 12


@pytest.mark.parametrize("name", ALL)
async def test_a_planted_fault_is_found(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = FIRST.get(name, 1)
    for seed in dict.fromkeys((first, *range(1, LAST + 1))):
        folder = tmp_path / str(seed)
        folder.mkdir()
        with monkeypatch.context() as patch:
            ALL[name](patch)
            found = await simulate(seed, folder)
        if found.judge.wrongs:
            return
    pytest.fail(f"{name} went unnoticed in seeds up to {LAST}")


def test_there_are_faults_enough() -> None:
    assert len(ALL) >= 15
