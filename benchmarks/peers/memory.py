"""Peak memory of this process, for programs that are compared; Linux only, elsewhere not a number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"  # proc(5): the peak resident set becomes the present one


def peak_mb_of(work: Callable[[], object]) -> float:
    """How far the resident memory rose above its level at the start while ``work`` ran, MB."""
    try:
        CLEAR.write_text(RESET_PEAK)
        before = _kilobytes("VmRSS")
        work()
        return (_kilobytes("VmHWM") - before) / 1e3
    except OSError:
        work()
        return float("nan")


def _kilobytes(field: str) -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return float(line.split()[1])
