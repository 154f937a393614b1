"""Codes, names of fields and English sentences that are stored are shown in the reader's language; old records, too."""

# ruff: noqa: RUF001

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from fedlung.errors import BadAnnotations
from fedlung.federation.strategies import STRATEGIES
from fedlung.imaging.intake.annotation_import import read_annotation_file
from fedlung.imaging.intake.dicom_facts import IDENTIFYING
from fedlung.stores.annotation_versions import ORIGINS
from fedlung.stores.audit import Action, AuditLog
from fedlung.stores.users import ROLES
from fedlung.web.audit_words import VALUES, actor_words, details_in_words, target_words
from fedlung.web.js_texts import JS_TEXTS
from fedlung.web.model_words import SENTENCES, TRAINED, card_words, with_words
from fedlung.web.scans.refusal_words import in_words
from fedlung.web.scans.removed_words import NAMES, name_words, removed_words
from fedlung.web.training.model_cards import INTENDED_USE
from fedlung.web.training.request import RunRequest

ROOT = Path(__file__).resolve().parents[3]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
HEADER = "seriesuid,coordX,coordY,coordZ,diameter_mm\n"


@pytest.fixture
def zh(app: Flask) -> Iterator[None]:
    with app.test_request_context(headers={"Accept-Language": "zh"}):
        yield


@pytest.fixture
def en(app: Flask) -> Iterator[None]:
    with app.test_request_context(headers={"Accept-Language": "en"}):
        yield


def named(hospital_id: str) -> str:
    return {"hospital_a": "甲医院", "hospital_b": "乙医院"}.get(hospital_id, hospital_id)


# --- the audit


@pytest.mark.usefixtures("zh")
def test_every_value_of_the_audit_has_chinese_words() -> None:
    told = [
        details_in_words({field: value}, named)[0]
        for field, values in VALUES.items()
        for value in values
        if value != "en"
    ]
    assert [pair for pair in told if not all(map(CHINESE.search, pair))] == []
    assert set(VALUES["role"]) == set(ROLES)
    assert set(VALUES["origin"]) == set(ORIGINS)


