"""Which of a hospital's scans are kept from training, so that the model can be judged on them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from fedlung.detection.training_scan import TrainingScan


def hold_out(scans: Sequence[TrainingScan], share: float) -> tuple[list[TrainingScan], list[TrainingScan]]:
    """Split into scans to train on and scans to judge on, both in the given order.

    The choice follows from the series UIDs alone: a resumed run makes the same, and a larger ``share`` only adds to it.
    Of two or more whole scans at least one is held out, and at least one stays; pieces of scans are never held out.
    """
    whole = [scan for scan in scans if scan.whole]
    wanted = max(1, round(share * len(whole))) if share > 0 else 0
    by_hash = sorted(whole, key=lambda item: hashlib.sha256(item.scan.series_uid.encode()).digest())
    held = {item.scan.series_uid for item in by_hash[: max(0, min(wanted, len(whole) - 1))]}
    is_held = [scan.whole and scan.scan.series_uid in held for scan in scans]
    return (
        [scan for scan, out in zip(scans, is_held, strict=True) if not out],
        [scan for scan, out in zip(scans, is_held, strict=True) if out],
    )
