"""The documents keep their promises: codes, version, pins, commands and links are compared with the source."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

from fedlung import __version__
from fedlung.errors import FedLungError

ROOT = Path(__file__).resolve().parents[2]

DISTRIBUTION = {  # imported name -> name in the requirements, where they differ by more than case and hyphens
    "PIL": "pillow",
    "jpeg_ls": "pyjpegls",
    "pydantic_core": "pydantic",  # its compiled half, which it pins itself
    "socketio": "python-socketio",
    "websocket": "websocket-client",
}
TYPES_ONLY = {"_typeshed"}  # exists for type checkers, never at run time
OURS = {
    "fedlung",
    "benchmarks",
    "tests",
    "train_simple_model",
    "federated_training",
    "federated_inference_utils",
    "app",
}
# Run as commands, loaded by pytest, or read by mypy.
UNIMPORTED_TOOLS = {"mypy", "ruff", "pytest-timeout", "pytest-xdist", "types-psutil"}
READMES = ["README.md", "README.zh.md"]


def error_classes(root: type[FedLungError] = FedLungError) -> list[type[FedLungError]]:
    return [root, *(below for child in root.__subclasses__() for below in error_classes(child))]


def headings(path: str, pattern: str) -> list[str]:
    return re.findall(pattern, (ROOT / path).read_text(encoding="utf-8"), flags=re.MULTILINE)


def requirements(name: str) -> list[str]:
    """The requirement lines of a file, without comments and references to other files."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("-r ")]


def required(name: str) -> set[str]:
    return {line.partition("==")[0].lower() for line in requirements(name)}


def third_party_imports(*folders: str) -> set[str]:
    """Names, as in the requirements, of the libraries that the Python files of these folders import.

    The programs in benchmarks/peers run in the peers' own environments.
    """
    names: set[str] = set()
    files = [path for folder in folders for path in (ROOT / folder).glob("*.py" if folder == "." else "**/*.py")]
    for path in (path for path in files if path.parent != ROOT / "benchmarks" / "peers"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add((node.module or "").partition(".")[0])
    ours = sys.stdlib_module_names | OURS | TYPES_ONLY
    return {DISTRIBUTION.get(name, name).lower().replace("_", "-") for name in names - ours}


def test_every_error_code_is_documented_once() -> None:
    codes = [error.code for error in error_classes() if error.__module__.startswith("fedlung.")]
    assert sorted(codes) == sorted(set(codes)), "two classes share a code"
    assert sorted(headings("docs/reference/errors.md", r"^## `([a-z_]+)`$")) == sorted(codes)


def test_changelog_has_this_version() -> None:
    assert __version__ in headings("CHANGELOG.md", r"^## (\d+\.\d+\.\d+)\b")


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_exactly(name: str) -> None:
    assert [line for line in requirements(name) if not re.fullmatch(r"[\w.-]+==\d+(\.\d+)+", line)] == []


def test_the_program_requires_what_it_imports_and_nothing_else() -> None:
    assert third_party_imports(".", "fedlung", "benchmarks") == required("requirements.txt")


def test_the_checks_require_what_they_import_and_nothing_else() -> None:
    imported = third_party_imports("tests") - required("requirements.txt")
    assert imported | UNIMPORTED_TOOLS == required("requirements-dev.txt")


@pytest.mark.parametrize("readme", READMES)
def test_readme_names_every_make_target(readme: str) -> None:
    targets = headings("Makefile", r"^([a-z-]+):.*## ")
    text = (ROOT / readme).read_text(encoding="utf-8")
    assert [target for target in targets if not re.search(rf"make {target}(?![\w-])", text)] == []


def documents() -> list[Path]:
    patterns = ("*.md", "docs/**/*.md", "data/*.md", "models/*.md")
    return sorted(file for pattern in patterns for file in ROOT.glob(pattern))


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)\s#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (document.parent / link).exists()] == []


def test_index_lists_every_decision() -> None:
    files = {path.name for path in (ROOT / "docs/adr").glob("[0-9]*.md")}
    assert set(headings("docs/adr/README.md", r"\]\((\d{4}-[\w-]+\.md)\)")) == files
