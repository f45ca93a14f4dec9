"""The benchmarks from the command line, at sizes that only show that they run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from api import cli
from api.errors import Refused


def bench(*words: str) -> str:
    """What a benchmark prints."""
    done = CliRunner().invoke(cli.app, ["bench", *words])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def figures(*words: str) -> Any:
    return json.loads(bench(*words, "--json"))


def test_match_prints_rates_counts_and_rivals() -> None:
    words = ("match", "--zones", "50", "--visitors", "200", "--rounds", "3", "--repeats", "1")
    found = figures(*words, "--batch", "64", "--hot", "0.5", "--seed", "3")
    assert {"pings_per_cpu_s", "enter", "exit"} <= set(found)
    assert (found["batch"], found["hot"], found["seed"]) == (64, 0.5, 3)
    for rival in ("shapely_strtree_bulk", "rtree_prepared"):
        assert found["rivals"][rival]["pings_per_cpu_s"] > 0
    assert "rtree_prepared" in bench(*words)


def test_campaigns_prints_the_oracles_keys_and_a_rate() -> None:
    found = figures("campaigns", "--zones", "20", "--seed", "3", "--batch", "64", "--repeats", "1")
    keys = {"enter", "exit", "dwell", "sent", "window", "cooldown", "cap", "pings_per_cpu_s"}
    assert keys <= set(found)
    assert (found["seed"], found["batch"]) == (3, 64)


def test_serve_prints_a_rate_end_to_end() -> None:
    words = ("--visitors", "40", "--rounds", "2", "--connections", "2", "--durability", "interval")
    found = figures("serve", "--zones", "20", *words)
    assert found["pings_per_s"] > 0
    assert found["durability"] == "interval"
    assert found["variants"] == {}


def test_what_cannot_be_measured_is_one_sentence() -> None:
    with pytest.raises(Refused, match="connections: must be from 1"):
        bench("serve", "--zones", "5", "--visitors", "3", "--connections", "4")
