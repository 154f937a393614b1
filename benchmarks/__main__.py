"""``python -m benchmarks [NAME ...]``: run benchmarks, print their tables, and put them into the documents."""

from __future__ import annotations

import fedlung.openmp  # noqa: F401 - for its effect, as in the program; peers inherit the variable

import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import (
    aggregation_vs_flower,
    federated_vs_alone,
    froc_speed,
    gemm_peak,
    inference_vs_monai,
    real_diameters,
    real_validation,
    round_overhead,
    training_step,
    upload_latency,
    viewer_speed,
    web_latency,
)
from benchmarks.tables import READMES, RESULTS, ROOT, put

BENCHMARKS: dict[str, Callable[[Path], str]] = {
    "froc_speed": froc_speed.run,
    "inference_vs_monai": inference_vs_monai.run,
    "training_step": training_step.run,
    "gemm_peak": gemm_peak.run,
    "aggregation_vs_flower": aggregation_vs_flower.run,
    "round_overhead": round_overhead.run,
    "federated_vs_alone": federated_vs_alone.run,
    "web_latency": web_latency.run,
    "upload_latency": upload_latency.run,
    "viewer_speed": viewer_speed.run,
    "real_validation": real_validation.run,
    "real_diameters": real_diameters.run,
}

LONG = {"real_validation", "real_diameters"}
"""Hours on two cores, unless the models that they train are there: run only when named."""


def main() -> int:
    names = sys.argv[1:] or [name for name in BENCHMARKS if name not in LONG]
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {unknown[0]}; there is {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    for name in names:
        work = ROOT / "build" / "bench" / name
        work.mkdir(parents=True, exist_ok=True)
        text = BENCHMARKS[name](work)
        print(f"\n{name}\n\n{text}\n")
        for document in (RESULTS, *READMES):
            put(document, name, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
