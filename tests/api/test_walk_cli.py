"""`balise walk`: a device along a route, against a server that runs."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cli.walk import read_line, steps
from api.errors import Refused
from api.server import Server
from engine.records import Consent, Device
from geofence.geodesy import distance_m
from tests.api.conftest import CAMPAIGN, ZONE
from tests.api.test_cli import command, run, server, write

__all__ = ["server"]
POINTS = ((6.127, 45.9), (6.13, 45.9))


def gpx(path: Path, *points: tuple[float, float]) -> str:
    inner = "".join(f'<trkpt lat="{lat}" lon="{lon}"/>' for lon, lat in points)
    path.write_text(f'<gpx version="1.1"><trk><trkseg>{inner}</trkseg></trk></gpx>', "utf-8")
    return str(path)


async def walker(server: Server, **consents: bool) -> None:
    motor = server.service.motor
    await motor.submit(Device(device="dev_w", visitor="vis_w", platform="ios", languages=("en",)))
    await motor.submit(Consent(visitor="vis_w", purposes=consents, at_ms=1))  # type: ignore[arg-type]


async def test_a_device_walks_into_a_zone_and_what_is_decided_is_shown(
    server: Server, tmp_path: Path
) -> None:
    await walker(server, location=True, push=True)
    await command(server, "import", "zones", write(tmp_path / "z.json", [ZONE]))
    plain = {"quiet_hours": None, "arbitrate": False}
    campaign = CAMPAIGN | {"restraint": plain, "status": "live"}
    await command(server, "campaign", "add", write(tmp_path / "c.json", campaign))
    done = await command(
        server, "walk", gpx(tmp_path / "r.gpx", *POINTS), "--device", "dev_w", "--speed", "50",
        "--every", "0.5",
    )  # fmt: skip
    assert "  paddle  lake\n" in done.stdout
    assert "233 m in" in done.stdout
    assert "9 pings, 1 decisions" in done.stdout


async def test_a_walk_that_cannot_be_says_why(server: Server, tmp_path: Path) -> None:
    route = gpx(tmp_path / "r.gpx", *POINTS)
    with pytest.raises(Refused, match="there is no device"):
        await command(server, "walk", route, "--device", "dev_none")
    await walker(server, push=True)
    with pytest.raises(Refused, match="has not consented to location"):
        await command(server, "walk", route, "--device", "dev_w")
    for file, why in ((gpx(tmp_path / "one.gpx", POINTS[0]), "no track or route"),
                      (write(tmp_path / "x.json", {}), "x.json"),
                      (str(tmp_path / "none.gpx"), "cannot be read")):  # fmt: skip
        with pytest.raises(Refused, match=why):
            await command(server, "walk", file, "--device", "dev_w")


def test_a_walk_wants_a_server_that_runs(tmp_path: Path) -> None:
    route = gpx(tmp_path / "r.gpx", *POINTS)
    with pytest.raises(Refused, match="nobody serves"):
        run("walk", route, "--device", "dev_w", "--data", str(tmp_path / "empty"))


def test_the_first_track_is_walked(tmp_path: Path) -> None:
    line: Any = read_line(Path(gpx(tmp_path / "r.gpx", *POINTS)))
    assert [tuple(point[:2]) for point in line] == list(POINTS)


@given(
    points=st.lists(
        st.tuples(st.floats(6.0, 6.01), st.floats(45.9, 45.91)), min_size=2, max_size=8
    ),
    step_m=st.floats(5, 500),
)
def test_steps_are_even_and_end_at_the_end(
    points: list[tuple[float, float]], step_m: float
) -> None:
    found = list(steps(points, step_m))
    assert (found[-1].lon, found[-1].lat) == points[-1]
    assert (found[0].lon, found[0].lat) == pytest.approx(points[0]) or len(found) == 1
    for a, b in itertools.pairwise(found):
        assert b.walked_m - a.walked_m <= step_m * 1.000001
        # A walker may turn back, but never leaps.
        assert distance_m(a.lon, a.lat, b.lon, b.lat) <= b.walked_m - a.walked_m + 0.01
