"""What a person sees of a run: a line per round, a table, a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fedlung.events import HospitalResult, RoundFinished
from fedlung.stores.run_curves import draw_curves
from fedlung.stores.run_text import round_line, rounds_table


def a_round(number: int, **changed: Any) -> dict[str, Any]:
    hospitals = (
        HospitalResult("hospital_a", 8, 3.14, {"loss": 1.0 / number, "dice": 0.5}),
        HospitalResult("hospital_b", 16, 6.0, {"loss": 0.25 / number}),
    )
    values = {
        "num_examples": 24, "seconds": 6.5, "learning_rate": 0.002,
        "metrics": {"loss": 0.5 / number, "dice": 0.5}, "hospitals": hospitals, **changed,
    }  # fmt: skip
    return RoundFinished("run-1", number, 5, **values).to_json()


def test_a_round_is_one_line() -> None:
    assert round_line(a_round(2)) == (
        "round 2/5  loss 0.2500  dice 0.5000  24 scans  hospital_a 8 scans 3.1 s, hospital_b 16 scans 6.0 s"
    )


def test_who_was_left_out_and_what_was_validated_stand_at_the_end() -> None:
    record = a_round(
        1,
        dropped={"hospital_c": "it is late"},
        validation={"hospital_a": {"cpm": 0.8123, "dice": 0.7, "num_scans": 3.0}},
    )
    assert round_line(record).endswith(
        "  validation: hospital_a cpm 0.812 dice 0.700  left out: hospital_c (it is late)"
    )


def test_table_has_a_row_for_every_round_but_the_initial_one() -> None:
    records = [{"round": 0, "rounds": 5}, a_round(1), a_round(2, dropped={"hospital_c": "late"}, metrics={})]
    assert rounds_table(records).splitlines() == [
        "round  learning rate    loss    dice  hospitals  scans  seconds    left out",
        "---------------------------------------------------------------------------",
        "    1          0.002  0.5000  0.5000          2     24      6.5           -",
        "    2          0.002       -       -          2     24      6.5  hospital_c",
    ]


def test_curves_are_drawn_for_any_number_of_rounds(tmp_path: Path) -> None:
    for count in (1, 4):
        draw_curves([{"round": 0, "rounds": 5}, *map(a_round, range(1, count + 1))], tmp_path / f"{count}.png")
    pictures = [np.asarray(Image.open(tmp_path / f"{count}.png").convert("RGB")) for count in (1, 4)]
    assert pictures[0].shape == pictures[1].shape == (480, 1200, 3)
    assert (pictures[0] != pictures[1]).any()
