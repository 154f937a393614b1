"""The hospitals of a data folder: names and counts for people who may know how much there is, never the scans."""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fedlung.errors import FedLungError, NotFound, WrongArgument
from fedlung.imaging.checked_files import RECORDS
from fedlung.imaging.hospital_folder import (
    HospitalFolder,
    has_scans,
    hospital_folders,
    read_whole_hospital,
    without_held_back,
)
from fedlung.imaging.readiness import READINESS_FILE, read_readiness
from fedlung.stores.file_signature import file_signature
from fedlung.stores.new_hospital import make_hospital

NAMES = "hospital.json"
LANGUAGES = ("en", "zh")
_COUNTED_PARTS = ("scans", "cubes", "annotations.csv", NAMES, READINESS_FILE, RECORDS)
SIZE_EDGES_MM = (0, 4, 6, 8, 10, 15, 20, 30)
"""Bins of the size histogram; beyond 30 mm a finding is called a mass, and the few there are count in the last bin."""


@dataclass(frozen=True)
class HospitalSummary:
    """What one hospital brings to a training, in numbers.

    Attributes:
        names: language -> display name.
        scans: whole scans and pieces of scans that are ready, each a training example.
        nodules: annotated nodules in them.
        annotated_scans: scans with at least one nodule.
        size_counts: nodules per bin of ``SIZE_EDGES_MM``, one fewer than edges.
        is_readable: the folder can be opened at this moment.
        problem: why nothing can be trained from it, in words; empty when something can.
        is_ready: the hospital has not declared that its data is not ready.
        scans_not_ready: scans that are there, and listed as not ready.
    """

    hospital_id: str
    names: Mapping[str, str]
    scans: int = 0
    nodules: int = 0
    annotated_scans: int = 0
    size_counts: tuple[int, ...] = (0,) * (len(SIZE_EDGES_MM) - 1)
    is_readable: bool = True
    problem: str = ""
    is_ready: bool = True
    scans_not_ready: int = 0


class HospitalFolders:
    """The hospitals below ``data``. What was counted is kept until a folder or a table changes."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._known: dict[str, tuple[tuple[object, ...], HospitalSummary]] = {}

    def ids(self) -> list[str]:
        return sorted(self._folders())

    def folder(self, hospital_id: str) -> Path:
        """An id is only compared with names that are there, never made a path. Raises NotFound."""
        folder = self._folders().get(hospital_id)
        if folder is None:
            raise NotFound("there is no such hospital")
        return folder

    def without_scans(self) -> list[str]:
        """Hospitals that have brought nothing yet."""
        return sorted(name for name, folder in self._folders().items() if not has_scans(folder))

    def add(self, hospital_id: str, names: Mapping[str, str]) -> None:
        """A new hospital without scans; ``names`` (language -> name) may lack a language. Raises as `make_hospital`."""
        make_hospital(self.data, hospital_id, names, NAMES)

    def name(self, hospital_id: str, language: str) -> str:
        """Display name, also of a hospital that is not there any more."""
        folder = self._folders().get(hospital_id)
        names = _made_names(hospital_id) if folder is None else _names(folder)
        return names.get(language, names["en"])

    def summary(self, hospital_id: str) -> HospitalSummary:
        """Raises NotFound."""
        folder = self.folder(hospital_id)
        signature = tuple(file_signature(folder / part) for part in _COUNTED_PARTS)
        known = self._known.get(hospital_id)
        if known is None or known[0] != signature:
            known = signature, _summarize(folder)
            self._known[hospital_id] = known
        return known[1]

    def _folders(self) -> dict[str, Path]:
        try:
            return {folder.name: folder for folder in hospital_folders(self.data)}
        except (WrongArgument, OSError):
            return {}  # no hospital yet


def _summarize(folder: Path) -> HospitalSummary:
    empty = HospitalSummary(folder.name, _names(folder))
    try:
        readiness = read_readiness(folder)
        empty = replace(empty, is_ready=readiness.is_ready)
        whole = read_whole_hospital(folder)
    except FedLungError as error:
        return replace(empty, is_readable=os.access(folder, os.R_OK | os.X_OK), problem=str(error))
    except OSError as error:
        return replace(empty, is_readable=False, problem=f"{error.filename}: {error.strerror}")
    ready = without_held_back(whole, readiness)
    counts = replace(_counted(empty, ready), scans_not_ready=len(whole.scans) - len(ready.scans))
    nothing_ready = not ready.scans and not ready.cubes
    return replace(counts, problem="none of its scans is declared ready" if nothing_ready else "")


def _counted(empty: HospitalSummary, hospital: HospitalFolder) -> HospitalSummary:
    known = {path.stem for path in (*hospital.scans, *hospital.cubes)}
    nodules = [finding for finding in hospital.nodules if finding.series_uid in known]
    return replace(
        empty,
        scans=len(known),
        nodules=len(nodules),
        annotated_scans=len({finding.series_uid for finding in nodules}),
        size_counts=size_histogram([finding.diameter_mm for finding in nodules]),
    )


def size_histogram(diameters_mm: Sequence[float]) -> tuple[int, ...]:
    """Nodules per bin of `SIZE_EDGES_MM`."""
    counts = [0] * (len(SIZE_EDGES_MM) - 1)
    for diameter in diameters_mm:
        counts[min(bisect_right(SIZE_EDGES_MM, diameter), len(counts)) - 1] += 1
    return tuple(counts)


def _names(folder: Path) -> dict[str, str]:
    """Those of ``hospital.json`` ``{"name": {"en": ..., "zh": ...}}``, and made ones for what it does not say."""
    made = _made_names(folder.name)
    try:
        written: Any = json.loads((folder / NAMES).read_bytes())["name"]
        return {language: str(written.get(language) or made[language]) for language in LANGUAGES}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return made


def _made_names(hospital_id: str) -> dict[str, str]:
    """``hospital_a`` -> "Hospital A", "医院 A"; any other id with spaces for underscores."""
    prefix, _, rest = hospital_id.partition("_")
    if prefix == "hospital" and rest:
        label = rest.replace("_", " ").upper() if len(rest) < 3 else rest.replace("_", " ").title()
        return {"en": f"Hospital {label}", "zh": f"医院 {label}"}
    plain = hospital_id.replace("_", " ")
    return {"en": plain, "zh": plain}
