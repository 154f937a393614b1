"""``make pretrained``: train the model that ships with the program, federated, on the real data beside the checkout.

The display threshold and the validation numbers are those of the three folds (`benchmarks.real_validation`), trained by
the same recipe; the shipped model itself has seen everything there is, so nothing here is left to judge it by.
"""

from __future__ import annotations

import fedlung.openmp  # noqa: F401 - for its effect, as in the program

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import real_diameters, real_recipe, real_validation
from benchmarks.real_hospitals import REAL_CT, lay_out
from benchmarks.tables import ROOT, machine
from fedlung import __version__
from fedlung.command_line import Arguments, run_command
from fedlung.detection.prediction import RESEARCH_USE
from fedlung.errors import WrongArgument
from fedlung.imaging.hospital_folder import hospital_folders, read_hospital
from fedlung.stores.checkpoints import save_checkpoint
from train_simple_model import ARCHITECTURE, load_model

NAME = "lidc_three_hospitals"
DATA = (
    "LIDC-IDRI (CC BY 3.0, doi:10.7937/K9/TCIA.2015.LO9QL9SX): {scans} full scans and {cubes} nodule cubes of 51 mm of "
    "other patients, split by patient over {hospitals} simulated hospitals; LUNA16 annotations and excluded findings "
    "(CC BY 4.0)"
)
LIMITS = (
    "Trained on few patients of one collection. False marks were counted on three scans only: on scanners, doses, "
    "slice thicknesses and diseases unlike theirs it may show many more, or miss nodules. Nodules under 3 mm and over "
    "30 mm, ground glass and scans of children were not judged."
)


def _train(argv: Sequence[str] | None) -> None:
    parser = Arguments("benchmarks.pretrained", "Train the model that ships with the program.")
    parser.add_argument("--out", type=Path, default=ROOT / "models" / "pretrained", help="folder of the model")
    arguments = parser.parse_args(argv)
    if not REAL_CT.is_dir():
        raise WrongArgument(f"the real CT data is not on this machine: {REAL_CT} is absent")
    work = ROOT / "build" / "bench" / "real_validation"
    summary = real_validation.federated_summary(work)
    validation = {**summary, "diameter_agreement": real_diameters.for_card()}
    data, trained = lay_out(work / "everybody"), work / "everybody.pth"
    if not trained.is_file():
        real_recipe.federate(data, trained, work)
    ship(trained, data, validation, arguments.out)


def ship(trained: Path, data: Path, validation: Mapping[str, Any], out: Path) -> Path:
    """Write model, checksum and card (JSON for the program, Markdown for people) into ``out``."""
    checkpoint = load_model(trained)
    created = datetime.fromtimestamp(trained.stat().st_mtime, UTC)
    about = {**_card(data, checkpoint.metadata, created), "metrics": {"validation": dict(validation)}}
    metadata = {**checkpoint.metadata, "display_threshold": validation["display_threshold"], "card": about}
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{NAME}.pth"
    digest = save_checkpoint(path, weights=checkpoint.weights, architecture=ARCHITECTURE, metadata=metadata)
    path.with_suffix(".json").write_text(json.dumps({**about, "sha256": digest}, indent=2) + "\n")
    path.with_suffix(".md").write_text(_markdown(about, digest))
    print(f"model: {path}, SHA-256 {digest}")
    return path


def _card(data: Path, metadata: Mapping[str, Any], created: datetime) -> dict[str, Any]:
    hospitals = {folder.name: read_hospital(folder) for folder in hospital_folders(data)}
    scans = sum(len(folder.scans) for folder in hospitals.values())
    cubes = sum(len(folder.cubes) for folder in hospitals.values())
    return {
        "name": "Lung nodules, three simulated LIDC-IDRI hospitals",
        "created": created.isoformat(timespec="seconds"),
        "run_id": metadata.get("run_id"),
        "round": metadata.get("rounds"),
        "rounds": real_recipe.ROUNDS,
        "strategy": metadata.get("strategy"),
        "seed": real_recipe.SEED,
        "hospitals": {name: len(folder.scans) + len(folder.cubes) for name, folder in hospitals.items()},
        "num_hospitals": len(hospitals),
        "num_scans": scans,
        "num_cubes": cubes,
        "recipe": real_recipe.as_json(),
        "data": DATA.format(scans=scans, cubes=cubes, hospitals=len(hospitals)),
        "machine": machine(),
        "version": __version__,
        "intended_use": f"{RESEARCH_USE} Marks places in a chest CT that may be nodules of 3 to 30 mm.",
        "limits": LIMITS,
    }


def _markdown(about: Mapping[str, Any], digest: str) -> str:
    found = about["metrics"]["validation"]
    points = "\n".join(
        f"| {rate} | {value:.3f} | {low:.3f}-{high:.3f} |"
        for rate, (value, low, high) in found["sensitivity_at_fp_per_scan"].items()
    )
    rate_shown = found["false_marks_per_scan_at_threshold"]
    hospitals = ", ".join(f"{name} ({count})" for name, count in about["hospitals"].items())
    recipe = ", ".join(f"{name} {value}" for name, value in about["recipe"].items())
    return f"""# {about["name"]}

{about["intended_use"]}

| | |
|---|---|
| file | `{NAME}.pth` |
| SHA-256 | `{digest}` |
| trained | {about["created"]}, run {about["run_id"]}, FedLung {about["version"]}, {about["machine"]} |
| how | {about["strategy"]}, {about["rounds"]} rounds, seed {about["seed"]}; {recipe} |
| hospitals | {hospitals}; in brackets full scans and cubes |
| data | {about["data"]} |
| display threshold | {found["display_threshold"]}, about {rate_shown:g} false mark a scan in validation |

Validation of the recipe: {found["folds"]} folds by patient, {found["num_nodules"]} left-out nodules, of them
{found["num_nodules_in_scans"]} in the {found["num_scans"]} left-out full scans on which false marks were counted.
Intervals: 95 % over resamples of patients.

| false marks per scan | sensitivity | interval |
|---|---|---|
{points}

{_diameters(found["diameter_agreement"])}

Limits. {about["limits"]}

Made by `make pretrained`. More numbers: [docs/results.md](../../docs/results.md).
"""


def _diameters(agreement: Mapping[str, Any]) -> str:
    rows = "\n".join(f"| {_size_row(one)} |" for one in agreement["bins"])
    return f"""Measured less annotated diameter of the left-out nodules that were found, by measured diameter; limits of
agreement of 95 % (Bland and Altman 1986). Annotated: {agreement["reference"]}.

| measured, mm | nodules | bias, mm | limits of agreement, mm |
|---|---|---|---|
{rows}"""


def _size_row(known: Mapping[str, Any]) -> str:
    low, high = known["bounds_mm"]
    limits = known["limits_of_agreement_mm"]
    cells = [f"from {low:g}" if high is None else f"{low:g} to below {high:g}", str(known["num_nodules"])]
    cells += ["" if known["bias_mm"] is None else f"{known['bias_mm']:+.1f}"]
    cells += ["" if limits[0] is None else f"{limits[0]:+.1f} to {limits[1]:+.1f}"]
    return " | ".join(cells)


if __name__ == "__main__":
    sys.exit(run_command(_train))
