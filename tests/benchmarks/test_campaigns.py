"""The whole engine makes the published decisions of the campaign workload, in any batches."""

from __future__ import annotations

import importlib.util
import io
import json
import sys
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import campaigns
from benchmarks.errors import WorkloadInvalid


@pytest.mark.parametrize(("zones", "batch"), [(1_000, 7), (1_000, 10_000), (10_000, 10_000)])
def test_every_decision_is_the_published_one(zones: int, batch: int) -> None:
    result = campaigns.run(zones, batch=batch, repeats=1)
    found = tuple(result[key] for key in campaigns.KEYS)
    assert found == campaigns.PUBLISHED[zones, 7]
    assert result["published"] == "equal"
    assert result["pings_per_cpu_s"] > result["pings_per_cpu_s_full"] > 0
    assert result["ticks"] == 1_200
    assert json.loads(json.dumps(result)) == result


@pytest.mark.real_data
def test_other_seeds_agree_with_the_oracle(
    bench_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(bench_dir))
    spec = importlib.util.spec_from_file_location("campaigns_oracle", bench_dir / "campaigns.py")
    assert spec is not None
    assert spec.loader is not None
    published = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(published)
    monkeypatch.delitem(sys.modules, "workload")
    expected = published.oracle(200, 11)
    result = campaigns.run(200, seed=11, repeats=1)
    found = {key: result[key] for key in campaigns.KEYS}
    assert found == pytest.approx(expected, rel=2e-4)
    assert "no counts" in result["published"]


def test_the_table_shows_rates_counts_and_the_machine() -> None:
    result = campaigns.run(50, repeats=2, progress=True)
    out = io.StringIO()
    campaigns.render(result, Console(file=out, width=160))
    shown = out.getvalue()
    assert f"{result['pings_per_cpu_s']:,}" in shown
    assert f"{result['sent']:,} sent" in shown
    assert "50 zones" in shown


@pytest.mark.parametrize("option", ["zones", "batch", "repeats"])
def test_options_that_cannot_be_are_refused(option: str) -> None:
    with pytest.raises(WorkloadInvalid) as caught:
        campaigns.run(**{"zones": 5, option: 0})
    assert caught.value.field == option
