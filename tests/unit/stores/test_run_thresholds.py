"""What a model's file and the command say about the threshold, from the records of its run."""

from __future__ import annotations

from typing import Any

import pytest

from fedlung.federation.operating_points import TOO_FEW, TOO_MANY_FALSE_MARKS
from fedlung.stores.run_thresholds import threshold_line, threshold_metadata

SIZES = {"num_hospitals": 2, "num_scans": 4, "num_nodules": 1}
POINT = {"threshold": 0.31, "fp_per_scan": 0.75, "sensitivity": 0.8, "interval": [0.3755, 0.9638], **SIZES}
CHOSEN = {**SIZES, "operating_points": [POINT], "display_threshold": 0.31}
RECORDS: list[dict[str, Any]] = [
    {"round": 0, "rounds": 3},  # the weights before the first round
    {"round": 1, "validation_pooled": CHOSEN},
    {"round": 2, "validation_pooled": {}},
    {"round": 3, "validation_pooled": {**SIZES, "operating_points": [], "no_threshold": TOO_FEW}},
]


def test_a_model_has_the_threshold_of_its_own_validation_and_of_no_other() -> None:
    assert threshold_metadata(RECORDS, 1) == {"display_threshold": 0.31, "validation_pooled": CHOSEN}
    assert [threshold_metadata(RECORDS, number) for number in (0, 2, 4)] == [{}, {}, {}]
    assert threshold_metadata(RECORDS, 3) == {"validation_pooled": RECORDS[3]["validation_pooled"]}


STAYS = "display threshold 0.50, not chosen on validation: "


@pytest.mark.parametrize(
    ("pooled", "line"),
    [
        (
            CHOSEN,
            "display threshold 0.31: in validation 0.75 false marks per scan, sensitivity 0.80 "
            "(95 % interval 0.38 to 0.96), on 4 scans and 1 nodule",
        ),
        (
            {**CHOSEN, "operating_points": [{**POINT, "fp_interval": [0.1547, 2.1918]}]},
            "display threshold 0.31: in validation 0.75 false marks per scan (95 % interval 0.15 to 2.19), "
            "sensitivity 0.80 (95 % interval 0.38 to 0.96), on 4 scans and 1 nodule",
        ),
        ({}, f"{STAYS}no hospital validated this model (see --held-out and --val)"),
        (
            {**SIZES, "operating_points": [], "no_threshold": TOO_FEW},
            f"{STAYS}4 scans and 1 nodule were held out, at least 3 and 4 are needed",
        ),
        (
            {**SIZES, "operating_points": [], "no_threshold": TOO_MANY_FALSE_MARKS},
            f"{STAYS}at every threshold there is more than 1 false mark per scan (4 scans and 1 nodule)",
        ),
    ],
)
def test_the_line_says_what_it_means_or_why_nothing_is_known(pooled: dict[str, Any], line: str) -> None:
    metadata = threshold_metadata([{"round": 1, "validation_pooled": pooled}], 1)
    assert threshold_line(metadata) == line
