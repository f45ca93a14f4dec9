"""The reference says what the code says; it is made here. BALISE_WRITE_DOCS=1 rewrites them."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import msgspec
import typer

from api import auth, openapi, problems
from api.app import routes
from api.auth import ROLES
from api.cli import app
from engine import records
from geofence import lifecycle
from geofence.lifecycle import COUNTED, Input, State
from rules import campaigns, decisions
from tests.docs.pages import (
    DOCS,
    fields_of,
    first_paragraph,
    held,
    held_part,
    notes,
    table,
)

REFERENCE = DOCS / "reference"
COLUMNS = 100

STATES = {
    State.OUTSIDE: "no visit; nothing is stored",
    State.ENTERING: "inside, and not yet for `confirm_s`",
    State.INSIDE: "a visit in progress",
    State.LEAVING: "beyond the exit margin, and not yet for `exit_confirm_s`; dwell timers stop",
    State.STALE: "a visit gone silent; it leaves the occupancy, dwell timers stop",
    State.STALE_LEAVING: "the same, silent while leaving",
}
INPUTS = {
    Input.INSIDE_FIX: "a fix strictly inside, accurate enough for the zone",
    Input.INSIDE_CONFIRMED: "the same, `confirm_s` or more after the first inside fix",
    Input.ROUGH_FIX: "a fix inside whose accuracy is worse than the zone's ceiling",
    Input.NEAR_FIX: "outside, within the exit margin",
    Input.BEYOND_FIX: "outside, beyond the exit margin plus the fix's accuracy (at most 50 m)",
    Input.BEYOND_CONFIRMED: "the same, `exit_confirm_s` or more after the first such fix",
    Input.SILENT: "nothing heard for ten minutes",
    Input.LAPSED: "nothing heard for thirty minutes",
    Input.REMOVED: "the zone, or the visitor, was removed",
}


# -- the command line ------------------------------------------------------------------


def command_line() -> str:
    """docs/reference/cli.md."""
    lines = [
        "# The command line",
        "",
        "<!-- Made from api/cli by tests/docs/test_reference.py. -->",
        "",
        "Results go to stdout, everything said to the person at the terminal to stderr. Exit codes:"
        " 0 done,",
        "1 it could not be done (or some records were left out), 2 wrong usage. Commands that take"
        " `--data`",
        "talk HTTP to the process that holds the directory, and open it themselves only when nobody"
        " does;",
        "`--server` with `--key` reaches a server elsewhere.",
        "",
    ]
    for name, text in _helps(typer.main.get_command(app), "balise", None):
        lines += [f"## {name}", "", "```text", text, "```", ""]
    return "\n".join(lines)


def _helps(command: Any, name: str, parent: Any) -> list[tuple[str, str]]:
    context = command.context_class(
        command, info_name=name.split()[-1], parent=parent, terminal_width=COLUMNS
    )
    found = [(name, command.get_help(context).strip())]
    for key, each in getattr(command, "commands", {}).items():
        found += _helps(each, f"{name} {key}", context)
    return found


def test_the_page_on_the_command_line_is_its_help() -> None:
    held(REFERENCE / "cli.md", command_line())


# -- HTTP -------------------------------------------------------------------------------


def http() -> str:
    """docs/reference/http.md."""
    document = openapi.document(routes())
    by_tag: dict[str, list[tuple[str, ...]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            row = (
                f"`{method.upper()} {path}`",
                operation["summary"],
                _who(operation),
                _body(operation),
            )
            by_tag.setdefault(operation["tags"][0], []).append(row)
    lines = [
        "# HTTP routes",
        "",
        "<!-- Made from the OpenAPI document and api/auth.py by tests/docs/test_reference.py. -->",
        "",
        "A running server describes itself at `/v1/openapi.json` (OpenAPI 3.1), with the schema of "
        "every body.",
        "Credentials travel as `Authorization: Bearer <key or token>`. Every answer names its "
        "request in",
        "`X-Request-Id`; an error is `application/problem+json`.",
        "",
    ]
    for tag in sorted(by_tag):
        lines += [f"## {tag.capitalize()}", ""]
        lines += [table(("route", "does", "who may", "body"), by_tag[tag])]
    lines += ["## Roles of keys", "", _roles()]
    lines += ["## Problems", "", problems.markdown()]
    return "\n".join(lines)


def _who(operation: dict[str, Any]) -> str:
    said = operation.get("description", "").removesuffix(".")
    if said and not said.startswith("Scope: "):
        return str(said)
    scopes = said.removeprefix("Scope: ")
    parts = [f"`{scope}`" for scope in scopes.split(" or ") if scope]
    kinds = [kind for each in operation["security"] for kind in each]
    if "key" in kinds and not parts:
        parts.append("any key")
    if "device" in kinds:
        parts.append("a device")
    return " or ".join(parts) or "anyone"


def _body(operation: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    return ", ".join(f"`{kind}`" for kind in content)


def _roles() -> str:
    scopes = get_args(auth.Scope)
    rows = [
        (f"`{role}`", "everything" if set(scopes) == held_ else ", ".join(
            f"`{scope}`" for scope in scopes if scope in held_))
        for role, held_ in ROLES.items()
    ]  # fmt: skip
    return table(("role", "scopes"), rows)


def test_the_page_on_http_is_the_table_of_routes() -> None:
    held(REFERENCE / "http.md", http())


# -- campaigns ----------------------------------------------------------------------------


def campaign_page() -> str:
    """docs/reference/campaigns.md."""
    lines = [
        "# Campaigns, field by field",
        "",
        "<!-- Made from rules/campaigns.py by tests/docs/test_reference.py. -->",
        "",
        "The machine-readable form is [campaign.schema.json](campaign.schema.json) (JSON Schema).",
        "Times of day are `HH:MM` and dates `YYYY-MM-DD` in the destination's time zone. Unknown",
        "fields are refused. How to read and write a campaign: "
        "[the marketer's guide](../guides/marketer.md).",
        "",
        "## The campaign",
        "",
        _fields(campaigns.Campaign),
        "## Triggers",
        "",
        "What makes a campaign speak: `\"trigger\": {\"type\": \"enter\", …}`.",
        "",
        _union(campaigns.Trigger),
        "## Conditions",
        "",
        "Whether it applies: `\"condition\": {\"type\": \"all\", \"of\": […]}`. Each is true, false"
        " or",
        "unknown; `on_unknown` says what unknown does.",
        "",
        _union(campaigns.Condition),
        "## Restraint",
        "",
        first_paragraph(campaigns.Restraint.__doc__),
        "",
        _fields(campaigns.Restraint),
        "### Cap",
        "",
        first_paragraph(campaigns.Cap.__doc__),
        "",
        _fields(campaigns.Cap),
        "### QuietHours",
        "",
        first_paragraph(campaigns.QuietHours.__doc__),
        "",
        _fields(campaigns.QuietHours),
        "## The destination's own restraint",
        "",
        "Over all campaigns; these are the values in force.",
        "",
        _fields(campaigns.RestraintSettings),
        "## Experiments",
        "",
        first_paragraph(campaigns.Experiment.__doc__),
        "",
        _fields(campaigns.Experiment),
        "### Variant",
        "",
        first_paragraph(campaigns.Variant.__doc__),
        "",
        _fields(campaigns.Variant),
    ]  # fmt: skip
    return "\n".join(lines)


def _fields(kind: type[msgspec.Struct]) -> str:
    said = notes(kind)
    rows = [
        (f"`{name}`", type_, default, said.get(name, ""))
        for name, type_, default in fields_of(kind)
    ]
    return table(("field", "type", "default", "meaning"), rows)


def _union(union: Any) -> str:
    rows = []
    for kind in get_args(union):
        given = [
            f"`{name}`: {type_}" + (f", default {default}" if default.startswith("`") else "")
            + (", needed" if default == "needed" else "")
            for name, type_, default in fields_of(kind)
        ]  # fmt: skip
        tag = kind.__struct_config__.tag
        rows.append((f"`{tag}`", first_paragraph(kind.__doc__), "; ".join(given)))
    return table(("type", "meaning", "fields"), rows)


def test_the_page_on_campaigns_is_their_declaration() -> None:
    held(REFERENCE / "campaigns.md", campaign_page())


def test_the_published_schema_is_the_one_that_decodes() -> None:
    schema = json.dumps(campaigns.schema(), indent=2, ensure_ascii=False) + "\n"
    held(REFERENCE / "campaign.schema.json", schema)


def test_every_trigger_of_the_schema_is_one_that_decides() -> None:
    tags = {kind.__struct_config__.tag for kind in get_args(campaigns.Trigger)}
    assert tags == set(decisions.TRIGGER_KINDS)


# -- the log ------------------------------------------------------------------------------


def record_kinds() -> str:
    """The part of docs/architecture.md on what enters."""
    rows = []
    for kind in get_args(records.Entry):
        names = ", ".join(f"`{field.name}`" for field in msgspec.structs.fields(kind))
        tag = str(kind.__struct_config__.tag)
        rows.append((tag, f"`{kind.__name__}`", first_paragraph(kind.__doc__), names))
    return "\n" + table(("kind", "entry", "what it is", "fields"), rows) + "\n"


def test_the_architecture_names_every_record_kind() -> None:
    held_part(DOCS / "architecture.md", "record kinds", record_kinds())


# -- visits -------------------------------------------------------------------------------


def visits() -> str:
    """docs/reference/visits.md."""
    states = [
        (f"`{state.name}`", STATES[state], "yes" if state in COUNTED else "no") for state in State
    ]
    inputs = [(f"`{each.name.lower()}`", INPUTS[each]) for each in Input]
    return f"""\
# The life of a visit

<!-- Made from the table of geofence/lifecycle.py by tests/docs/test_reference.py. -->

One visitor in one zone. `ENTER` and `EXIT` are what is reported; the arrows are the whole rule.
What becomes of a message afterwards is [the life of a notification](delivery.md).

{table(("state", "meaning", "counts as inside"), states)}
{table(("what happens", "meaning"), inputs)}
```mermaid
{lifecycle.mermaid().rstrip()}
```
"""


def test_the_life_of_a_visit_is_drawn_from_its_table() -> None:
    assert STATES.keys() == set(State)
    assert INPUTS.keys() == set(Input)
    held(REFERENCE / "visits.md", visits())


def test_every_page_of_the_reference_says_where_it_comes_from() -> None:
    for page in sorted(REFERENCE.glob("*.md")):
        assert re.search(r"[Mm]ade\s+(from|by)", page.read_text(encoding="utf-8")), page.name
