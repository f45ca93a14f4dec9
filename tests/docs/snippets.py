"""The fenced blocks of a Markdown page, and what they are marked as.

The first word after the fence is the language, the second says what the tests do with the block:
`sh run` is run, in order, in one shell; `sh server` is the command that runs beside them;
`text seen` is what the block before it prints (… stands for anything, lines in between may be left
out); `json <kind>` must decode as that kind. Other blocks are for reading.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(r"^```(\S*)(?: ([^\n]*))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LEFT_OUT = "…"


class Block(NamedTuple):
    """One fenced block; `line` is that of its fence."""

    language: str
    mark: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    source = page.read_text(encoding="utf-8")
    return [
        Block(m[1], (m[2] or "").strip(), m[3], source.count("\n", 0, m.start()) + 1)
        for m in _BLOCK.finditer(source)
    ]


def missing(expected: str, printed: str) -> str:
    """The first line of `expected` that `printed` has not, in order; empty if it has them all."""
    lines = [_squeezed(line) for line in printed.splitlines()]
    at = 0
    for wanted in expected.splitlines():
        parts = [re.escape(part) for part in _squeezed(wanted).split(_LEFT_OUT)]
        pattern = re.compile(".*".join(parts))
        while at < len(lines) and not pattern.fullmatch(lines[at]):
            at += 1
        if at == len(lines):
            return wanted
        at += 1
    return ""


def _squeezed(line: str) -> str:
    """A line without its padding, and without the no-break spaces of good typography."""
    return " ".join(line.split())
