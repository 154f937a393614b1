"""Who may import whom, read from the source: the table of ``docs/architecture.md``, and planted violations of it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# level 0: the standard library and each other
BASE = {"errors", "events", "settings", "setting_values", "command_line", "openmp"}
MAY_IMPORT = {  # part of fedlung/ -> the parts it may import besides level 0 and itself
    **{part: set() for part in BASE},
    "imaging": set(),
    "federation": set(),
    "detection": {"imaging"},
    "privacy": {"federation"},
    "evaluation": {"detection", "imaging"},
    "stores": {"imaging", "federation"},
    "reports": {"imaging", "detection", "stores"},
    "accounts": {"stores"},
    "distributed": {"federation", "privacy"},
    "web": {"imaging", "federation", "detection", "privacy", "evaluation", "stores", "reports", "accounts"},
}
FRONTS = {  # top-level module -> the fronts it may import
    "train_simple_model": set(),
    "federated_training": {"train_simple_model"},
    "federated_inference_utils": {"train_simple_model"},
    "app": {"train_simple_model", "federated_training", "federated_inference_utils"},
}
FORBIDDEN_LIBRARIES = {
    "imaging": {"torch", "flask", "flask_socketio"},
    "federation": {"flask", "flask_socketio", "flwr"},
}
CONFIGURATION = {"gunicorn.conf.py"}  # read by a tool, never imported
OUTSIDE = {"tests", "benchmarks"}  # they may import everything, and nothing may import them
RUBBISH_NAMES = {"utils", "utilities", "util", "helpers", "common", "misc", "internal"}


def modules_of(root: Path) -> dict[str, Path]:
    """Dotted name -> file, of the package and the fronts under ``root``."""
    top_level = [file for file in root.glob("*.py") if file.name not in CONFIGURATION]
    files = [*top_level, *(root / "fedlung").rglob("*.py")]
    return {".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): file for file in files}


def imports_of(module: str, file: Path) -> Iterator[str]:
    """Every dotted name that a file imports, function-local, relative and ``import_module("...")`` ones included."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            yield from (".".join([*above, *filter(None, [node.module]), alias.name]) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


def violations(root: Path) -> list[str]:
    """One sentence per import that the table does not allow, and per part that the table does not know."""
    found = []
    for module, file in modules_of(root).items():
        head, *below = module.split(".")
        judge = _package_import if head == "fedlung" else _front_import
        here = below[0] if below else head
        if here not in {"fedlung", *(MAY_IMPORT if head == "fedlung" else FRONTS)}:
            found.append(f"{module}: {here} has no place in the table of layers")
            continue
        found += [f"{module}: {why} ({name})" for name in imports_of(module, file) if (why := judge(here, name))]
    return sorted(found)


def _package_import(here: str, name: str) -> str | None:
    head, _, rest = name.partition(".")
    part = rest.partition(".")[0]
    if head in FRONTS or head in OUTSIDE:
        return f"the package imports {head}"
    if head == "fedlung" and part in MAY_IMPORT and part not in {here, *BASE, *MAY_IMPORT.get(here, set())}:
        return f"{here} imports {part}"
    if head in FORBIDDEN_LIBRARIES.get(here, set()):
        return f"{here} imports {head}"
    if here in BASE and head != "fedlung" and head not in sys.stdlib_module_names:
        return f"{here} imports {head}, which is not in the standard library"
    return None


def _front_import(here: str, name: str) -> str | None:
    head = name.partition(".")[0]
    if head in OUTSIDE or (head in FRONTS and head not in FRONTS[here]):
        return f"front {here} imports {head}"
    return None


def cycles(root: Path) -> list[str]:
    """Import cycles, each as ``a -> b -> a``; an edge is an import of a module, or of a name in it."""
    modules = modules_of(root)
    graph = {
        module: {_module_of(name, modules) for name in imports_of(module, file)} for module, file in modules.items()
    }
    found: list[str] = []
    finished: set[str] = set()

    def visit(module: str, trail: list[str]) -> None:
        if module in trail:
            found.append(" -> ".join([*trail[trail.index(module) :], module]))
        elif module not in finished:
            for target in sorted(graph[module] & modules.keys() - {module}):
                visit(target, [*trail, module])
            finished.add(module)

    for module in sorted(modules):
        visit(module, [])
    return found


