"""The Chinese of the pages is complete: every text of the code is in the catalogue, translated, compiled."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRANSLATIONS = ROOT / "fedlung" / "web" / "translations"
CATALOGUE = TRANSLATIONS / "zh" / "LC_MESSAGES" / "messages.po"
EXTRACT = ["extract", "-F", "babel.cfg", "--no-location", "--sort-output", "-k", "lazy_gettext", "-k", "N_"]  # Makefile
PLACEHOLDER = re.compile(r"\{\w+\}|%\(\w+\)[sd]")
CHINESE = re.compile(r"[\u4e00-\u9fff\u3000-\u303f\uff00-\uffef]")
SAME_IN_BOTH = re.compile(r"CPM|CPU|GPU|Dice|FedAvgM?|FedProx|(\{\w+\}[ /·]*)+")


def pybabel(*arguments: str) -> None:
    command = [sys.executable, "-m", "babel.messages.frontend", "-q", *arguments]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def entries(catalogue: str) -> list[tuple[str, list[str], bool]]:
    """English text, its translations and whether they are fuzzy, of every entry but the header."""
    found = []
    for block in re.split(r"\n\s*\n", catalogue.strip())[1:]:
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            begins = re.match(r"(msg\w+(?:\[\d+\])?) ", line)
            name = begins[1] if begins else name
            text = re.search(r'"(.*)"$', line)
            if name and text and not line.startswith("#"):
                fields[name] = fields.get(name, "") + text[1]
        translations = [text for field, text in fields.items() if field.startswith("msgstr")]
        found.append((fields.get("msgid_plural", fields.get("msgid", "")), translations, "#, fuzzy" in block))
    return found


@pytest.fixture(scope="module")
def translated() -> list[tuple[str, list[str], bool]]:
    return entries(CATALOGUE.read_text(encoding="utf-8"))


def test_the_catalogue_has_the_texts_of_the_code(tmp_path: Path) -> None:
    template, copy = tmp_path / "messages.pot", tmp_path / "translations"
    shutil.copytree(TRANSLATIONS, copy)
    pybabel(*EXTRACT, "-o", str(template), ".")
    pybabel("update", "-N", "--ignore-obsolete", "-i", str(template), "-d", str(copy))
    fresh = entries((copy / "zh" / "LC_MESSAGES" / "messages.po").read_text(encoding="utf-8"))
    known = entries(CATALOGUE.read_text(encoding="utf-8"))
    assert [text for text, *_ in fresh] == [text for text, *_ in known], "make i18n, then translate"


def test_the_compiled_catalogue_is_that_of_the_texts(tmp_path: Path) -> None:
    compiled = tmp_path / "messages.mo"
    pybabel("compile", "-i", str(CATALOGUE), "-o", str(compiled))
    assert compiled.read_bytes() == CATALOGUE.with_suffix(".mo").read_bytes(), "make i18n"


def test_every_text_is_translated(translated: list[tuple[str, list[str], bool]]) -> None:
    assert len(translated) > 400
    assert [text for text, found, _ in translated if not found or not all(found)] == []
    assert [text for text, _, fuzzy in translated if fuzzy] == []


def test_every_translation_is_chinese(translated: list[tuple[str, list[str], bool]]) -> None:
    english = [text for text, found, _ in translated if not all(CHINESE.search(one) for one in found)]
    assert [text for text in english if not SAME_IN_BOTH.fullmatch(text) and " of " not in text] == []


def test_placeholders_are_the_same(translated: list[tuple[str, list[str], bool]]) -> None:
    def names(text: str) -> list[str]:
        return sorted(set(PLACEHOLDER.findall(text)))

    assert [text for text, found, _ in translated if any(names(one) != names(text) for one in found)] == []


def test_planted_gaps_are_found() -> None:
    planted = 'msgid ""\nmsgstr "header"\n\nmsgid "a"\nmsgstr ""\n\n#, fuzzy\nmsgid "b {x}"\nmsgstr ""\n"乙"\n'
    assert entries(planted) == [("a", [""], False), ("b {x}", ["乙"], True)]
