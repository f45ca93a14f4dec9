"""The page of figures says what the commands printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import campaigns, match, page, serve

KEPT = page.read()


def test_the_page_is_made_of_the_figures_that_are_kept() -> None:
    assert page.PAGE.read_text(encoding="utf-8") == page.markdown(KEPT), (
        "run `python -m benchmarks.page`"
    )


@pytest.mark.parametrize("name", ["match", "campaigns", "serve"])
@pytest.mark.parametrize("zones", [1_000, 10_000])
def test_figures_of_both_sizes_are_kept(name: str, zones: int) -> None:
    found = [each for each in KEPT if (each["benchmark"], each["zones"]) == (name, zones)]
    assert found
    for each in found:
        if each["seed"] == 7 and name == "campaigns":
            counts = tuple(each[key] for key in campaigns.KEYS)
            assert counts == campaigns.PUBLISHED[zones, 7]


def test_usual_options_are_those_of_the_commands() -> None:
    assert page.DEFAULTS["match"]["repeats"] == match.REPEATS
    assert page.DEFAULTS["match"]["batch"] == match.BATCH
    assert page.DEFAULTS["campaigns"]["batch"] == campaigns.BATCH
    assert page.DEFAULTS["serve"]["batch"] == serve.BATCH
    assert page.DEFAULTS["serve"]["connections"] == serve.CONNECTIONS


@pytest.mark.parametrize(
    ("changed", "command"),
    [
        ({}, "balise bench match --zones 10000 --json"),
        ({"hot": 0.8, "batch": 64}, "balise bench match --zones 10000 --hot 0.8 --batch 64 --json"),
    ],
)
def test_a_command_says_what_is_unusual(changed: dict[str, Any], command: str) -> None:
    figures = {"benchmark": "match", "zones": 10_000, **page.DEFAULTS["match"], **changed}
    assert page.command(figures) == command


@pytest.mark.parametrize(("load", "said"), [(0.1, False), (None, False), (3.2, True)])
def test_a_busy_machine_is_said_to_have_been_busy(load: float | None, said: bool) -> None:
    text = page.markdown([each | {"load_before": load} for each in KEPT])
    assert ("other work at the time" in text) is said


def test_measuring_keeps_what_a_command_prints(tmp_path: Path) -> None:
    small = ("match", "--zones", "20", "--visitors", "100", "--rounds", "2", "--repeats", "1")
    page.measure(tmp_path / "figures", {"small": small})
    (figures,) = page.read(tmp_path / "figures")
    assert page.command(figures) == "balise bench " + " ".join(
        ("match", "--zones", "20", "--visitors", "100", "--rounds", "2", "--repeats", "1", "--json")
    )
