"""A new hospital: a folder of its own in the data folder, empty, and ready for its first scan."""

from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex

from fedlung.errors import Conflict, InvalidInput, NoSpace
from fedlung.imaging.annotations import COLUMNS
from fedlung.stores.atomic_files import sync_folder, to_indented, write_atomically
from fedlung.stores.users import HOSPITAL_ID

UNFINISHED = ".new-hospital-"
# What a data folder, or the folder of a hospital, holds besides: one with "scans" would itself be taken for a hospital.
OURS = frozenset({"annotations", "cache", "cubes", "instance", "models", "predictions", "runs", "scans", "uploads"})
WINDOWS_DEVICES = frozenset(
    {"con", "prn", "aux", "nul", *(f"{name}{number}" for name in ("com", "lpt") for number in range(10))}
)
_lock = threading.Lock()  # one process works with a data folder, see `fedlung.stores.data_lock`


def may_name_a_hospital(hospital_id: str) -> bool:
    """Whether a folder of this name can be a hospital, on every disk that the data may be moved to."""
    is_name = HOSPITAL_ID.fullmatch(hospital_id) is not None
    return is_name and hospital_id.casefold() not in OURS | WINDOWS_DEVICES


def make_hospital(data: Path, hospital_id: str, names: Mapping[str, str], names_file: str) -> None:
    """The folder ``data/hospital_id``, whole or not at all: no scan yet, an empty table, and the given names.

    Raises:
        InvalidInput: the id cannot name a hospital.
        Conflict: something of that name is there, in upper or lower case; or ``data`` is itself one hospital.
        NoSpace: the disk is full.
    """
    if not may_name_a_hospital(hospital_id):
        raise InvalidInput(f"{hospital_id!r:.80} cannot name a hospital")
    with _lock:
        _require_free(data, hospital_id)
        for left in data.glob(f"{UNFINISHED}*"):  # by a process that was killed
            shutil.rmtree(left, ignore_errors=True)
        staging = data / f"{UNFINISHED}{token_hex(4)}"
        try:
            _fill(staging, names, names_file)
            staging.rename(data / hospital_id)
            sync_folder(data)
        except OSError as error:
            shutil.rmtree(staging, ignore_errors=True)
            raise _in_words(error, hospital_id) from error


def _require_free(data: Path, hospital_id: str) -> None:
    if (data / "scans").is_dir():
        raise Conflict(f"{data} is the folder of one hospital; a folder of several has one sub-folder for each")
    # Disks of Windows and macOS do not tell letter cases apart, and people do not, either.
    if hospital_id.casefold() in {path.name.casefold() for path in data.iterdir()}:
        raise Conflict(f"there is a folder {hospital_id} already")


def _fill(folder: Path, names: Mapping[str, str], names_file: str) -> None:
    (folder / "scans").mkdir(parents=True)
    write_atomically(folder / "annotations.csv", ",".join(COLUMNS).encode() + b"\n")
    if names:
        write_atomically(folder / names_file, to_indented({"name": dict(names)}))
    sync_folder(folder)


def _in_words(error: OSError, hospital_id: str) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace("the disk of the server is full")
    if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):  # made by hand at this moment
        return Conflict(f"there is a folder {hospital_id} already")
    return error
