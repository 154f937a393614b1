"""What belongs together among the files of one upload, by names and headers; no voxel is read.

A MetaImage header names its pixel file, a NIfTI or ``.mha`` file stands for itself, and everything that begins like
DICOM is sorted by its SeriesInstanceUID. Each file ends up in one group or in one refusal.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from fedlung.errors import BadScan
from fedlung.imaging.dicom_header import SliceHeader, is_dicom, read_slice_header
from fedlung.imaging.intake.uploaded_files import (
    HEADER_SUFFIXES,
    NIFTI_SUFFIXES,
    PIXEL_SUFFIXES,
    RefusedFiles,
    UploadedFile,
    refused,
    shown,
)
from fedlung.imaging.metaimage_header import read_header

OTHER_ARCHIVES = (".7z", ".rar", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".iso")
EXPECTED = "a scan is a .mhd with its .raw or .zraw, a .mha, a .nii or .nii.gz, DICOM slices, or a .zip of these"


@dataclass(frozen=True)
class ScanFiles:
    """The files of one scan.

    Attributes:
        name: what to call it before it was read: a file name, or the folder of a DICOM series.
        files: all of them; a header first, then its pixel file.
        slices: the headers of a DICOM series, else empty.
        unread_neighbours: how many files beside the slices of a series look like slices and cannot be read.
    """

    name: str
    files: tuple[UploadedFile, ...]
    slices: tuple[SliceHeader, ...] = ()
    unread_neighbours: int = 0


def recognize(files: Sequence[UploadedFile]) -> tuple[list[ScanFiles], list[RefusedFiles]]:
    """Sort files into scans and refusals.

    Raises:
        OSError: a file cannot be read for a reason that has nothing to do with its content.
    """
    pairs, refusals, rest = _metaimages(files)
    single = [ScanFiles(file.name, (file,)) for file in rest if file.suffix in NIFTI_SUFFIXES]
    series, more_refusals, unknown = _dicom_series([file for file in rest if file.suffix not in NIFTI_SUFFIXES])
    scans = [*pairs, *single, *series]
    # Notes beside scans are nothing to worry about; sent alone, they are a mistake.
    others = [_no_scan(file, is_beside_scans=bool(scans)) for file in unknown]
    return scans, [*refusals, *more_refusals, *others]


def _metaimages(
    files: Sequence[UploadedFile],
) -> tuple[list[ScanFiles], list[RefusedFiles], list[UploadedFile]]:
    """Headers with their pixel files; pixel files that nobody names; all other files."""
    scans: list[ScanFiles] = []
    refusals: list[RefusedFiles] = []
    pixel_files = {_key(file.folder, file.base_name): file for file in files if file.suffix in PIXEL_SUFFIXES}
    orphans = {file: None for file in files if file.suffix in PIXEL_SUFFIXES}
    taken: set[UploadedFile] = set()
    for header in files:
        if header.suffix not in HEADER_SUFFIXES:
            continue
        try:
            scan = _metaimage(header, pixel_files, taken)
        except BadScan as error:
            likely = [pixel_files.get(_key(header.folder, header.stem + suffix)) for suffix in PIXEL_SUFFIXES]
            mates = [file for file in likely if file in orphans and file not in taken]
            refusals.append(refused([header, *filter(None, mates)], str(error)))
            taken.update(filter(None, mates))
        else:
            scans.append(scan)
            taken.update(scan.files)
    for file in orphans:
        if file not in taken:
            sentence = f"{shown(file.base_name)}: the .mhd header that names this pixel file did not come with it"
            refusals.append(refused([file], sentence))
    known = (*HEADER_SUFFIXES, *PIXEL_SUFFIXES)
    return scans, refusals, [file for file in files if file.suffix not in known]


def _metaimage(
    header: UploadedFile, pixel_files: dict[tuple[str, str], UploadedFile], taken: set[UploadedFile]
) -> ScanFiles:
    name = read_header(header.path).pixel_file
    if name is None:
        return ScanFiles(header.name, (header,))
    pixels = pixel_files.get(_key(header.folder, name))
    if pixels is None:
        raise BadScan(f"{header.path.name}: its pixel file {name!r:.80} did not come with it")
    if pixels in taken:
        raise BadScan(f"{header.path.name}: its pixel file {name!r:.80} belongs to another header")
    return ScanFiles(header.name, (header, pixels))


def _key(folder: str, name: str) -> tuple[str, str]:
    """Computers differ in case and in how they compose accents, and header and names may come from two."""
    return folder, unicodedata.normalize("NFC", name).casefold()


def _dicom_series(
    files: Sequence[UploadedFile],
) -> tuple[list[ScanFiles], list[RefusedFiles], list[UploadedFile]]:
    """Series; slices that cannot be read and other DICOM objects; everything else."""
    slices: dict[str, list[tuple[UploadedFile, SliceHeader]]] = defaultdict(list)
    refusals: list[RefusedFiles] = []
    unread_folders: list[str] = []
    other_objects: list[UploadedFile] = []
    unknown: list[UploadedFile] = []
    for file in files:
        try:
            header = read_slice_header(file.path)
        except BadScan as error:
            refusals.append(refused([file], str(error)))
            unread_folders.append(file.folder)
            continue
        if header is not None:
            slices[header.series_uid].append((file, header))
        elif is_dicom(file.path):
            other_objects.append(file)
        else:
            unknown.append(file)
    if other_objects:
        sentence = f"{len(other_objects)} DICOM file(s) passed over: no CT slices (localizer, index, report, picture)"
        refusals.append(refused(other_objects, sentence, is_passed_over=True))
    return [_one_series(found, unread_folders) for found in slices.values()], refusals, unknown


def _one_series(found: list[tuple[UploadedFile, SliceHeader]], unread_folders: list[str]) -> ScanFiles:
    files = tuple(file for file, _ in found)
    folders = sorted({file.folder for file in files})
    name = folders[0].rpartition("/")[2] or f"DICOM, {len(files)} files"
    unread = sum(folder in folders for folder in unread_folders)
    return ScanFiles(name, files, tuple(header for _, header in found), unread)


def _no_scan(file: UploadedFile, *, is_beside_scans: bool) -> RefusedFiles:
    name = shown(file.base_name)
    if file.suffix in OTHER_ARCHIVES:
        return refused([file], f"{name}: this kind of archive is not read, send the files or a .zip")
    if file.suffix in (".hdr", ".img"):
        return refused([file], f"{name}: a pair of .hdr and .img is not read; store the scan as one .nii file")
    if file.suffix in (".csv", ".xml"):
        return refused([file], f"{name}: annotations are imported on their own, after the scans", is_passed_over=True)
    return refused([file], f"{name}: is no scan; {EXPECTED}", is_passed_over=is_beside_scans)
