"""FederatedLungNodulePredictor: a scan in, its nodules out.

The story: load the model -> read the scan -> prepare it by the recipe of training -> slide the network over the
lungs -> candidates -> measure -> report.

    python federated_inference_utils.py SCAN --model FILE.pth --out DIR

Research use only, not for diagnosis.
"""

from __future__ import annotations

import fedlung.openmp  # noqa: F401 - for its effect

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from torch import nn

from fedlung.command_line import Arguments, run_command
from fedlung.detection.candidates import find_candidates
from fedlung.detection.prediction import RESEARCH_USE, ModelOrigin, Prediction
from fedlung.detection.report import write_report
from fedlung.detection.sliding_window import WindowPlan, read_scan
from fedlung.detection.training_options import choose_device
from fedlung.errors import BadCheckpoint, Stopped, WrongArgument
from fedlung.federation.operating_points import DEFAULT_THRESHOLD
from fedlung.imaging.dicom_series import read_dicom_series
from fedlung.imaging.metaimage import read_metaimage
from fedlung.imaging.preprocessing import prepare
from fedlung.imaging.volume import CTVolume
from fedlung.stores.checkpoints import Checkpoint
from fedlung.stores.run_thresholds import threshold_line
from train_simple_model import build_network, load_model


class FederatedLungNodulePredictor:
    """Finds nodules with one trained model; load once, predict many scans."""

    def __init__(self, model_file: Path, *, device: str = "auto", plan: WindowPlan | None = None) -> None:
        """
        Args:
            model_file: a checkpoint of ``Simple3DUNet`` with its ``.sha256`` beside it.
            device: auto, cpu or cuda.
            plan: windows that a scan is read in; None chooses them by the size of the scan.

        Raises:
            BadCheckpoint, ArchitectureMismatch: the file is damaged, unsafe, or another network's.
            WrongArgument: the file or the device does not exist.
        """
        self.device = choose_device(device)
        self.plan = plan
        checkpoint = load_model(model_file)
        self.origin = ModelOrigin(checkpoint.sha256, model_file.name, checkpoint.architecture, checkpoint.metadata)
        self.display_threshold = _display_threshold(checkpoint, model_file)
        self.network = build_network(checkpoint.weights, self.device).eval()

    def predict_file(
        self, scan: Path, *, threshold: float | None = None, on_progress: Callable[[str, float], None] | None = None
    ) -> Prediction:
        """Read and predict a ``.mhd`` or ``.mha`` file, or a folder with one DICOM series; see ``predict``.

        Raises:
            BadScan: the file is refused; the sentence names the field.
        """
        seconds: dict[str, float] = {}
        with _timed("read", seconds):
            volume = read_dicom_series(scan) if scan.is_dir() else read_metaimage(scan)
        return self.predict(volume, threshold=threshold, on_progress=on_progress, seconds=seconds)

    def predict(
        self,
        volume: CTVolume,
        *,
        threshold: float | None = None,
        on_progress: Callable[[str, float], None] | None = None,
        seconds: dict[str, float] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Prediction:
        """Find the nodules of one scan.

        Args:
            volume: CT in HU.
            threshold: display threshold; None takes the model's own.
            on_progress: gets the stage and the share of it that is done.
            seconds: times of the stages before this call.
            should_stop: asked before each layer of the network; one window may hold a whole scan and take seconds.

        Raises:
            Stopped: ``should_stop`` said so.
        """
        if threshold is not None and not 0 <= threshold <= 1:
            raise WrongArgument(f"the threshold must be between 0 and 1, got {threshold:g}")
        tell = on_progress or (lambda stage, share: None)
        seconds = dict(seconds or {})
        tell("prepare", 0.0)
        with _timed("prepare", seconds):
            scan = prepare(volume)
        tell("network", 0.0)
        with _timed("network", seconds), _stoppable(self.network, should_stop):
            maps = read_scan(
                self.network, scan, plan=self.plan, device=self.device, on_progress=lambda share: tell("network", share)
            )
        tell("candidates", 0.0)
        with _timed("candidates", seconds):
            candidates = find_candidates(maps, scan)
        shown_from = self.display_threshold if threshold is None else threshold
        tell("done", 1.0)
        return Prediction(scan, volume.geometry, tuple(candidates), shown_from, maps.mask, self.origin, seconds)


def _display_threshold(checkpoint: Checkpoint, model_file: Path) -> float:
    """The threshold chosen on validation when the model was made, or the default."""
    threshold = checkpoint.metadata.get("display_threshold", DEFAULT_THRESHOLD)
    if not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise BadCheckpoint(f"{model_file}: display_threshold must be between 0 and 1, got {threshold!r}")
    return float(threshold)


@contextmanager
def _timed(stage: str, seconds: dict[str, float]) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - started


@contextmanager
def _stoppable(network: nn.Module, should_stop: Callable[[], bool]) -> Iterator[None]:
    """Ask before every layer; the network must be this thread's alone."""

    def ask(*_: object) -> None:
        if should_stop():
            raise Stopped("reading the scan was stopped")

    hooks = [layer.register_forward_pre_hook(ask) for layer in network.modules()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


# --- the command -----------------------------------------------------------------------------------------


def _parser() -> Arguments:
    parser = Arguments("federated_inference_utils.py", f"Find lung nodules in a chest CT. {RESEARCH_USE}")
    parser.add_argument("scan", type=Path, metavar="SCAN", help=".mhd or .mha file, or a folder with one DICOM series")
    parser.add_argument("--model", type=Path, required=True, help="checkpoint, with its .sha256 beside it")
    parser.add_argument("--out", type=Path, required=True, help="folder for nodules.csv, nodules.json, mask, pictures")
    parser.add_argument("--threshold", type=float, help="show nodules from this probability on (default: the model's)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to run the network")
    return parser


def _predict(argv: Sequence[str] | None) -> None:
    arguments = _parser().parse_args(argv)
    if arguments.threshold is not None and not 0 <= arguments.threshold <= 1:
        raise WrongArgument(f"--threshold must be between 0 and 1, got {arguments.threshold:g}")
    if not arguments.scan.exists():
        raise WrongArgument(
            f"{arguments.scan} does not exist; expected a .mhd or .mha file, or a folder of DICOM files"
        )
    if not arguments.model.is_file():
        raise WrongArgument(f"--model: {arguments.model} is not a file")
    if arguments.out.exists() and not arguments.out.is_dir():
        raise WrongArgument(f"--out: {arguments.out} is a file; a folder is needed")
    predictor = FederatedLungNodulePredictor(arguments.model, device=arguments.device)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("reading", total=1.0)
        prediction = predictor.predict_file(
            arguments.scan,
            threshold=arguments.threshold,
            on_progress=lambda stage, share: progress.update(task, description=stage, completed=share),
        )
    pictures = write_report(prediction, arguments.out)
    print(summary(prediction, arguments.out, pictures))  # noqa: T201 - the result of the command


def summary(prediction: Prediction, out: Path, pictures: Sequence[Path]) -> str:
    """What a person wants to know first, as text."""
    below = len(prediction.candidates) - len(prediction.shown)
    lines = [f"Scan {prediction.scan.series_uid}", *(f"Warning: {text}" for text in prediction.scan.warnings)]
    if not prediction.shown:
        lines.append(f"No candidate over the threshold of {prediction.threshold:.2f}.")
    else:
        lines.append(" no  probability  diameter mm        x mm      y mm      z mm  (LPS)")
        for number, item in enumerate(prediction.shown, start=1):
            x, y, z = item.center_xyz_mm
            lines.append(
                f"{number:3d}  {item.probability:11.2f}  {item.diameter_mm:11.1f}  {x:10.1f}{y:10.1f}{z:10.1f}"
            )
    stages = ", ".join(f"{name} {value:.1f} s" for name, value in prediction.seconds.items())
    about = prediction.model.metadata
    if "validation_pooled" in about and prediction.threshold == about.get("display_threshold", DEFAULT_THRESHOLD):
        meaning = threshold_line(about)
        lines.append(f"{meaning[0].upper()}{meaning[1:]}.")
    lines += [
        f"{below} more candidates under the threshold of {prediction.threshold:.2f} are in nodules.csv.",
        f"{len(pictures)} pictures, nodules.csv, nodules.json and mask.mhd are in {out}.",
        f"Time: {stages}. Model {prediction.model.file_name}, version {prediction.model.version[:12]}.",
        RESEARCH_USE,
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    return run_command(_predict, argv)


if __name__ == "__main__":
    sys.exit(main())
