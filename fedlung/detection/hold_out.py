"""Which of a hospital's scans are kept from training, so that the model can be judged on them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from fedlung.detection.training_scan import TrainingScan


def hold_out(scans: Sequence[TrainingScan], share: float) -> tuple[list[TrainingScan], list[TrainingScan]]:
    """Split into scans to train on and scans to judge on, both in the given order.

    The choice follows from the series UIDs alone: a resumed run makes the same, and a larger ``share`` only adds to it.
    Scans with and without nodules are shared out separately, since sensitivity needs nodules. Of two or more whole
    scans at least one is held out, and at least one stays; pieces of scans are never held out.
    """
    whole = sorted((scan for scan in scans if scan.whole), key=_by_hash)
    with_nodules = [scan for scan in whole if scan.findings]
    without = [scan for scan in whole if not scan.findings]
    held = with_nodules[: min(_part(with_nodules, share, least=1), max(0, len(with_nodules) - 1))]
    held += without[: min(_part(without, share, least=0 if held else 1), len(whole) - len(held) - 1)]
    uids = {scan.scan.series_uid for scan in held}
    is_held = [scan.whole and scan.scan.series_uid in uids for scan in scans]
    return (
        [scan for scan, out in zip(scans, is_held, strict=True) if not out],
        [scan for scan, out in zip(scans, is_held, strict=True) if out],
    )


def _part(scans: Sequence[TrainingScan], share: float, *, least: int) -> int:
    return max(least, round(share * len(scans))) if share > 0 else 0


def _by_hash(item: TrainingScan) -> bytes:
    return hashlib.sha256(item.scan.series_uid.encode()).digest()
