"""What guides state is so: examples decode, names exist, links lead somewhere, tables are whole."""

from __future__ import annotations

import importlib
import json
import re
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest
import typer

from api import decode, settings
from api.cli import app
from api.figures import HttpFigures
from content import annecy
from engine.figures import Figures
from notifier import messages, variables
from notifier.messages import Message
from notifier.variables import PATHS
from rules import campaigns, checks
from rules.campaigns import Cap, QuietHours, RestraintSettings
from rules.decisions import Reason
from tests.docs.pages import DOCS, ROOT, held_part, table
from tests.docs.snippets import Block, blocks

GUIDES = DOCS / "guides"
WRITTEN = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", DOCS / "architecture.md", *GUIDES.glob("*.md")]
)
CURRENT = sorted([*WRITTEN, *DOCS.glob("reference/*.md")])
ALL = sorted([*CURRENT, *DOCS.glob("adr/*.md")])  # a decision record tells of its day
ROOMS = ("geofence", "rules", "notifier", "content", "engine", "benchmarks", "api")
MARKS = {
    ("sh", ""), ("sh", "run"), ("sh", "server"), ("text", ""), ("text", "seen"), ("mermaid", ""),
    ("json", "campaign"), ("json", "condition"), ("json", "restraint"), ("json", "message"),
    ("json", "pings"), ("toml", "settings"), ("ini", ""), ("nginx", ""),
}  # fmt: skip

REASONS = {
    Reason.SENT: "it went to the dispatcher",
    Reason.TIMEOUT: "the visit ended in silence: where the visitor is now, nobody knows",
    Reason.BACKLOG: "the movement was history, sent late by the phone",
    Reason.EDITED_ZONE: "the visitor entered because the zone was edited; `allow_edit_entries`",
    Reason.STALE_FIX: "the movement is more than five minutes old",
    Reason.OPENED_INSIDE: "the visitor was inside when the campaign went live; `on_open_if_inside`",
    Reason.CONSENT: "no consent to location or to messages",
    Reason.WINDOW: "a condition on the clock alone does not hold: date, season, weekday, sun",
    Reason.CONDITION: "another condition does not hold; the trace shows which, and what it saw",
    Reason.UNKNOWN: "a condition that nobody could evaluate; `on_unknown`",
    Reason.CROWDED: "the zone, or the event's, is very busy or full; `into_crowded`",
    Reason.EXPIRED: "too late: the event has begun, or the time to live is over",
    Reason.COOLDOWN: "this campaign spoke to the visitor a while ago; `cooldown_s`",
    Reason.COOLDOWN_ZONE: "the visitor was told something about this zone; `zone_cooldown_s`",
    Reason.CAP_VISITOR: "this campaign's cap for one visitor is used up; `per_visitor`",
    Reason.CAP_TAG: "the cap of campaigns with this tag is used up",
    Reason.CAP_GLOBAL: "the visitor has had the destination's three promotions of 24 hours",
    Reason.CAP_TOTAL: "the campaign has sent all it may; `total`",
    Reason.QUIET_HOURS: "it is night; `quiet_hours`",
    Reason.LEFT: "kept for the end of quiet hours, and the visitor had gone",
    Reason.EVENT_CHANGED: "kept or waiting, and meanwhile the event was cancelled, moved or full",
    Reason.NOT_LIVE: "kept or waiting, and meanwhile the campaign was stopped",
    Reason.LOST_ARBITRATION: "another campaign spoke to the visitor at that moment; `priority`",
    Reason.HOLDOUT: "the visitor is in a control group, which is told nothing on purpose",
}


def marked(page: Path, language: str, mark: str) -> list[Block]:
    return [b for b in blocks(page) if (b.language, b.mark) == (language, mark)]


def everywhere(language: str, mark: str) -> list[Any]:
    found = [(page, block) for page in WRITTEN for block in marked(page, language, mark)]
    assert found, f"no page has a block `{language} {mark}`: drop it from MARKS"
    return [pytest.param(block, id=f"{page.name}:{block.line}") for page, block in found]


# -- examples -----------------------------------------------------------------------------


def test_every_block_says_what_it_is() -> None:
    for page in ALL:
        for block in blocks(page):
            assert (block.language, block.mark) in MARKS, f"{page.name}:{block.line}"


@pytest.mark.parametrize("block", everywhere("json", "campaign"))
def test_a_campaign_that_is_shown_could_be_launched(block: Block) -> None:
    shown = campaigns.decode(block.text)
    assert checks.problems(shown) == ()
    assert messages.check(msgspec.convert(shown.message, Message), None, "en") == ()


@pytest.mark.parametrize("block", everywhere("json", "condition"))
def test_a_condition_that_is_shown_could_be_asked(block: Block) -> None:
    condition = msgspec.json.decode(block.text, type=campaigns.Condition)
    assert checks.problems(_campaign(condition=condition)) == ()


@pytest.mark.parametrize("block", everywhere("json", "restraint"))
def test_a_restraint_that_is_shown_could_be_kept(block: Block) -> None:
    restraint = msgspec.json.decode(block.text, type=campaigns.Restraint)
    assert checks.problems(_campaign(restraint=restraint)) == ()


@pytest.mark.parametrize("block", everywhere("json", "message"))
def test_a_message_that_is_shown_could_be_sent(block: Block) -> None:
    assert messages.check(msgspec.json.decode(block.text, type=Message), None, "en") == ()


