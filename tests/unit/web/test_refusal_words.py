"""Why files are refused is said in the reader's language: every sentence of the upload list is made and recognized."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from flask import Flask

from fedlung.web.scans.own_scans import sentence
from tests.faults.test_upload_list import CASES, Case
from tests.intake_world import the_refusal

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_every_refusal_of_the_upload_list_is_said_in_chinese(app: Flask, tmp_path: Path, case: Case) -> None:
    original = the_refusal(tmp_path, case.files).sentence
    with app.test_request_context(headers={"Accept-Language": "zh"}):
        said = sentence(original, {})
    assert CHINESE.search(said), original
    with app.test_request_context(headers={"Accept-Language": "en"}):
        assert sentence(original, {}) == original


@pytest.mark.parametrize(
    ("original", "kept"),
    [
        ("病人 1.mhd: DimSize and ElementType ask for 200 pixel bytes, got 100", ["病人 1.mhd", "200", "100"]),
        ("a slice is missing between z = -10.00 and -5.00 mm: a step of 5.00 mm, elsewhere 2.50 mm", ["z", "-5.00"]),
        ("IM1 and IM2 are slices at the same position", ["IM1", "IM2"]),
        ("x.mhd: Offset must be 3 finite numbers, got '50 %(x)s % 1'", ["Offset", "50 %(x)s % 1"]),
        ("ct.zip: the archive would take 900 bytes unpacked, there is room for 3", ["ct.zip"]),
    ],
)
def test_names_and_numbers_stay(app: Flask, original: str, kept: list[str]) -> None:
    with app.test_request_context(headers={"Accept-Language": "zh"}):
        said = sentence(original, {})
    assert CHINESE.search(said)
    assert all(word in said for word in kept)


def test_what_is_not_known_is_told_as_it_is(app: Flask) -> None:
    with app.test_request_context(headers={"Accept-Language": "zh"}):
        assert sentence("x.mhd: something nobody has thought of", {}) == "x.mhd: something nobody has thought of"
        assert sentence("", {}) == ""
