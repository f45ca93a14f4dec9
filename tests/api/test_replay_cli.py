"""Recorded traces through the command line: what comes out, and what is said of bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api import cli
from api.errors import ApiError, Refused

CIRCLE = {"type": "Point", "coordinates": [2.186029, 41.388141]}
BOWTIE = [[[2.0, 41.0], [2.1, 41.1], [2.1, 41.0], [2.0, 41.1], [2.0, 41.0]]]
TRACES = "visitor,ts,lat,lon\na,0,41.388141,2.186029\na,60,41.5,2.2\nb,60,41.388141,2.186029\n"


def run(*words: str) -> Result:
    """Run the command in this process; what `main` would print as an error is raised."""
    result = CliRunner().invoke(cli.app, ["replay", *words])
    if isinstance(result.exception, ApiError):
        raise result.exception
    return result


def write(path: Path, value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    path.write_text(text, encoding="utf-8")
    return str(path)


def feature(zone_id: str = "circle", **given: Any) -> dict[str, Any]:
    properties = {"name": zone_id, "radius_m": 75} | given
    return {"type": "Feature", "id": zone_id, "geometry": CIRCLE, "properties": properties}


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({"exit_margin_m": 0}, (72, 72, 32)),
        ({"exit_margin_m": 25}, (63, 59, 32)),
        ({"exit_margin_m": 25, "confirm_s": 30}, (35, 31, 30)),
    ],
)
def test_real_traces_replay_to_their_published_visits(
    data_dir: Path, tmp_path: Path, properties: dict[str, float], expected: tuple[int, int, int]
) -> None:
    traces = data_dir / "barcelona" / "traces_beepath2016_ciutadella.csv"
    zones = write(tmp_path / "z.geojson", feature(**properties))
    counted = json.loads(run(str(traces), "--zones", zones, "--json").stdout)
    assert (counted["enter"], counted["exit"], counted["visitors"]) == expected


@pytest.mark.real_data
def test_zones_of_several_files_are_kept_apart(data_dir: Path) -> None:
    folder = data_dir / "barcelona"
    words = [str(folder / "traces_beepath2016_ciutadella.csv"), "--exit-margin-m", "0", "--json"]
    for name in ("zones_neighbourhood", "zones_area_of_interest"):
        words += ["--zones", str(folder / f"{name}.geojson")]
    counted = json.loads(run(*words).stdout)
    assert len(counted["zones"]) == 75
    assert counted["zones"]["zones-neighbourhood:04"]["visitors"] == 103
    assert counted["enter"] == sum(zone["enter"] for zone in counted["zones"].values()) == 134


def test_files_of_one_name_are_numbered(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    traces = write(tmp_path / "t.csv", TRACES)
    first = write(tmp_path / "z.geojson", feature())
    second = write(tmp_path / "other" / "z.geojson", feature())
    counted = json.loads(run(traces, "--zones", first, "--zones", second, "--json").stdout)
    assert set(counted["zones"]) == {"z:circle", "z2:circle"}


def test_dwells_and_margins_are_read_and_the_option_only_fills_in(tmp_path: Path) -> None:
    traces = write(tmp_path / "t.csv", TRACES)
    zones = {
        "type": "FeatureCollection",
        "features": [feature("own", exit_margin_m=0, dwell_s=30), feature("none")],
    }
    words = [traces, "--zones", write(tmp_path / "z.geojson", zones), "--json"]
    counted = json.loads(run(*words, "--exit-margin-m", "100000").stdout)
    assert counted["zones"]["own"] | {"cross": 0} == {
        "enter": 2, "exit": 1, "dwell": 1, "cross": 0, "visitors": 2
    }  # fmt: skip
    assert counted["zones"]["none"]["exit"] == 0


def test_people_get_a_table_and_hear_of_rows_left_out(tmp_path: Path) -> None:
    traces = write(tmp_path / "t.csv", TRACES + "c,x,41,2\n")
    done = run(traces, "--zones", write(tmp_path / "z.geojson", feature()))
    assert done.exit_code == 0
    assert "circle" in done.stdout
    assert "3 fixes of 2 visitors, 0 of them duplicates; 1 rows left out" in done.stdout
    assert "line 5 time" in done.stderr


def test_every_bad_zone_is_named_and_stops_the_replay_unless_mended(tmp_path: Path) -> None:
    bowtie = {"type": "Polygon", "coordinates": BOWTIE}
    features = [
        feature("good"),
        {"type": "Feature", "id": "bow", "geometry": bowtie, "properties": {"name": "Bow"}},
        {"type": "Feature", "id": "void", "geometry": None, "properties": {}},
    ]
    document = {"type": "FeatureCollection", "features": features}
    traces = write(tmp_path / "t.csv", TRACES)
    command = [sys.executable, "-m", "api", "replay", traces, "--zones"]
    both = subprocess.run(
        [*command, write(tmp_path / "z.geojson", document)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (both.returncode, both.stdout) == (1, "")
    assert "feature 1 (bow) geometry" in both.stderr
    assert "feature 2 (void) geometry" in both.stderr
    assert both.stderr.endswith(
        "balise: 2 of 3 zones cannot be used; --repair mends what can be mended\n"
    )
    zones = write(tmp_path / "z.geojson", {**document, "features": features[:2]})
    mended = run(traces, "--zones", zones, "--repair", "--json")
    assert set(json.loads(mended.stdout)["zones"]) == {"good", "bow"}
    assert "feature 1 (bow)" in mended.stderr


def test_files_that_cannot_be_read_are_refused_by_name(tmp_path: Path) -> None:
    zones = write(tmp_path / "z.geojson", feature())
    with pytest.raises(Refused, match=r"none\.csv cannot be read"):
        run(str(tmp_path / "none.csv"), "--zones", zones)
    with pytest.raises(Refused, match=r"t\.csv has no column for the time"):
        run(write(tmp_path / "t.csv", "visitor,lat,lon\n"), "--zones", zones)
    with pytest.raises(Refused, match=r"b\.geojson .*is not JSON"):
        run("t.csv", "--zones", write(tmp_path / "b.geojson", "{"))


def test_more_zones_over_one_spot_than_the_index_lists_are_refused(tmp_path: Path) -> None:
    features = [feature(f"z{number}") for number in range(300)]
    zones = write(tmp_path / "z.geojson", {"type": "FeatureCollection", "features": features})
    with pytest.raises(Refused, match="zones"):
        run(write(tmp_path / "t.csv", TRACES), "--zones", zones)
