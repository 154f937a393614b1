"""What was sent together: the files of one upload and what became of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fedlung.stores.atomic_files import to_indented, write_atomically

UPLOADING, WAITING, CHECKING = "uploading", "waiting", "checking"
DONE, REFUSED, DUPLICATE = "done", "refused", "duplicate"
ENDED = (DONE, REFUSED, DUPLICATE)
STATE, FILES, PART = "state.json", "files", ".part"


@dataclass(frozen=True)
class UploadFile:
    """One file; ``name`` is what the person's computer called it, data only and never a path."""

    id: str
    name: str
    size_bytes: int
    sha256: str = ""


@dataclass(frozen=True)
class UploadResult:
    """What one scan, or files that are none, came to.

    Attributes:
        scan_id: the stored scan, or the one that was there already; None for files that gave no scan.
        outcome: stored, duplicate, refused or ignored.
        text, values: an English sentence with ``%(name)s`` placeholders, and what stands in them.
    """

    scan_id: str | None
    name: str
    outcome: str
    text: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class UploadGroup:
    """Files that belong together.

    Attributes:
        id: name of the group's folder.
        key: what the browser calls the group.
        by, created: who began it, and when; ``finished``: when everything had arrived, empty before.
        state: uploading, waiting, checking, done, refused or duplicate.
        files: in the order of their arrival; empty when the group has ended and they are gone.
        sha256: file id -> what the sender says about the file's content.
    """

    id: str
    key: str
    by: str
    created: str
    state: str = UPLOADING
    finished: str = ""
    results: tuple[UploadResult, ...] = ()
    files: tuple[UploadFile, ...] = ()
    sha256: Mapping[str, str] = field(default_factory=dict)


def write_group(folder: Path, group: UploadGroup) -> None:
    """Without its files while they can still come: each of them has a small file of its own."""
    kept = group if group.state != UPLOADING else UploadGroup(group.id, group.key, group.by, group.created)
    write_atomically(folder / STATE, to_indented({"format": 1, **asdict(kept)}))


def read_group(folder: Path) -> UploadGroup | None:
    """None where the folder holds no group that can be read: nothing was acknowledged, or it is being removed."""
    try:
        content = json.loads((folder / STATE).read_bytes())
        del content["format"]
        content["results"] = tuple(UploadResult(**each) for each in content["results"])
        content["files"] = tuple(UploadFile(**each) for each in content["files"])
        group = UploadGroup(**content)
        return group if group.state != UPLOADING else UploadGroup(**{**content, "files": _arriving(folder)})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_file(folder: Path, number: int, file: UploadFile) -> None:
    """Make room for a file of the group."""
    files = folder / FILES
    (files / f"{file.id}{PART}").open("xb").close()
    write_atomically(files / f"{file.id}.json", to_indented({"number": number, **asdict(file)}))


def _arriving(folder: Path) -> tuple[UploadFile, ...]:
    found = [json.loads(path.read_bytes()) for path in (folder / FILES).glob("*.json")]
    found.sort(key=lambda each: each["number"])
    return tuple(UploadFile(each["id"], each["name"], each["size_bytes"], each["sha256"]) for each in found)
