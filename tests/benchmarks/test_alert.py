"""The alert benchmark tells everyone once, or shows no figure."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from api import cli
from benchmarks import alert
from benchmarks.errors import WorkloadInvalid


def test_everyone_is_told_once_and_the_figures_fit_together() -> None:
    result = CliRunner().invoke(cli.app, ["bench", "alert", "--devices", "40", "--json"])
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["devices"] == 40
    assert 0 < found["decided_s"] + found["stored_s"] <= 2 * found["leaves_s"]
    assert found["messages_per_cpu_s"] > 0
    assert {"cpu", "versions"} <= set(found["machine"])


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(WorkloadInvalid):
        alert.run(0)
    with pytest.raises(WorkloadInvalid):
        alert.run(200_000)
