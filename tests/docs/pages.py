"""Generated pages: what the code says, as Markdown. BALISE_WRITE_DOCS=1 rewrites them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, get_args

import msgspec

from rules import campaigns

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
UNIONS = {campaigns.Trigger: "a trigger", campaigns.Condition: "a condition"}


def held(path: Path, page: str) -> None:
    """Assert that a whole file is `page`."""
    if os.environ.get("BALISE_WRITE_DOCS"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    assert path.exists(), f"{path.name} is missing: BALISE_WRITE_DOCS=1 writes it"
    assert path.read_text(encoding="utf-8") == page, f"{path.name}: BALISE_WRITE_DOCS=1 rewrites it"


def held_part(path: Path, name: str, part: str) -> None:
    """Assert that the part of a page between its `<!-- name -->` marks is `part`."""
    begin, end = f"<!-- {name}: made by a test -->\n", f"<!-- /{name} -->"
    page = path.read_text(encoding="utf-8")
    assert page.count(begin) == 1, f"{path.name} lacks the mark {begin.strip()}"
    assert page.count(end) == 1, f"{path.name} lacks the mark {end}"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    held(path, f"{before}{begin}{part}{end}{after}")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def first_paragraph(docstring: str | None) -> str:
    """What a docstring says first, on one line."""
    assert docstring, "a docstring is missing"
    return " ".join(docstring.strip().split("\n\n")[0].split())


def notes(kind: type) -> dict[str, str]:
    """What a struct's docstring says of its fields: `field: text.`, or `a, b: text.` of both."""
    known = "|".join(field.name for field in msgspec.structs.fields(kind))
    text = " ".join("\n\n".join((kind.__doc__ or "").split("\n\n")[1:]).split())
    marks = list(re.finditer(rf"(?:^|(?<=\. ))((?:{known})(?:, (?:{known}))*): ", text))
    found: dict[str, str] = {}
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    for mark, end in zip(marks, ends if marks else (), strict=True):
        said = text[mark.end() : end].strip()
        found |= dict.fromkeys(mark[1].split(", "), said)
    return found


def fields_of(kind: type[msgspec.Struct], *, but: Sequence[str] = ()) -> list[tuple[str, str, str]]:
    """(name, type, default) of each field, the type by its JSON Schema."""
    definitions = msgspec.json.schema_components([kind], schema_hook=_anything)[1]
    properties = definitions[kind.__name__]["properties"]
    rows = []
    for field in msgspec.structs.fields(kind):
        if field.name in but:
            continue
        rows.append((field.name, shape(properties[field.name]), _default(field)))
    return rows


def _anything(kind: type) -> dict[str, Any]:
    if kind is object:
        return {}
    raise NotImplementedError(kind)


def _default(field: Any) -> str:
    if field.required:
        return "needed"
    if field.default_factory is not msgspec.NODEFAULT:
        value: Any = field.default_factory()
    else:
        value = field.default
    return "" if value is msgspec.UNSET else f"`{msgspec.json.encode(value).decode()}`"


def shape(schema: dict[str, Any]) -> str:
    """A JSON Schema in a few words."""
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[1]
    if "anyOf" in schema:
        names = {each["$ref"].rsplit("/", 1)[1] for each in schema["anyOf"] if "$ref" in each}
        for union, word in UNIONS.items():
            if names >= {kind.__name__ for kind in get_args(union)}:
                return word
        return " or ".join(dict.fromkeys(shape(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "any JSON")
    if kind == "array":
        return f"list of {shape(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {shape(schema['additionalProperties'])}"
    if kind == "string" and "format" in schema:
        return str(schema["format"])
    bounds = [f"{sign} {schema[key]:,}" for key, sign in SIGNS.items() if key in schema]
    return " ".join([str(kind), *bounds])
