"""The files of one upload: where their bytes lie, and what the person called them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fedlung.imaging.dicom_header import SLICE_SUFFIXES

MAX_NAME_CHARACTERS = 200
HEADER_SUFFIXES = (".mhd", ".mha")
PIXEL_SUFFIXES = (".raw", ".zraw")
NIFTI_SUFFIXES = (".nii", ".nii.gz")
KNOWN_SUFFIXES = (*HEADER_SUFFIXES, *PIXEL_SUFFIXES, *NIFTI_SUFFIXES, *SLICE_SUFFIXES, ".zip")


@dataclass(frozen=True)
class UploadedFile:
    """One file as it was sent, or as it came out of an archive.

    Attributes:
        name: what the person's computer called it, with the folders that were dropped along, ``/`` between
            them (``series 3/IM0001``). It is data to pair and to show, never a path to open.
        path: where its bytes lie; the name there says nothing.
    """

    name: str
    path: Path

    @property
    def folder(self) -> str:
        """The folders of ``name``, "" when there are none."""
        return self.name.rpartition("/")[0]

    @property
    def base_name(self) -> str:
        return self.name.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """In lower case; ``.nii.gz`` counts as one."""
        lower = self.base_name.lower()
        return ".nii.gz" if lower.endswith(".nii.gz") else Path(lower).suffix

    @property
    def stem(self) -> str:
        return self.base_name[: len(self.base_name) - len(self.suffix)] or self.base_name


def numbered(name: str, workspace: Path, number: int) -> UploadedFile:
    """A file of that name at a path of our own: a number, and the suffix where a reader goes by it."""
    file = UploadedFile(name, workspace / f"{number:06}")
    return UploadedFile(name, workspace / f"{number:06}{file.suffix}") if file.suffix in KNOWN_SUFFIXES else file


@dataclass(frozen=True)
class RefusedFiles:
    """Files of which no scan came, and why, in one sentence for the staff who sent them.

    Attributes:
        files: their names, as sent.
        sentence: what was expected and what came; it may hold file names, so it is shown to the hospital's own
            staff and never logged.
        is_passed_over: nothing is wrong with them, they are just no scans (localizers, ``DICOMDIR``, notes).
    """

    files: tuple[str, ...]
    sentence: str
    is_passed_over: bool = False


def refused(files: Iterable[UploadedFile], sentence: str, *, is_passed_over: bool = False) -> RefusedFiles:
    return RefusedFiles(tuple(shown(file.name) for file in files), sentence, is_passed_over)


def shown(name: str) -> str:
    """A name that can stand in a sentence: one line, no control or direction marks, not endless."""
    visible = "".join(" " if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") else c for c in name).strip()
    return visible if len(visible) <= MAX_NAME_CHARACTERS else f"{visible[: MAX_NAME_CHARACTERS - 1]}…"