@pytest.mark.usefixtures("zh")
def test_the_settings_of_a_run_are_told_with_units(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    asked = RunRequest(
        strategy="fedprox", strategy_options={"mu": 0.01}, hospitals=["hospital_a", "hospital_b"], fraction=0.5
    )
    log.append("admin", Action.RUN_STARTED, "run", asked.model_dump())
    told = dict(details_in_words(log.page()[0]["details"], named))
    assert all(map(CHINESE.search, told)), told
    assert told[str(JS_TEXTS["config.hospitals"])] == "甲医院，乙医院"
    assert told[str(JS_TEXTS["config.strategy_options"])] == f"{JS_TEXTS['option.mu']} 0.01"
    assert told[str(JS_TEXTS["config.deadline_seconds"])] == "3600 s"
    assert told[str(JS_TEXTS["config.fraction"])] == "50%"
    assert told[str(JS_TEXTS["config.learning_rate"])] == "0.002"
    assert str(JS_TEXTS["config.quorum"]) not in told  # nothing was asked


def test_changes_and_decisions_about_accounts(zh: None) -> None:
    changed = {"role": "staff -> clinician", "hospital_id": "hospital_a -> None", "is_active": "True -> False"}
    told = [value for _, value in details_in_words(changed, named)]
    assert told == ["医院人员 → 临床医生", "甲医院 → –", "是 → 否"]
    (decided,) = details_in_words({"role": "staff of hospital_b is kept"}, named)
    assert decided[1] == "保留：医院人员，乙医院"
    assert actor_words("first start") == "首次启动"


@pytest.mark.usefixtures("zh")
@pytest.mark.parametrize(
    "details",
    [
        {"reason": "a reason of an earlier version"},
        {"role": "root -> nobody"},
        {"display_name": "A -> B"},
        {"strategy_options": "{'mu': 0."},
        {"unheard_of": "<b>"},
        {"role": "x of y is kept"},
    ],
)
def test_what_is_not_known_is_shown_as_it_stands(details: dict[str, str]) -> None:
    ((_, value),) = details_in_words(details, named)
    assert value.replace(" → ", " -> ") == next(iter(details.values()))


@pytest.mark.usefixtures("zh")
@pytest.mark.parametrize(
    ("action", "target", "hospital_id", "words"),
    [
        ("sign_in", "li", "hospital_a", "li（甲医院）"),
        ("sign_in", "li", "", "li"),
        ("annotations_imported", "", "hospital_a", "甲医院"),
        ("readiness_changed", "hospital_a", "hospital_a", "甲医院（hospital_a）"),
        ("hospital_added", "hospital_b", "", "乙医院（hospital_b）"),
        ("of an earlier version", "", "", ""),
    ],
)
def test_what_a_deed_concerned(action: str, target: str, hospital_id: str, words: str) -> None:
    assert target_words({"action": action, "target": target, "hospital_id": hospital_id}, named) == words


# --- what was removed from a scan


@pytest.mark.usefixtures("zh")
def test_every_removed_field_has_chinese_words_and_its_own_name() -> None:
    for name in {*IDENTIFYING.values(), "PatientID", *NAMES}:
        assert CHINESE.search(removed_words(name)), name
        assert removed_words(name).endswith(f"（{name}）")
    assert removed_words("0010|0010") == removed_words("PatientName").replace("PatientName", "0010|0010")
    assert [removed_words(name) for name in ("ITK_FileNotes", "9999|0001")] == ["ITK_FileNotes", "9999|0001"]
    assert [name_words(name) for name in ("DICOM, 74 files", "CT.mhd")] == ["DICOM，74 个文件", "CT.mhd"]


@pytest.mark.usefixtures("en")
def test_removed_fields_in_english() -> None:
    assert removed_words("PatientName") == "patient's name (PatientName)"
    assert [name_words(f"DICOM, {count} files") for count in (1, 2)] == ["DICOM, 1 file", "DICOM, 2 files"]


# --- the cards of models


def shipped() -> dict[str, str]:
    (card,) = (ROOT / "models" / "pretrained").glob("*.json")
    return {name: text for name, text in json.loads(card.read_bytes()).items() if name in SENTENCES}


@pytest.mark.usefixtures("zh")
def test_the_shipped_models_card_is_told_in_chinese() -> None:
    told = with_words(shipped())
    assert set(told) == set(SENTENCES)
    assert [name for name, text in told.items() if not CHINESE.search(text)] == []
    numbers = re.compile(r"\d+(?:\.\d+)?")
    data = shipped()["data"]
    assert set(numbers.findall(data)) == set(numbers.findall(told["data"])), "no number is lost"


@pytest.mark.usefixtures("zh")
def test_names_of_trained_models_are_made_again() -> None:
    for strategy in STRATEGIES:
        said = card_words(f"{strategy}, round 3 of 12, run 20261122-193554-df84")
        assert CHINESE.search(said)
        assert {"3", "12"} <= set(re.findall(r"\d+", said))
    assert CHINESE.search(card_words(INTENDED_USE))
    assert TRAINED == INTENDED_USE
    assert [card_words(text) for text in ("", "Somebody's own model")] == ["", "Somebody's own model"]


@pytest.mark.usefixtures("en")
def test_cards_in_english_are_as_they_are() -> None:
    assert with_words(shipped()) == shipped()
    assert card_words("fedavg, round 1 of 2, run x") == "fedavg, round 1 of 2, run x"


# --- refused annotations


def refusals_of_tables() -> Iterator[tuple[str, bytes]]:
    for rows in ("u,a,0,0,5", "u,nan,0,0,5", "u,0,0,0,0", ",0,0,0,5", "u,0,0,0"):
        yield "t.csv", f"{HEADER}{rows}\n".encode()
    yield "t.csv", b"seriesuid,coordX\n1,2\n"
    yield "t.csv", HEADER.encode() + b"\xff\xfe"
    yield "t.txt", b"x"


def refusals_of_xml() -> Iterator[tuple[str, bytes]]:
    yield "t.xml", b"<a"
    yield "t.xml", b"<!DOCTYPE a><a/>"
    yield "t.xml", b"<a/>"
    message = "<LidcReadMessage><SeriesInstanceUid>1.2</SeriesInstanceUid>%s</LidcReadMessage>"
    session = "<readingSession><unblindedReadNodule><roi>%s</roi></unblindedReadNodule></readingSession>"
    edge = "<edgeMap><xCoord>%s</xCoord><yCoord>1</yCoord></edgeMap>"
    yield "t.xml", (message % "").encode()
    yield "t.xml", (message % (session % "")).encode()
    yield "t.xml", (message % (session % (edge % "99999"))).encode()
    yield "t.xml", (message % (session % (edge % "x"))).encode()


@pytest.mark.usefixtures("zh")
@pytest.mark.parametrize("cases", [refusals_of_tables, refusals_of_xml])
def test_every_refusal_of_annotations_is_told_in_chinese(
    tmp_path: Path, cases: Callable[[], Iterator[tuple[str, bytes]]]
) -> None:
    for name, content in cases():
        path = tmp_path / "table"
        path.write_bytes(content)
        with pytest.raises(BadAnnotations) as refused:
            read_annotation_file(path, name, scans={}, remap=str)
        said = in_words(str(refused.value))
        assert CHINESE.search(said), refused.value
        words = set(re.findall(r"[A-Za-z_]{4,}", said))
        assert words <= {"LIDC", "LUNA", "IDRI", "SeriesInstanceUid", "edgeMap", "xCoord", *re.findall(r"\w+", HEADER)}


@pytest.mark.usefixtures("zh")
@pytest.mark.parametrize(
    ("original", "kept"),
    [
        (
            "Lung search failed: the lung volume of 0.3 L is outside 0.7-8.2 L; the whole body box is read instead.",
            "0.3",
        ),
        ("the hospital may use 5.0 GB of the disk, and would use 6.5 GB", "6.5"),
        ("model m-1 is not intact: its file is missing, damaged or was changed", "m-1"),
        ("there is no such scan in this hospital", ""),
    ],
)
def test_other_sentences_of_lower_layers(original: str, kept: str) -> None:
    said = in_words(original)
    assert CHINESE.search(said)
    assert kept in said


@pytest.mark.usefixtures("zh")
@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ("3 whole number(s)", "3"),
        ("3 finite numbers", "3"),
        ("2 number(s) of 0.1 to 10", "0.1"),
        ("a plain number type", ""),
        ("MET_SHORT or MET_FLOAT", "MET_FLOAT"),
        ("1 to 2048 per axis and 536870912 in all", "536870912"),
        ("0.2 to 5 along each axis", "0.2"),
    ],
)
def test_what_a_header_must_hold(wanted: str, kept: str) -> None:
    said = in_words(f"x.mhd: DimSize must be {wanted}, got '1 2'")
    assert kept in said
    rest = re.sub(r"x\.mhd|DimSize|MET_\w+", "", said)
    assert not re.search("[A-Za-z]{3,}", rest), said
