"""The size and shape of modules: what a linter does not ask."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("geofence", "rules", "notifier", "content", "engine", "benchmarks", "api")
FUNCTION_LINES_MAX = 70
"""A function fits a screen, its docstring and decorators included."""
MODULE_LINES_MAX = 700
"""About 600 is the point to ask whether a module says two things; here the answer is yes."""
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")

MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
WEB = sorted(path for end in ("*.ts", "*.tsx", "*.css") for path in (ROOT / "web/src").rglob(end))


def shown(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_there_is_code_to_look_at() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == set(ROOMS)
    assert TESTS
    assert WEB


def test_functions_fit_a_screen() -> None:
    long = []
    for path in (*MODULES, *TESTS):
        for node in functions(ast.parse(path.read_text(encoding="utf-8"))):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            lines = (node.end_lineno or first) - first + 1
            if lines > FUNCTION_LINES_MAX:
                long.append(f"{shown(path, first)}: {node.name} has {lines} lines")
    assert not long, "\n".join(long)


@pytest.mark.parametrize("files", [MODULES, WEB], ids=["python", "web"])
def test_modules_say_one_thing(files: list[Path]) -> None:
    long = []
    for path in files:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MODULE_LINES_MAX:
            long.append(f"{shown(path, lines)}: {lines} lines, at most {MODULE_LINES_MAX}")
    assert not long, "\n".join(long)


def test_every_module_says_what_it_is() -> None:
    silent = [
        shown(path, 1)
        for path in MODULES
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent, "\n".join(silent)


def test_what_is_public_says_what_it_does() -> None:
    """Public classes and functions at the top of a module have a docstring."""
    silent = [
        f"{shown(path, node.lineno)}: {node.name}"
        for path in MODULES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        if not node.name.startswith("_") and not ast.get_docstring(node)
    ]
    assert not silent, "\n".join(silent)


def test_imports_are_absolute() -> None:
    relative = [
        shown(path, node.lineno)
        for path in (*MODULES, *TESTS)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative, "\n".join(relative)


def test_nothing_is_left_for_later() -> None:
    left = [
        f"{shown(path, number)}: {line.strip()}"
        for path in (*MODULES, *TESTS, *WEB)
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert not left, "\n".join(left)
