"""Prepared scans kept on disk, so that each scan is read and resampled once.

An entry is a folder named by what went in: the SHA-256 of the scan's files and the fingerprint of the recipe.
Entries are made in a temporary folder and renamed: a reader sees a whole entry or none.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage import read_metaimage
from fedlung.imaging.metaimage_header import read_header
from fedlung.imaging.preprocessing import RECIPE, PreparedScan, Recipe, prepare


def open_prepared(scan: Path, cache: Path | None, recipe: Recipe = RECIPE) -> PreparedScan:
    """The prepared form of ``scan`` (.mhd or .mha), from ``cache`` when it is there.

    Voxels of a cached scan are memory-mapped: a training set may be larger than memory.

    Raises:
        BadScan: the file is refused by the reader.
    """
    if cache is None:
        return prepare(read_metaimage(scan), recipe)
    entry = cache / f"{_content_digest(scan)}-{recipe.fingerprint()}"
    if not entry.is_dir():
        _store(prepare(read_metaimage(scan), recipe), entry)
    return _load(entry)


def _content_digest(scan: Path) -> str:
    """SHA-256 over the header and the pixel file: a changed scan is another scan."""
    digest = hashlib.sha256(scan.stem.encode())
    for part in (scan, *_pixel_file(scan)):
        with part.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _pixel_file(scan: Path) -> tuple[Path, ...]:
    name = read_header(scan).pixel_file
    return () if name is None or not (scan.parent / name).is_file() else (scan.parent / name,)


def _store(prepared: PreparedScan, entry: Path) -> None:
    entry.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".making-", dir=entry.parent))
    try:
        np.save(temporary / "hu.npy", prepared.hu_zyx)
        np.save(temporary / "search.npy", prepared.search_zyx)
        facts = {
            "series_uid": prepared.series_uid,
            "geometry": asdict(prepared.geometry),
            "lung_volume_l": prepared.lung_volume_l,
            "warnings": prepared.warnings,
        }
        (temporary / "scan.json").write_text(json.dumps(facts), encoding="utf-8")
        os.rename(temporary, entry)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        # Another hospital's thread may have made the same entry meanwhile: that one is as good.
        if not entry.is_dir():
            raise


def _load(entry: Path) -> PreparedScan:
    facts = json.loads((entry / "scan.json").read_text(encoding="utf-8"))
    geometry = Geometry(**{name: tuple(value) for name, value in facts["geometry"].items()})
    return PreparedScan(
        series_uid=facts["series_uid"],
        hu_zyx=np.load(entry / "hu.npy", mmap_mode="r"),
        geometry=geometry,
        search_zyx=np.load(entry / "search.npy"),
        lung_volume_l=facts["lung_volume_l"],
        warnings=tuple(facts["warnings"]),
    )
