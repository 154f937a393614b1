"""Templates, scripts and styles keep what the pages promise: nothing inline or from elsewhere, every text known."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedlung.web.js_texts import JS_TEXTS
from fedlung.web.page_context import NAVIGATION

ROOT = Path(__file__).resolve().parents[2]
STATIC, TEMPLATES = ROOT / "static", ROOT / "templates"
MANIFESTS = [STATIC / "vendor" / "MANIFEST.json", ROOT / "tests" / "e2e" / "vendor" / "MANIFEST.json"]
UNLISTED = re.compile(r"MANIFEST\.json|\.gitattributes|LICENSE.*")
JINJA = re.compile(r"{#.*?#}|{%.*?%}|{{.*?}}", re.DOTALL)

FORBIDDEN_IN_TEMPLATES = {
    "an inline handler": re.compile(r"<[^>]*\son[a-z]+\s*=", re.IGNORECASE),
    "an inline style": re.compile(r"<style|<[^>]*\sstyle\s*=", re.IGNORECASE),
    "an inline script": re.compile(r"<script(?![^>]*(\bsrc=|type=\"application/json\"))", re.IGNORECASE),
    "a javascript: address": re.compile(r"javascript:", re.IGNORECASE),
    "markup that is not escaped": re.compile(r"\|\s*safe\b|autoescape false"),
}
FORBIDDEN_IN_SCRIPTS = {
    "markup from text": re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser"),
    "code from text": re.compile(r"\beval\(|new Function|setTimeout\(\s*[\"'`]"),
    "a style attribute": re.compile(r"setAttribute\(\s*[\"']style|[{,]\s*style:(?! \"(unit|percent)\")"),
}
ELSEWHERE = re.compile(r"(?:https?:)?//(?!www\.w3\.org/2000/svg)[a-z0-9-]+\.[a-z]{2,}", re.IGNORECASE)
NOT_TRANSLATED = {  # names, units and codes that are the same in every language
    *("FedLung", "UTC", "CPM", "Dice", "CSV", "JSON", "JSONL", "FedAvg", "code", "English", "中文"),
}


def pages() -> list[Path]:
    return sorted(TEMPLATES.rglob("*.html"))


def scripts() -> list[Path]:
    return sorted((STATIC / "js").rglob("*.js"))


def of(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.name)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def found(rules: dict[str, re.Pattern[str]], text: str) -> list[str]:
    return [what for what, pattern in rules.items() if pattern.search(text)]


def shown_words(template: str) -> list[str]:
    """Words that a template shows without asking for their translation."""
    text = re.sub(r"<(script|style)\b.*?</\1>", " ", JINJA.sub(" ", template), flags=re.DOTALL)
    text = re.sub(r"<[^>]*>|&\w+;", " ", text)
    return [word for word in re.findall(r"\w[\w.]*", text) if word not in NOT_TRANSLATED and not word.isdecimal()]


def used_keys(source: str) -> set[str]:
    """String literals of a script that look like keys of a text; the forms of a number count as one key."""
    groups = {key.partition(".")[0] for key in JS_TEXTS}
    return {key for key in re.findall(r'"([a-z_]+\.[a-z0-9_]+)"', source) if key.partition(".")[0] in groups}


def known_keys() -> set[str]:
    return {re.sub(r"\.(one|other)$", "", key) for key in JS_TEXTS}


def all_scripts() -> str:
    return "\n".join(map(read, scripts()))


def used_icons() -> Iterator[str]:
    for path in pages():
        yield from re.findall(r'icon\("([\w-]+)"\)|"fa-solid fa-([\w-]+)', read(path))
    yield from re.findall(r'icon\("([\w-]+)"\)|"fa-solid fa-([\w-]+)', all_scripts())
    yield from ((place.icon, "") for place in NAVIGATION)


@pytest.mark.parametrize("manifest", MANIFESTS, ids=["pages", "tests"])
def test_vendored_files_are_those_of_the_manifest(manifest: Path) -> None:
    folder, entries = manifest.parent, json.loads(read(manifest))
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {name for name in there if not UNLISTED.fullmatch(Path(name).name)} == {entry["file"] for entry in entries}
    for entry in entries:
        assert hashlib.sha256((folder / entry["file"]).read_bytes()).hexdigest() == entry["sha256"], entry["file"]
        assert entry["licence_file"] in there
        assert all(entry[name] for name in ("name", "version", "licence", "source"))


@of(pages())
def test_template_has_nothing_inline_and_nothing_from_elsewhere(path: Path) -> None:
    text = read(path)
    assert found(FORBIDDEN_IN_TEMPLATES, JINJA.sub("", text)) == []
    assert found({"unescaped": FORBIDDEN_IN_TEMPLATES["markup that is not escaped"]}, text) == []
    assert ELSEWHERE.findall(text) == []


@of(pages())
def test_template_asks_for_the_translation_of_every_word(path: Path) -> None:
    assert shown_words(read(path)) == []


@of(pages())
def test_template_names_files_that_are_there(path: Path) -> None:
    text = read(path)
    assert [name for name in re.findall(r"asset\('([^']+)'\)", text) if not (STATIC / name).is_file()] == []
    extended = re.findall(r'(?:extends|import|include) "([^"]+)"', text)
    assert [name for name in extended if not (TEMPLATES / name).is_file()] == []


@of(scripts())
def test_script_makes_elements_and_runs_no_text(path: Path) -> None:
    assert found(FORBIDDEN_IN_SCRIPTS, read(path)) == []
    assert ELSEWHERE.findall(read(path)) == []


@of(scripts())
def test_script_imports_names_that_are_exported(path: Path) -> None:
    for names, module in re.findall(r'import \{([^}]*)\} from "([^"]+)";', read(path)):
        source = (path.parent / module).resolve()
        assert source.is_file(), module
        if "vendor" not in source.parts:
            exported = set(re.findall(r"export (?:async )?(?:function|class|const) (\w+)", read(source)))
            assert {name.strip() for name in names.split(",") if name.strip()} <= exported, module
        used = re.sub(r"import .*?;", "", read(path), flags=re.DOTALL)
        assert [name.strip() for name in names.split(",") if not re.search(rf"\b{name.strip()}\b", used)] == []


@of(sorted((STATIC / "css").glob("*.css")))
def test_style_sheet_loads_nothing_from_elsewhere(path: Path) -> None:
    assert ELSEWHERE.findall(read(path)) == []
    assert "@import" not in read(path)


def test_every_text_that_a_script_asks_for_exists() -> None:
    assert used_keys(all_scripts()) - known_keys() == set()


def test_every_text_is_asked_for_by_a_script() -> None:
    source = all_scripts()
    made = tuple(re.findall(r"`([a-z_]+\.[a-z_]*)\$\{", source))  # `state.${name}`
    assert {key for key in known_keys() - used_keys(source) if not key.startswith(made)} == set()


def test_texts_with_a_number_have_both_forms() -> None:
    forms = {key for key in JS_TEXTS if re.search(r"\.(one|other)$", key)}
    assert {re.sub(r"\.\w+$", ".one", key) for key in forms} == {key for key in forms if key.endswith(".one")}
    assert {re.sub(r"\.\w+$", ".other", key) for key in forms} == {key for key in forms if key.endswith(".other")}


def test_every_icon_is_in_the_font() -> None:
    drawn = set(re.findall(r"\.fa-([\w-]+)::before", read(STATIC / "vendor" / "fontawesome" / "icons.css")))
    assert {name for pair in used_icons() for name in pair if name} - drawn == set()


def test_both_ways_to_a_dark_page_are_alike() -> None:
    tokens = read(STATIC / "css" / "tokens.css")
    blocks = re.findall(r':root\[data-theme="(?:dark|auto)"\] \{(.*?)\}', tokens, flags=re.DOTALL)
    asked, by_system = (re.findall(r"([\w-]+): ([^;]+);", block) for block in blocks)
    assert asked == by_system
    assert len(asked) > 40


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ('<p onclick="x()">', "an inline handler"),
        ('<p class="a" style="color: red">', "an inline style"),
        ("<script>x()</script>", "an inline script"),
        ('<script type="module">x()</script>', "an inline script"),
        ('<a href="javascript:x()">', "a javascript: address"),
        ("{{ name | safe }}", "markup that is not escaped"),
    ],
)
def test_planted_template_is_found(template: str, what: str) -> None:
    assert found(FORBIDDEN_IN_TEMPLATES, template) == [what]


def test_planted_words_are_found() -> None:
    assert shown_words('{% if x %}<p class="y">{{ _("Translated") }} not yet</p>{% endif %}FedLung 中文') == [
        "not",
        "yet",
    ]
    assert ELSEWHERE.findall('<img src="//cdn.example/x.png">') == ["//cdn.example"]
    assert found(FORBIDDEN_IN_SCRIPTS, "place.innerHTML = name") == ["markup from text"]
