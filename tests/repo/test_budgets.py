"""Files and functions stay small enough to be read in one sitting; each exception is named with its reason."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FILE_LINES = 300
FRONT_LINES = 450  # the four top-level modules tell their story top to bottom
FUNCTION_CODE_LINES = 40  # without docstring, comments and blank lines

FILE_EXCEPTIONS: dict[str, str] = {}  # "path": "reason"
FUNCTION_EXCEPTIONS: dict[str, str] = {}  # "path::name": "reason"

NOT_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def python_files(root: Path) -> Iterator[Path]:
    yield from root.glob("*.py")
    for folder in ("fedlung", "benchmarks", "tests"):
        yield from (root / folder).rglob("*.py")


def long_files(root: Path) -> dict[str, int]:
    """Path -> number of lines, of the files over their budget."""
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(root)}
    return {
        path.relative_to(root).as_posix(): count
        for path, count in lines.items()
        if count > (FRONT_LINES if path.parent == root else FILE_LINES)
    }


@cache
def long_functions(root: Path) -> dict[str, int]:
    """``path::name`` -> number of code lines, of the functions over the budget."""
    found = {}
    for path in python_files(root):
        source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = set(range(node.lineno, (node.end_lineno or 0) + 1)) - docstring_lines(node)
                # Which lines are code takes time to find out, and matters for few functions.
                if len(lines) > FUNCTION_CODE_LINES and len(code := lines & code_lines(source)) > FUNCTION_CODE_LINES:
                    found[f"{path.relative_to(root).as_posix()}::{node.name}"] = len(code)
    return found


def code_lines(source: str) -> set[int]:
    """Numbers of the lines that hold code: a string over three lines counts as three, a comment not at all."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {line for t in tokens if t.type not in NOT_CODE for line in range(t.start[0], t.end[0] + 1)}


def docstring_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    if ast.get_docstring(function) is None:
        return set()
    return set(range(function.body[0].lineno, (function.body[0].end_lineno or 0) + 1))


def test_files_stay_in_budget() -> None:
    assert long_files(ROOT).keys() - FILE_EXCEPTIONS.keys() == set(), long_files(ROOT)


def test_functions_stay_in_budget() -> None:
    assert long_functions(ROOT).keys() - FUNCTION_EXCEPTIONS.keys() == set(), long_functions(ROOT)


def test_exceptions_are_still_needed_and_reasoned() -> None:
    assert FILE_EXCEPTIONS.keys() <= long_files(ROOT).keys()
    assert FUNCTION_EXCEPTIONS.keys() <= long_functions(ROOT).keys()
    assert all([*FILE_EXCEPTIONS.values(), *FUNCTION_EXCEPTIONS.values()])


@pytest.mark.parametrize(
    ("path", "lines", "over"),
    [
        ("fedlung/imaging/x.py", FILE_LINES, False),
        ("fedlung/imaging/x.py", FILE_LINES + 1, True),
        ("app.py", FRONT_LINES, False),
        ("app.py", FRONT_LINES + 1, True),
    ],
)
def test_file_budget_fires_at_its_border(tmp_path: Path, path: str, lines: int, over: bool) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("x = 1\n" * lines)
    assert bool(long_files(tmp_path)) is over


@pytest.mark.parametrize(("extra", "over"), [(0, False), (1, True)])
def test_function_budget_counts_code_only(tmp_path: Path, extra: int, over: bool) -> None:
    header = 'def f():\n    """Two lines\n    of docstring."""\n    # a comment\n\n'
    body = "    x = 1\n" * (FUNCTION_CODE_LINES - 1 + extra)  # the def line is code, too
    (tmp_path / "app.py").write_text(header + body)
    assert bool(long_functions(tmp_path)) is over
