"""Write phantom hospitals in the data layout of a hospital (scans, ``annotations.csv``)."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from fedlung.errors import FedLungError, WrongArgument
from fedlung.imaging.annotations import Finding, write_findings
from fedlung.imaging.metaimage import write_metaimage
from fedlung.imaging.phantom.make import make_phantom

OnScan = Callable[[str, int], None]
"""Told after each finished scan: the hospital's id and how many scans it has now."""


@dataclass(frozen=True)
class HospitalSummary:
    """What was written for one hospital."""

    hospital_id: str
    scans: int
    nodules: int


@dataclass(frozen=True)
class _Scan:
    hospital_index: int
    findings: tuple[Finding, ...]
    excluded: tuple[Finding, ...]


def hospital_id(hospital_index: int) -> str:
    """``hospital_a``, ``hospital_b``, ... ``hospital_z``, ``hospital_aa``, ..."""
    letters, rest = "", hospital_index + 1
    while rest > 0:
        rest, letter = divmod(rest - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return f"hospital_{letters}"


def write_hospitals(
    out: Path,
    hospitals: int,
    scans: int,
    seed: int,
    *,
    workers: int | None = None,
    scale: float = 1.0,
    on_scan: OnScan = lambda hospital, done: None,
) -> list[HospitalSummary]:
    """Write ``hospitals`` folders with ``scans`` scans each below ``out``.

    A hospital's folder appears when it is whole; an interrupted run leaves none behind. The files do not
    depend on ``workers``.

    Args:
        workers: processes to use; None is one per processor.
        scale: see ``make_phantom``.
        on_scan: told after each scan.

    Raises:
        WrongArgument: a count is out of range, or a hospital's folder exists and is not empty.
    """
    names = [hospital_id(index) for index in range(hospitals)]
    _check(out, names, scans, seed, workers)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".phantom-", dir=out) as staging:
        summaries = _write_into(Path(staging), names, scans, seed, workers, scale, on_scan)
        for name in names:
            if (out / name).exists():
                (out / name).rmdir()
            (Path(staging) / name).rename(out / name)
    return summaries


def _check(out: Path, names: list[str], scans: int, seed: int, workers: int | None) -> None:
    limits = {"hospitals": (len(names), 1), "scans": (scans, 1), "seed": (seed, 0), "workers": (workers, 1)}
    for label, (value, least) in limits.items():
        if value is not None and value < least:
            raise WrongArgument(f"{label} must be at least {least}, got {value}")
    if out.exists() and not out.is_dir():
        raise WrongArgument(f"{out} is not a folder")
    for folder in (out / name for name in names):
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise WrongArgument(f"{folder} is there and not empty; name another --out or remove it")


def _write_into(
    folder: Path, names: list[str], scans: int, seed: int, workers: int | None, scale: float, on_scan: OnScan
) -> list[HospitalSummary]:
    for name in names:
        (folder / name / "scans").mkdir(parents=True)
    made: list[_Scan] = []
    places = list(product(range(len(names)), range(scans)))
    for scan in _in_order(partial(_write_scan, folder, seed, scale), places, workers):
        made.append(scan)
        on_scan(names[scan.hospital_index], sum(other.hospital_index == scan.hospital_index for other in made))
    summaries = []
    for index, name in enumerate(names):
        mine = [scan for scan in made if scan.hospital_index == index]
        findings = [finding for scan in mine for finding in scan.findings]
        write_findings(folder / name / "annotations.csv", findings)
        write_findings(folder / name / "annotations_excluded.csv", [item for scan in mine for item in scan.excluded])
        summaries.append(HospitalSummary(name, len(mine), len(findings)))
    return summaries


def _in_order(
    write: Callable[[tuple[int, int]], _Scan], places: list[tuple[int, int]], workers: int | None
) -> Iterator[_Scan]:
    """Results in the order of ``places``, from this process or from several."""
    count = min(workers or (os.cpu_count() or 1), len(places))
    if count == 1:
        yield from map(write, places)
        return
    # Fresh processes: the caller may have threads (a web server), and forking those is unsafe.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context, initializer=_leave_interrupts_to_the_parent) as pool:
        try:
            yield from pool.map(write, places)
        except BrokenProcessPool:
            raise FedLungError("a worker process ended before its scan was made (out of memory?)") from None


def _leave_interrupts_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _write_scan(folder: Path, seed: int, scale: float, place: tuple[int, int]) -> _Scan:
    hospital_index, scan_index = place
    phantom = make_phantom(hospital_index, scan_index, seed, scale=scale)
    path = folder / hospital_id(hospital_index) / "scans" / f"{phantom.volume.series_uid}.mhd"
    write_metaimage(path, phantom.volume)
    return _Scan(hospital_index, phantom.findings, phantom.excluded)