def _module_of(name: str, modules: dict[str, Path]) -> str:
    """``fedlung.imaging.volume.CTVolume`` -> ``fedlung.imaging.volume``."""
    while name not in modules and "." in name:
        name = name.rpartition(".")[0]
    return name


def test_every_import_follows_the_table() -> None:
    assert violations(ROOT) == []


def test_the_table_stands_in_the_architecture_page() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \d \| \*?`(\w+)`\*? \|.*\| ([^|]*) \|$", page, flags=re.MULTILINE)
    assert {part: set(re.findall(r"`(\w+)`", allowed)) for part, allowed in rows} == MAY_IMPORT


def test_no_import_cycles() -> None:
    assert cycles(ROOT) == []


def test_no_module_is_named_for_nothing() -> None:
    assert [name for name in modules_of(ROOT) if name.rpartition(".")[2] in RUBBISH_NAMES] == []


def test_the_check_reads_the_real_tree() -> None:
    annotations = modules_of(ROOT)["fedlung.imaging.annotations"]
    assert "fedlung.errors.BadAnnotations" in imports_of("fedlung.imaging.annotations", annotations)


PLANTED = {
    "package imports a front": ("fedlung/federation/rounds.py", "from federated_training import FederatedClient"),
    "package imports a front inside a function": ("fedlung/stores/x.py", "def f():\n    import train_simple_model"),
    "package imports a front by name": ("fedlung/web/x.py", "import importlib\nimportlib.import_module('app')"),
    "package imports tests": ("fedlung/imaging/x.py", "from tests.phantoms import chest"),
    "upward": ("fedlung/imaging/x.py", "from fedlung.detection.peaks import peaks"),
    "sideways": ("fedlung/federation/x.py", "from fedlung import imaging"),
    "relative upward": ("fedlung/detection/x.py", "from ..evaluation import froc"),
    "web must not know distributed": ("fedlung/web/x.py", "import fedlung.distributed.superlink"),
    "torch in imaging": ("fedlung/imaging/x.py", "import torch.nn.functional as F"),
    "flower in federation": ("fedlung/federation/x.py", "from flwr.common import Message"),
    "third party at level 0": ("fedlung/errors.py", "import numpy"),
    "level 0 imports a part": ("fedlung/settings.py", "from fedlung.stores import runs"),
    "unknown part": ("fedlung/engine/x.py", ""),
    "unknown front": ("server.py", ""),
    "front order": ("train_simple_model.py", "import federated_training"),
    "fronts of equal rank": ("federated_inference_utils.py", "from federated_training import FederatedServer"),
    "front imports benchmarks": ("app.py", "import benchmarks.local"),
}


@pytest.mark.parametrize(("path", "source"), PLANTED.values(), ids=PLANTED.keys())
def test_planted_violation_is_caught(tmp_path: Path, path: str, source: str) -> None:
    _plant(tmp_path, path, source)
    assert len(violations(tmp_path)) == 1


ALLOWED = {
    "down": ("fedlung/evaluation/x.py", "from fedlung.imaging.volume import CTVolume\nimport fedlung.detection.peaks"),
    "level 0 and libraries": ("fedlung/imaging/x.py", "import numpy\nfrom fedlung.errors import BadScan"),
    "version": ("fedlung/command_line.py", "import argparse\nfrom fedlung import __version__"),
    "own folder, relative": ("fedlung/imaging/x.py", "from .geometry import Geometry\nfrom . import volume"),
    "front to package and lower front": ("app.py", "import fedlung.web.pages, federated_training, torch"),
}


@pytest.mark.parametrize(("path", "source"), ALLOWED.values(), ids=ALLOWED.keys())
def test_allowed_import_passes(tmp_path: Path, path: str, source: str) -> None:
    _plant(tmp_path, path, source)
    assert violations(tmp_path) == []


def test_planted_cycles_are_caught(tmp_path: Path) -> None:
    _plant(tmp_path, "fedlung/imaging/a.py", "from fedlung.imaging import b")
    _plant(tmp_path, "fedlung/imaging/b.py", "def f():\n    from .c import name")
    _plant(tmp_path, "fedlung/imaging/c.py", "import fedlung.imaging.a")
    names = ["fedlung.imaging.a", "fedlung.imaging.b", "fedlung.imaging.c", "fedlung.imaging.a"]
    assert cycles(tmp_path) == [" -> ".join(names)]


def _plant(root: Path, path: str, source: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source, encoding="utf-8")
