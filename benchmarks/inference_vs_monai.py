"""A whole CT: ours from the file to the list of nodules, against MONAI's sliding window, the network alone.

Both use the same weights, two threads, and the same 1 mm grid: ours is cut to the lungs, MONAI's is continued from it
to the borders of the scan. They take turns in one pair of warm processes, never at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.agreement import agreement
from benchmarks.model_and_scan import a_model, a_scan, whole_scan
from benchmarks.peer_environment import Peer, PeerFailed, peer_python
from benchmarks.tables import table
from benchmarks.timing import conditions, in_turns, load, timed
from federated_inference_utils import FederatedLungNodulePredictor
from fedlung.detection.prediction import Prediction
from fedlung.imaging.preprocessing import PreparedScan, to_unit_interval
from fedlung.stores.checkpoints import load_checkpoint

THREADS = 2
TURNS = 3
ONE_WINDOW = "one window, the whole scan"
MODES = (ONE_WINDOW, "gaussian", "constant")
"""What MONAI's windows are merged with; the last one, its default, is timed. One window has no inner edges."""


def run(work: Path) -> str:
    """Time both, compare their nodules and return the tables."""
    before = load()
    torch.set_num_threads(THREADS)
    scan, model = a_scan(work), a_model(work)
    predictor = FederatedLungNodulePredictor(model, device="cpu")
    prediction = predictor.predict_file(scan)
    whole = whole_scan(scan, prediction.scan)
    try:
        with Peer(peer_python(work, "monai"), "monai_sliding_window", threads=THREADS) as monai:
            _open(work, monai, whole, model)
            agreements = [_agreement_row(work, monai, whole, mode, prediction) for mode in MODES]
            times = _times(predictor, scan, monai)
    except PeerFailed as error:
        return f"MONAI could not be run here: {error}\n\n{conditions(before)}"
    differences = table(
        ("MONAI's windows of 96 mm", "over the threshold, ours / MONAI", "farthest apart, mm", "probability apart"),
        agreements,
    )
    shape, read = (" x ".join(map(str, item.hu_zyx.shape)) for item in (whole, prediction.scan))
    note = (
        f"Scan {scan.stem}, {shape} voxels of 1 mm, of which ours reads {read}; model {model.name}, display threshold "
        f"{prediction.threshold:g}; {THREADS} threads; medians of {TURNS} runs in turns."
    )
    about = (
        "Every candidate that either side shows, against the nearest candidate of the other side; the largest values."
    )
    return f"{times}\n\n{note}\n\n{differences}\n\n{about}\n\n{conditions(before)}"


def _open(work: Path, monai: Peer, whole: PreparedScan, model: Path) -> None:
    np.save(work / "whole.npy", to_unit_interval(whole.hu_zyx))
    np.savez(work / "weights.npz", **load_checkpoint(model, expected_architecture=None).weights)  # type: ignore[arg-type]
    monai.ask(do="open", volume=str(work / "whole.npy"), weights=str(work / "weights.npz"))


def _times(predictor: FederatedLungNodulePredictor, scan: Path, monai: Peer) -> str:
    stages: dict[str, float] = {}

    def ours() -> float:
        seconds, prediction = timed(lambda: predictor.predict_file(scan))
        stages.update(prediction.seconds)
        return seconds

    windows = monai.ask(do="run_ours", mode=MODES[-1], whole=False)["windows"]
    sample = monai.ask(do="run_full_resolution")["windows"]
    competitors: dict[str, Callable[[], float]] = {
        "ours": ours,
        "same": lambda: float(monai.ask(do="run_ours", mode=MODES[-1], whole=False)["seconds"]),
        "full": lambda: float(monai.ask(do="run_full_resolution")["seconds"]) * windows / sample,
    }
    seconds = in_turns(competitors, TURNS)
    split = ", ".join(f"{stage} {spent:.1f}" for stage, spent in stages.items())
    names = {
        "ours": f"**ours, end to end** ({split})",
        "same": f"MONAI 1.6.1, our network, fp32, network only ({windows} windows)",
        "full": f"MONAI 1.6.1, its DynUNet 16-32-64-128 at full resolution, GroupNorm, fp32, network only "
        f"({sample} windows timed, times {windows}/{sample})",
    }
    rows = [(names[key], f"{spent:.2f}", f"{spent / seconds['ours']:.1f}") for key, spent in seconds.items()]
    return table(("way", "seconds", "times as long as ours"), rows)


def _agreement_row(work: Path, monai: Peer, whole: PreparedScan, mode: str, ours: Prediction) -> Sequence[str]:
    monai.ask(do="run_ours", mode="constant" if mode == ONE_WINDOW else mode, whole=mode == ONE_WINDOW)
    monai.ask(do="save", path=str(work / "maps.npz"))
    with np.load(work / "maps.npz") as maps:
        return (mode, *agreement(ours, whole, maps["cells"], maps["mask"]))
