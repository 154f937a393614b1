"""Page, report and JSON say the same of how far off a measured diameter may be, and nothing of a person's measure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedlung.reports.marked_scan import MarkedScan, marked_scan
from fedlung.reports.prediction_export import to_export
from fedlung.stores.prediction_marks import ACCEPTED, MarkStore
from fedlung.web.predictions.prediction_json import full_json
from fedlung.web.predictions.report_words import report_words
from fedlung.web.predictions.words import agreement_words
from tests.marked_chest import RECORD

pytestmark = pytest.mark.usefixtures("request_context")

SMALL = {"bounds_mm": [0.0, 8.0], "num_nodules": 30, "limits_of_agreement_mm": [-1.0, 2.0]}
LARGE = {"bounds_mm": [8.0, None], "num_nodules": 40, "limits_of_agreement_mm": [-3.0, 4.0]}
MODEL = {**RECORD.model, "validation": {"diameter_agreement": {"bins": [SMALL, LARGE]}}}


def all_accepted(content: dict[str, Any], folder: Path, model: dict[str, Any], **change_of_first: Any) -> MarkedScan:
    """Marks of 8, 5 and 6 mm; ``change_of_first`` is what a reader did to the first one."""
    store, candidates = MarkStore(), content["candidates"]
    items = [replace(item, status=ACCEPTED) for item in store.newest(folder, candidates).items]
    items[0] = replace(items[0], **change_of_first)
    version = store.save(folder, candidates, 0, items, first_read_declared=True, author="li")
    return marked_scan(replace(RECORD, model=model), content, version)


def told(scan: MarkedScan) -> dict[str, Any]:
    export = json.loads(json.dumps(to_export(scan, "2026-01-02", "li"), allow_nan=False))
    return {mark["id"]: mark["diameter_agreement"] for mark in export["marks"]}


def sentences(scan: MarkedScan) -> list[str]:
    return [note for note in report_words(scan, "2026-01-02", "li").notes if "validation" in note]


def test_every_mark_has_the_numbers_of_its_size_and_the_report_each_sentence_once(
    content: dict[str, Any], tmp_path: Path
) -> None:
    scan = all_accepted(content, tmp_path, MODEL)
    assert told(scan) == {"m1": LARGE, "m2": SMALL, "m3": SMALL}
    assert sentences(scan) == [agreement_words(SMALL), agreement_words(LARGE)]


def test_a_model_without_validated_diameters_says_so_once(content: dict[str, Any], tmp_path: Path) -> None:
    scan = all_accepted(content, tmp_path, RECORD.model)
    assert set(told(scan).values()) == {None}
    assert sentences(scan) == [agreement_words(None)]


@pytest.mark.parametrize("change", [{"diameter_mm": 9.5}, {"center_xyz_mm": (-50.0, 10.0, 20.0)}])
def test_nothing_is_said_of_what_a_reader_measured(
    content: dict[str, Any], tmp_path: Path, change: dict[str, Any]
) -> None:
    scan = all_accepted(content, tmp_path, MODEL, **change)
    assert told(scan) == {"m1": None, "m2": SMALL, "m3": SMALL}
    assert sentences(scan) == [agreement_words(SMALL)]


class Service:
    """What `full_json` asks a `PredictionService` for."""

    def __init__(self, content: dict[str, Any], folder: Path) -> None:
        self.store, self.marks = self, MarkStore()
        self.content = lambda record: content
        self.folder = lambda record: folder
        self.offers = lambda record: []
        self.progress = lambda record: None


def test_the_page_gets_the_sentence_of_every_mark(content: dict[str, Any], tmp_path: Path) -> None:
    found = full_json(Service(content, tmp_path), replace(RECORD, model=MODEL), "li")  # type: ignore[arg-type]
    sizes = [agreement_words(LARGE), agreement_words(SMALL), agreement_words(SMALL)]
    assert [candidate["diameter_text"] for candidate in found["candidates"]] == sizes
