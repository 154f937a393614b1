"""The pages say the training's own sentences in the reader's language: each is made by the code that makes it."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedlung.errors import FedLungError, QuorumNotReached
from fedlung.federation.client_threads import ClientThreads, Failed
from fedlung.federation.mark_counts import count_marks
from fedlung.federation.measured import Measured, ValidationTally
from fedlung.federation.round_tally import RoundTally
from fedlung.federation.updates import ClientUpdate, Instruction, LocalPlan
from fedlung.federation.validation import UpdateLimits, refusal_or_none
from fedlung.federation.weights import Weights
from fedlung.imaging.annotations import COLUMNS
from fedlung.imaging.hospital_folder import read_hospital
from fedlung.imaging.metaimage import read_metaimage
from fedlung.stores.hospitals import HospitalFolders
from fedlung.stores.run_listing import INTERRUPTED
from fedlung.stores.scan_readiness import ScanReadiness
from fedlung.web.js_texts import JS_TEXTS

ROOT = Path(__file__).resolve().parents[3]
INSTRUCTION = Instruction(3, {"w": np.zeros(2)}, LocalPlan(0.1, 1), 0)


def refusal(delta: Weights, round_: int = 3, num_examples: int = 1, max_norm: float | None = None) -> str:
    update = ClientUpdate("a", round_, delta, num_examples, {}, 1.0)
    reason = refusal_or_none(update, INSTRUCTION, UpdateLimits(max_examples=9, max_norm=max_norm))
    assert reason is not None
    return reason


def refusals() -> Iterator[tuple[str, str]]:
    yield "reason.late_round", refusal({"w": np.zeros(2)}, round_=2)
    yield "reason.nan", refusal({"w": np.array([np.nan, 0])})
    yield "reason.too_large", refusal({"w": np.array([1e6, 0])})
    yield "reason.norm", refusal({"w": np.array([30.0, 40.0])}, max_norm=1.0)
    yield "reason.shape", refusal({"w": np.zeros(3)})
    yield "reason.shape", refusal({"v": np.zeros(2)})
    yield "reason.examples", refusal({"w": np.zeros(2)}, num_examples=10)


def refused_counts() -> Iterator[tuple[str, str]]:
    counts = count_marks(np.array([0.5]), np.array([True]), num_scans=1, num_nodules=1)
    spoiled = [{"num_scans": 0}, {"found": ()}, {"found": (-1, *counts.found[1:])}, {"false_marks": counts.found[::-1]}]
    for answer in ({}, Measured({}, {}), *(Measured({}, replace(counts, **change)) for change in spoiled)):
        yield "reason.counts", str(ValidationTally().refusal_or_none("a", answer))


def late() -> Iterator[tuple[str, str]]:
    threads = ClientThreads(1)
    for key in ("reason.no_answer", "reason.busy"):
        for message in threads.ask("round 1", {"a": slow}, 0.05):
            assert isinstance(message, Failed)
            yield key, message.reason
    threads.wait(5)


def slow(on_progress: object, should_stop: object) -> None:
    """A client that does not hear that its time is over."""
    time.sleep(0.3)


def bad_folders(root: Path) -> Iterator[tuple[str, str]]:
    empty, unread, double = (root / name / "scans" for name in ("empty", "unread", "double"))
    for folder in (empty, unread, double):
        folder.mkdir(parents=True)
    for scan in (unread / "1.mhd", double / "1.mhd", double / "1.mha"):
        scan.touch()
    (double.parent / "annotations.csv").touch()
    cases = {"reason.no_scans": empty, "reason.no_annotations": unread, "reason.same_series": double}
    for key, folder in {**cases, "reason.no_folder": root / "gone" / "scans"}.items():
        with pytest.raises(FedLungError) as caught:
            read_hospital(folder.parent)
        yield key, str(caught.value)
    yield from bad_tables(double.parent)
    yield from unready(unread.parent)


def bad_tables(folder: Path) -> Iterator[tuple[str, str]]:
    (folder / "scans" / "1.mha").unlink()
    header = ",".join(COLUMNS) + "\n"
    cases = {
        "reason.table_column": b"seriesuid,coordX\n",
        "reason.table_value": f"{header}1,0,0,0,-3\n".encode(),
        "reason.table_no_uid": f"{header},0,0,0,3\n".encode(),
        "reason.table_unreadable": header.encode() + b"\xff\n",
    }
    for key, content in cases.items():
        (folder / "annotations.csv").write_bytes(content)
        with pytest.raises(FedLungError) as caught:
            read_hospital(folder)
        yield key, str(caught.value)
    (folder / "scans.json").write_text("{")
    (folder / "annotations.csv").write_text(header)
    with pytest.raises(FedLungError) as caught:
        read_hospital(folder)
    yield "reason.readiness_unreadable", str(caught.value)


def bad_scan(folder: Path) -> Iterator[tuple[str, str]]:
    (folder / "a scan.mhd").write_text("ObjectType = Image\nNDims = 3\nDimSize = 1 2\nElementDataFile = LOCAL\n")
    with pytest.raises(FedLungError) as caught:
        read_metaimage(folder / "a scan.mhd")
    yield "reason.scan", str(caught.value)


def unready(folder: Path) -> Iterator[tuple[str, str]]:
    (folder / "annotations.csv").write_text(",".join(COLUMNS) + "\n")
    readiness = ScanReadiness(folder)
    readiness.set_scans(["1"], False, "staff_a")
    yield "reason.none_ready", HospitalFolders(folder.parent).summary(folder.name).problem
    for key in ("reason.none_ready", "reason.not_declared"):
        with pytest.raises(FedLungError) as caught:
            read_hospital(folder)
        yield key, str(caught.value)
        readiness.set_hospital(is_ready=False)


def test_every_sentence_is_known_to_the_pages(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed")
    reasons = [*refusals(), *refused_counts(), *late(), *bad_folders(tmp_path), *bad_scan(tmp_path)]
    with pytest.raises(QuorumNotReached) as quorum:
        RoundTally(dropped={"a": "late"}).require(1, 2)
    ends = [
        ("end.quorum", str(quorum.value)),
        ("end.interrupted", INTERRUPTED),
        ("end.stopped_early", "stopped: round 0 of 2 is kept; go on with --resume r"),
        ("end.stopped", "stopped: round 10 of 12 is kept; go on with --resume r"),
    ]
    asked = {
        "keys": list(JS_TEXTS),
        "reasons": [sentence for _, sentence in reasons],
        "ends": [sentence for _, sentence in ends],
    }
    answer = subprocess.run(
        [node, "--experimental-detect-module", "--no-warnings", "tests/js/say_reasons.mjs"],
        cwd=ROOT,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    said = json.loads(answer.stdout)
    assert said["reasons"] == [key for key, _ in reasons]
    assert said["ends"] == [key for key, _ in ends]