@pytest.mark.parametrize("block", everywhere("json", "pings"))
def test_pings_that_are_shown_are_good(block: Block) -> None:
    batch = decode.pings(block.text.encode(), decode.JSON, owner="vis_1")
    assert batch.size > 0
    assert batch.faults == []


@pytest.mark.parametrize("block", everywhere("toml", "settings"))
def test_settings_that_are_shown_are_settings(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "balise.toml"
    file.write_text(block.text, encoding="utf-8")
    shown = settings.load(config=file, env={})
    for name in tomllib.loads(block.text):
        assert getattr(shown, name) != getattr(settings.Settings(), name) or name == "durability"


def _campaign(**fields: Any) -> campaigns.Campaign:
    return campaigns.Campaign(
        id="shown",
        name="Shown",
        kind="promotion",
        trigger=campaigns.Enter(zones=("zone",)),
        message={},
        **fields,
    )


def test_every_command_that_is_shown_exists_with_its_options() -> None:
    for page in ALL:
        for block in blocks(page):
            if block.language == "sh":
                for line in re.findall(
                    r"(?:^|[$(|] ?)balise ([^|)#\n]*)", block.text, re.MULTILINE
                ):
                    _known_command(line.split(), f"{page.name}:{block.line}: balise {line}")


def _known_command(words: list[str], where: str) -> None:
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        assert words[:1] != [], where
        assert words[0] in command.commands, where
        command, words = command.commands[words[0]], words[1:]
    options = {name for parameter in command.params for name in parameter.opts}
    for word in words:
        if word.startswith("--"):
            assert word.split("=")[0] in options, f"{where}: {word}"


# -- names and links ------------------------------------------------------------------------


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: page.name)
def test_every_name_of_code_that_is_mentioned_exists(page: Path) -> None:
    source = page.read_text(encoding="utf-8")
    for name in set(re.findall(rf"`((?:{'|'.join(ROOMS)})\.[A-Za-z_.]+\w)`", source)):
        if name.rsplit(".", 1)[1] in ("py", "json", "geojson"):
            continue
        assert _found(name.split(".")), f"{page.name}: there is no {name}"
    for path in set(re.findall(rf"`((?:{'|'.join(ROOMS)}|tests|docs|web)/[\w./-]*)`", source)):
        if not path.startswith("api/static"):  # made by the build
            assert (ROOT / path).exists(), f"{page.name}: there is no {path}"


def _found(parts: list[str]) -> bool:
    for cut in range(len(parts), 0, -1):
        try:
            here: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[cut:]:
            if not hasattr(here, attribute):
                return False
            here = getattr(here, attribute)
        return True
    return False


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    source = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    links = re.findall(r"\]\(([^)\s]+)\)", source) + re.findall(r'src="([^"]+)"', source)
    for link in links:
        if link.startswith(("http://", "https://")):
            continue
        target, _, anchor = unquote(link).partition("#")
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{page.name}: {link} leads nowhere"
        if anchor:
            assert anchor in _anchors(file), f"{page.name}: {link}: no such heading"


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


# -- tables and figures -----------------------------------------------------------------------


def test_the_guide_explains_every_reason() -> None:
    assert REASONS.keys() == set(Reason)
    rows = [(f"`{reason.value}`", REASONS[reason]) for reason in Reason]
    part = "\n" + table(("reason", "meaning, and the field that changes it"), rows) + "\n"
    held_part(GUIDES / "marketer.md", "reasons", part)


def test_the_guide_explains_every_metric() -> None:
    motor: Any = SimpleNamespace(figures=Figures(), pipeline=SimpleNamespace(visitors=[]))
    figures = HttpFigures(motor)
    rows = []
    for family in figures.registry.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        rows.append((f"`{name}`", family.type, family.documentation))
    part = "\n" + table(("figure", "type", "what it counts"), sorted(rows)) + "\n"
    held_part(GUIDES / "operator.md", "metrics", part)


def test_the_guide_explains_the_campaigns_of_the_demonstration() -> None:
    page = (GUIDES / "marketer.md").read_text(encoding="utf-8")
    part = page.partition("## The eight campaigns")[2].partition("\n## ")[0]
    shown = re.findall(r"^\| `([\w-]+)` \|", part, re.MULTILINE)
    assert shown == [campaign["id"] for campaign in json.loads(annecy.load().campaigns)]


def test_the_restraint_that_the_guide_tells_is_in_force() -> None:
    told = RestraintSettings(
        global_cap=Cap(count=3, period_s=86_400),
        per_visitor=Cap(count=1, period_s=86_400),
        quiet_hours=QuietHours(start="21:00", end="08:00", rule="drop"),
        push_max_fix_age_s=300,
        arbitration_window_ms=3_000,
    )
    assert told == RestraintSettings()


def test_the_variables_that_the_guide_tells_exist() -> None:
    page = (GUIDES / "marketer.md").read_text(encoding="utf-8")
    part = page.partition("## The message")[2].partition("\n## ")[0]
    rows = [line for line in part.splitlines() if line.startswith("| `")]
    for name in re.findall(r"`([a-z_.]+)`", " ".join(row.split("|")[1] for row in rows)):
        assert name in PATHS or f"event.{name}" in PATHS, name
    assert variables.sample()
