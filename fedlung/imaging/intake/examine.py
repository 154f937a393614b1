"""From the files of one upload to scans that can be stored, or to a sentence that says why not."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fedlung.errors import BadScan
from fedlung.imaging.dicom_series import assemble_series
from fedlung.imaging.intake.archives import unpack
from fedlung.imaging.intake.checks import all_checks, unread_neighbours
from fedlung.imaging.intake.dicom_facts import read_dicom_facts
from fedlung.imaging.intake.digest import voxels_sha256
from fedlung.imaging.intake.nifti import read_nifti
from fedlung.imaging.intake.recognize import ScanFiles, recognize
from fedlung.imaging.intake.scan_facts import Check, ScanFacts
from fedlung.imaging.intake.thumbnail import thumbnail_png
from fedlung.imaging.intake.uploaded_files import (
    HEADER_SUFFIXES,
    RefusedFiles,
    UploadedFile,
    numbered,
    refused,
    shown,
)
from fedlung.imaging.lungs import LungMask, find_lungs
from fedlung.imaging.metaimage import read_metaimage
from fedlung.imaging.metaimage_header import read_header
from fedlung.imaging.resampling import reorient_to_lps
from fedlung.imaging.volume import CTVolume

Progress = Callable[[str, float], None]

UNPACKING_SHARE = 0.2
READING_SHARE = 0.6
"""Of the time for one scan, as measured; the rest are the checks."""
_OUR_NUMBER = re.compile(r"\b\d{6}(?:\.\w+)*")


@dataclass(frozen=True, eq=False)
class ExaminedScan:
    """A scan that could be read, without any of its old headers.

    Attributes:
        volume: voxels and geometry as they were sent; ``series_uid`` is the remapped one. Write it with
            ``write_metaimage``: the header is made from nothing.
        facts: what else is kept; ``facts.original_uid`` and ``facts.patient_id`` are not to be stored.
        checks: all that were made, in the order in which they should be read.
        removed: what was left behind of the headers, as names ("PatientName", "Comment").
        original_name: the name of the file, the folder or the archive, for the hospital's own staff.
        voxels_sha256: of the HU in LPS order, so one scan in two forms has one digest (hex).
        lungs: the coarse mask, in LPS order; ``lung_files.save_lungs`` keeps it for the import of annotations.
        thumbnail_png: coronal and axial middle, 256 pixels high.
        dicom_files: the files of the series, when it was DICOM; gone when the workspace is.
    """

    volume: CTVolume
    facts: ScanFacts
    checks: tuple[Check, ...]
    removed: tuple[str, ...]
    original_name: str
    voxels_sha256: str
    lungs: LungMask
    thumbnail_png: bytes
    dicom_files: tuple[Path, ...] = ()

    @property
    def is_usable(self) -> bool:
        """No check says "error"."""
        return all(check.level != "error" for check in self.checks)


def examine(
    files: Sequence[UploadedFile],
    workspace: Path,
    *,
    remap: Callable[[str], str],
    max_unpacked_bytes: int,
    on_progress: Progress = lambda stage, share: None,
) -> Iterator[ExaminedScan | RefusedFiles]:
    """Read everything that one upload holds; each file ends up in exactly one result.

    Scans come one after the other: store one before asking for the next, and only one is in memory.

    Args:
        files: what was sent together (one group), in any order.
        workspace: an empty folder on the same file system as the files; the caller removes it afterwards.
        remap: original UID -> the UID under which the scan is stored (``deidentify.uid_remapper``).
        max_unpacked_bytes: what archives may take on disk (quota and free space are the caller's business).
        on_progress: called with a stage ("unpacking", "reading", "checking") and the share done of the whole, 0-1.

    Raises:
        OSError: the disk is full or the workspace cannot be written; whatever was sent never raises.
    """
    on_progress("unpacking", 0.0)
    staged, refusals = _staged(files, workspace, max_unpacked_bytes)
    scans, more_refusals = recognize(staged)
    for refusal in (*refusals, *more_refusals):
        yield _in_their_names(refusal, staged)
    for number, scan in enumerate(scans):

        def report(stage: str, share: float, done: int = number) -> None:
            on_progress(stage, UNPACKING_SHARE + (1 - UNPACKING_SHARE) * (done + share) / len(scans))

        try:
            yield _examined(scan, remap, report)
        except BadScan as error:
            yield _in_their_names(refused(scan.files, str(error)), scan.files)


def examine_volume(
    volume: CTVolume, facts: ScanFacts, *, original_name: str = "", removed: tuple[str, ...] = ()
) -> ExaminedScan:
    """All checks of a scan that was read already; ``series_uid`` stays (a scan that was copied into the folder)."""
    in_lps = reorient_to_lps(volume)
    lungs = find_lungs(in_lps.voxels_zyx, in_lps.geometry)
    return ExaminedScan(
        volume=volume,
        facts=facts,
        checks=all_checks(in_lps, volume.geometry, lungs, facts),
        removed=removed,
        original_name=original_name,
        voxels_sha256=voxels_sha256(in_lps),
        lungs=lungs,
        thumbnail_png=thumbnail_png(in_lps),
    )


def _staged(
    files: Sequence[UploadedFile], workspace: Path, max_unpacked_bytes: int
) -> tuple[list[UploadedFile], list[RefusedFiles]]:
    """All files under numbers in the workspace (links to what was sent), archives unpacked."""
    staged: list[UploadedFile] = []
    refusals: list[RefusedFiles] = []
    room = max_unpacked_bytes
    for number, sent in enumerate(files):
        file = numbered(sent.name, workspace, number)
        os.link(sent.path, file.path, follow_symlinks=False)
        if file.suffix != ".zip":
            staged.append(file)
            continue
        folder = workspace / f"archive-{number}"
        folder.mkdir()
        try:
            unpacked = list(unpack(file, folder, len(files) + len(staged), room))
        except BadScan as error:
            shutil.rmtree(folder)
            refusals.append(refused([file], f"{shown(file.base_name)}: {error}"))
            continue
        room -= sum(member.path.stat().st_size for member in unpacked)
        staged += unpacked
    return staged, refusals


def _examined(scan: ScanFiles, remap: Callable[[str], str], report: Progress) -> ExaminedScan:
    report("reading", 0.0)
    volume, facts, removed = _read(scan)
    report("checking", READING_SHARE)
    stored = replace(volume, series_uid=remap(facts.original_uid))
    examined = examine_volume(stored, facts, original_name=shown(scan.name), removed=removed)
    report("checking", 1.0)
    if scan.unread_neighbours:
        examined = replace(examined, checks=(*examined.checks, unread_neighbours(scan.unread_neighbours)))
    return replace(examined, dicom_files=tuple(file.path for file in scan.files) if scan.slices else ())


def _read(scan: ScanFiles) -> tuple[CTVolume, ScanFacts, tuple[str, ...]]:
    """The volume, what is kept of its header, and the names of what is not."""
    first = scan.files[0]
    if scan.slices:
        facts, removed = read_dicom_facts(scan.slices[0].path, scan.slices[0].series_uid)
        return assemble_series(scan.slices), facts, removed
    if first.suffix in HEADER_SUFFIXES:
        pixels = scan.files[1].path if len(scan.files) > 1 else None
        volume = read_metaimage(first.path, pixels)
        return volume, ScanFacts("metaimage", first.stem), read_header(first.path).carried_along
    volume, header = read_nifti(first.path)
    return volume, ScanFacts("nifti", first.stem), header.texts


def _in_their_names(refusal: RefusedFiles, files: Sequence[UploadedFile]) -> RefusedFiles:
    """The sentence with the names that the person knows in place of our numbers."""
    names = {file.path.name: shown(file.base_name) for file in files}
    sentence = _OUR_NUMBER.sub(lambda found: names.get(found.group(), found.group()), refusal.sentence)
    return replace(refusal, sentence=sentence)
