"""The page says the size category of a mark that somebody resizes; exports say it in Python: they must not differ."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from fedlung.detection.categories import BASELINE, UPPER_LIMITS_MM, category_of

ROOT = Path(__file__).resolve().parents[3]
PAGE = """
const page = { documentElement: { lang: "en" }, body: { dataset: {} } };
globalThis.document = { ...page, getElementById: () => null, addEventListener() {} };
const { categoryOf } = await import("./static/js/prediction/chosen_mark.js");
console.log(JSON.stringify(JSON.parse(process.argv[1]).map(categoryOf)));
"""


def test_page_and_exports_name_the_same_category() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    borders_mm = [limit for limit, _ in UPPER_LIMITS_MM[BASELINE][:-1]]
    # Around a border, and half a digit below it: 14.95 is a little less in binary, and counts as 14.9.
    diameters_mm = [limit + step / 100 for limit in borders_mm for step in range(-11, 12)]
    command = [node, "--experimental-detect-module", "--no-warnings", "--input-type=module", "-e", PAGE, "--"]
    answer = subprocess.run(
        [*command, json.dumps(diameters_mm)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(answer.stdout) == [category_of(diameter).value for diameter in diameters_mm]
