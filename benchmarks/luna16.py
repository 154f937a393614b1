"""LUNA16's ten-fold cross-validation from the ten subset folders to the CPM, resumable at any moment.

    python -m benchmarks.luna16 --luna16 DIR --out DIR [--pooled] [--rounds N] [any option of the training command]

For each subset: train on the nine others (nine hospitals of a federation, or one pool), read it with that model. Then
the marks of all ten are judged once, by LUNA16's rules. A run that was stopped is started again with the same command:
finished models and scans are kept, the training that was under way goes on at its last complete round.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track

from benchmarks.tables import ROOT
from federated_inference_utils import FederatedLungNodulePredictor
from fedlung.command_line import Arguments, run_command
from fedlung.detection.report import CSV_COLUMNS
from fedlung.errors import FedLungError, WrongArgument
from fedlung.imaging.annotations import read_findings, write_findings
from fedlung.stores.atomic_files import write_atomically

SUBSETS = 10
TABLES = {"annotations.csv": False, "annotations_excluded.csv": True}


def lay_out(luna16: Path, out: Path) -> list[str]:
    """Each subset as a hospital below ``out/hospitals``, its scans linked and not copied; returns their names.

    Raises:
        WrongArgument: a subset or a table is missing.
    """
    tables = {name: _find(luna16, name) for name in TABLES}
    names = [f"subset{number}" for number in range(SUBSETS) if (luna16 / f"subset{number}").is_dir()]
    if len(names) < 2:
        raise WrongArgument(f"{luna16} must hold the folders subset0 ... subset9 with .mhd files, found {len(names)}")
    found = {name: read_findings(path, excluded=TABLES[name]) for name, path in tables.items()}
    for name in names:
        hospital = out / "hospitals" / name
        hospital.mkdir(parents=True, exist_ok=True)
        if not (hospital / "scans").exists():
            (hospital / "scans").symlink_to((luna16 / name).resolve(), target_is_directory=True)
        uids = {path.stem for path in _scans(out, name)}
        for table, findings in found.items():
            write_findings(hospital / table, [finding for finding in findings if finding.series_uid in uids])
    return names


def _find(luna16: Path, name: str) -> Path:
    for path in (luna16 / name, *sorted(luna16.glob(f"*/{name}"))):
        if path.is_file():
            return path
    raise WrongArgument(f"{luna16} holds no {name}, neither itself nor one folder below")


def _scans(out: Path, subset: str) -> list[Path]:
    return sorted((out / "hospitals" / subset / "scans").glob("*.mhd"))


def train(out: Path, names: Sequence[str], left_out: str, *, pooled: bool, rounds: int, extra: Sequence[str]) -> Path:
    """The model that has not seen ``left_out``; what there is of it already is used."""
    fold = out / f"without_{left_out}"
    model = fold / "model.pth"
    if model.is_file():
        return model
    data = fold / "hospitals"
    data.mkdir(parents=True, exist_ok=True)
    for name in names:
        if name != left_out and not (data / name).exists():
            (data / name).symlink_to((out / "hospitals" / name).resolve(), target_is_directory=True)
    shared = ("--data", str(data), "--out", str(model), "--cache", str(out / "cache"), *extra)
    runs = sorted((fold / "runs").glob("*/config.json"))
    if pooled:
        command = ("train_simple_model.py", "--epochs", str(rounds), *shared)
    elif runs:
        command = ("federated_training.py", "--resume", str(runs[-1].parent), "--runs", str(fold / "runs"))
    else:
        command = ("federated_training.py", "--rounds", str(rounds), "--runs", str(fold / "runs"), *shared)
    if subprocess.run([sys.executable, *command], cwd=ROOT).returncode:
        raise FedLungError(f"training without {left_out} ended early; start the same command again to go on")
    return model


def read_subset(out: Path, subset: str, model: Path, device: str) -> list[Path]:
    """One table of marks per scan of ``subset``, made where it is missing."""
    marks = out / "marks" / subset
    marks.mkdir(parents=True, exist_ok=True)
    scans = _scans(out, subset)
    missing = [scan for scan in scans if not (marks / f"{scan.stem}.csv").is_file()]
    if missing:
        predictor = FederatedLungNodulePredictor(model, device=device)
        for scan in track(missing, f"reading {subset}", console=Console(stderr=True), transient=True):
            prediction = predictor.predict_file(scan)
            rows = [
                [scan.stem, *(f"{value:.4f}" for value in item.center_xyz_mm), f"{item.probability:.6f}"]
                for item in prediction.candidates
            ]
            text = "".join(",".join(row) + "\n" for row in rows)
            write_atomically(marks / f"{scan.stem}.csv", text.encode())
    return [marks / f"{scan.stem}.csv" for scan in scans]


def _collect(out: Path, tables: Sequence[Path]) -> None:
    """``marks.csv`` and ``seriesuids.csv`` of everything that was read, as LUNA16's evaluation takes them."""
    lines = [",".join(CSV_COLUMNS[:5]) + "\n", *(path.read_text() for path in tables)]
    write_atomically(out / "marks.csv", "".join(lines).encode())
    write_atomically(out / "seriesuids.csv", "".join(f"{path.stem}\n" for path in tables).encode())


def _run(argv: Sequence[str] | None) -> None:
    parser = Arguments("benchmarks.luna16", "LUNA16: ten-fold training, reading and evaluation. Resumable.")
    parser.add_argument("--luna16", type=Path, required=True, metavar="DIR", help="subset0 ... subset9 and the tables")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for models, marks and results")
    parser.add_argument("--pooled", action="store_true", help="train on the nine subsets as one, not federated")
    parser.add_argument("--rounds", type=int, default=100, metavar="N", help="rounds (pooled: epochs) of each fold")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="for training and reading")
    arguments, extra = parser.parse_known_args(argv)
    names = lay_out(arguments.luna16, arguments.out)
    tables: list[Path] = []
    for name in names:
        model = train(
            arguments.out,
            names,
            name,
            pooled=arguments.pooled,
            rounds=arguments.rounds,
            extra=[*extra, "--device", arguments.device],
        )
        tables += read_subset(arguments.out, name, model, arguments.device)
    _collect(arguments.out, tables)
    files = {"annotations": "annotations.csv", "excluded": "annotations_excluded.csv"}
    found = [f"--{option}={_find(arguments.luna16, name)}" for option, name in files.items()]
    results = [f"--seriesuids={arguments.out / 'seriesuids.csv'}", f"--results={arguments.out / 'marks.csv'}"]
    command = ["-m", "fedlung.evaluation.froc", *found, *results, f"--out={arguments.out}", "--bootstrap=1000"]
    if subprocess.run([sys.executable, *command], cwd=ROOT).returncode:
        raise FedLungError("the evaluation failed; its reason stands above")


if __name__ == "__main__":
    sys.exit(run_command(_run))
