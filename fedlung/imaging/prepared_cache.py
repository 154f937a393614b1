"""Prepared scans kept on disk, so that each scan is read and resampled once.

An entry is a folder named by what went in: the SHA-256 of the scan's files and the fingerprint of the recipe.
Entries are made in a temporary folder and renamed: a reader sees a whole entry or none. One that was damaged
later is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fedlung.errors import BadScan
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage import read_metaimage
from fedlung.imaging.metaimage_header import read_header
from fedlung.imaging.preprocessing import CELL, RECIPE, PreparedScan, Recipe, prepare


def open_prepared(scan: Path, cache: Path | None, recipe: Recipe = RECIPE) -> PreparedScan:
    """The prepared form of ``scan`` (.mhd or .mha), from ``cache`` when it is there and sound, else made.

    Voxels of a cached scan are memory-mapped: a training set may be larger than memory.

    Raises:
        BadScan: the file is refused by the reader or by ``prepare``.
        OSError: the cache cannot be written.
    """
    if cache is None:
        return prepare(read_metaimage(scan), recipe)
    entry = cache / f"{_content_digest(scan)}-{recipe.fingerprint()}"
    kept = _load_or_none(entry)
    if kept is not None:
        return kept
    prepared = prepare(read_metaimage(scan), recipe)
    _store(prepared, entry)
    # None when another thread is replacing the same damaged entry at this moment.
    return _load_or_none(entry) or prepared


def forget_prepared(scan: Path, cache: Path) -> None:
    """Remove every prepared form of ``scan``, which is about to be deleted; who has one mapped keeps reading it."""
    try:
        digest = _content_digest(scan)
    except (BadScan, OSError):
        return  # what cannot be read was never prepared
    for entry in cache.glob(f"{digest}-*"):
        shutil.rmtree(entry, ignore_errors=True)


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
        facts = {
            "series_uid": prepared.series_uid,
            "geometry": asdict(prepared.geometry),
            "lung_volume_l": prepared.lung_volume_l,
            "warnings": prepared.warnings,
        }
        _write(temporary / "hu.npy", lambda file: np.save(file, prepared.hu_zyx))
        _write(temporary / "search.npy", lambda file: np.save(file, prepared.search_zyx))
        _write(temporary / "scan.json", lambda file: file.write(json.dumps(facts).encode()))
        _put_in_place(temporary, entry)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Onto the disk before the entry gets its name: after a power cut an entry must be whole."""
    with path.open("xb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())


def _put_in_place(temporary: Path, entry: Path) -> None:
    if _load_or_none(entry) is None:
        shutil.rmtree(entry, ignore_errors=True)  # damaged; who has it mapped keeps reading it
    try:
        os.rename(temporary, entry)
    except OSError:
        # Another hospital's thread may have made the same entry meanwhile: that one is as good.
        if not entry.is_dir():
            raise


def _load_or_none(entry: Path) -> PreparedScan | None:
    """None when the entry is absent or damaged: it can always be made again."""
    try:
        return _load(entry)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError):
        return None


def _load(entry: Path) -> PreparedScan:
    facts = json.loads((entry / "scan.json").read_text(encoding="utf-8"))
    geometry = Geometry(**{name: tuple(value) for name, value in facts["geometry"].items()})
    hu, search = np.load(entry / "hu.npy", mmap_mode="r"), np.load(entry / "search.npy")
    cells = tuple(count // CELL for count in geometry.shape_zyx)
    if (hu.shape, hu.dtype, search.shape, search.dtype) != (geometry.shape_zyx, np.int16, cells, np.bool_):
        raise ValueError(f"{entry}: hu.npy or search.npy is not what scan.json says")
    return PreparedScan(
        series_uid=facts["series_uid"],
        hu_zyx=hu,
        geometry=geometry,
        search_zyx=search,
        lung_volume_l=facts["lung_volume_l"],
        warnings=tuple(facts["warnings"]),
    )
