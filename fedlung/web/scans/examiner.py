"""Looks at files that were sent, in a process of its own: they can neither stop the server nor take its memory.

    python -m fedlung.web.scans.examiner JOB.json

The job says which files, and where what is made of them goes. What was found out is told line by line on stdout, as
JSON; the process ends when its standard input does, and with it the server that started it.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fedlung.command_line import Arguments, run_command
from fedlung.errors import BadScan, WrongArgument
from fedlung.imaging.checked_files import looks_of_scan
from fedlung.imaging.intake.deidentify import patient_key, uid_remapper
from fedlung.imaging.intake.examine import ExaminedScan, examine, examine_volume
from fedlung.imaging.intake.lung_files import save_lungs
from fedlung.imaging.intake.scan_facts import Check, ScanFacts
from fedlung.imaging.intake.texts import N_
from fedlung.imaging.intake.uploaded_files import RefusedFiles, UploadedFile
from fedlung.imaging.metaimage import read_metaimage, write_metaimage
from fedlung.imaging.resampling import reorient_to_lps
from fedlung.stores.checksums import file_sha256
from fedlung.stores.scan_records import ScanRecord
from fedlung.stores.secret_key import secret_key

NICENESS = 10
DAMAGED = N_("The file arrived with other content than was sent. Please send it again.")
SAME_NAME = N_("There is another scan of this name with other voxels; this one is stored beside it.")
CANNOT_BE_READ = N_("The scan cannot be read: %(reason)s")
NO_ROOM = N_("There is no room left on the server's disk for the scan.")

Job = Mapping[str, Any]


def tell(kind: str, **what: Any) -> None:
    """One line for the server."""
    sys.stdout.write(json.dumps({"kind": kind, **what}, allow_nan=False) + "\n")
    sys.stdout.flush()


def examine_upload(job: Job) -> None:
    """Every scan of an upload into ``job["out"]``; see `fedlung.web.scans.examination` for the fields of a job."""
    damaged = _damaged(job["files"])
    if damaged:
        tell("refused", name=", ".join(damaged)[:200], text=DAMAGED)
        return
    files = [UploadedFile(each["name"], Path(each["path"])) for each in job["files"]]
    secret = secret_key(Path(job["secret_file"]))
    stored = _Stored(job, secret)
    found = examine(
        files,
        Path(job["workspace"]),
        remap=uid_remapper(secret, job["hospital_id"]),
        max_unpacked_bytes=job["max_unpacked_bytes"],
        on_progress=lambda stage, share: tell("progress", stage=stage, share=round(share, 3)),
    )
    for result in found:
        if isinstance(result, RefusedFiles):
            outcome = "ignored" if result.is_passed_over else "refused"
            tell(outcome, name=", ".join(result.files)[:200], text=result.sentence)
        elif not result.is_usable:
            for check in (check for check in result.checks if check.level == "error"):
                tell("refused", name=result.original_name, text=check.text, values=check.values)
        else:
            stored.put(result)


class _Stored:
    """Scans of one upload on their way into the store: none twice, none in another one's place."""

    def __init__(self, job: Job, secret: bytes) -> None:
        self._job = job
        self._secret = secret
        self._out = Path(job["out"])
        self._known: dict[str, str] = dict(job["known"])  # digest of the voxels -> scan
        self._ids = set(job["ids"])

    def put(self, scan: ExaminedScan) -> None:
        same = self._known.get(scan.voxels_sha256)
        if same is not None:
            tell("duplicate", name=scan.original_name, scan_id=same)
            return
        if scan.volume.voxels_zyx.nbytes > shutil.disk_usage(self._out).free - self._job["reserve_bytes"]:
            tell("refused", name=scan.original_name, text=NO_ROOM)
            return
        is_namesake = scan.volume.series_uid in self._ids
        if is_namesake:  # files are often called "ct.mhd": another patient's, not a newer version
            remap = uid_remapper(self._secret, self._job["hospital_id"])
            another = remap(f"{scan.facts.original_uid} {scan.voxels_sha256}")
            scan = replace(scan, volume=replace(scan.volume, series_uid=another))
        tell("progress", stage="storing", share=1.0)
        scan_id = scan.volume.series_uid
        write_metaimage(self._out / f"{scan_id}.mhd", scan.volume)
        _write_beside(scan, scan_id, self._out)
        self._known[scan.voxels_sha256] = scan_id
        self._ids.add(scan_id)
        originals = scan.dicom_files if self._job["keep_original_dicom"] else ()
        record = replace(
            record_of(scan, self._job["by"], self._job["received"]),
            patient_key=patient_key(self._secret, self._job["hospital_id"], scan.facts.patient_id),
            has_original_dicom=bool(originals),
        )
        said = SAME_NAME if is_namesake else ""
        tell("scan", record=asdict(record), originals=[str(path) for path in originals], text=said)


def examine_stored(job: Job) -> None:
    """Scans that somebody copied into the folder: they stay as they are, and get a record, a picture and lungs."""
    for each in job["files"]:
        path = Path(each["path"])
        files = looks_of_scan(path)  # first: what is written while it is read makes it another scan
        try:
            volume = read_metaimage(path)
        except (BadScan, OSError, MemoryError) as error:
            unreadable = _unreadable(path, str(error) or type(error).__name__)
            tell("record", record=asdict(replace(unreadable, files=files)))
            continue
        scan = examine_volume(volume, ScanFacts("folder", path.stem), original_name=path.name, removed=())
        _write_beside(scan, path.stem, Path(job["out"]))
        record = replace(record_of(scan, "", _time_of(path)), label=path.stem[:80], files=files)
        tell("record", record=asdict(record))


def record_of(scan: ExaminedScan, by: str, received: str) -> ScanRecord:
    """What is kept of a scan; without a label."""
    facts, geometry = scan.facts, reorient_to_lps(scan.volume).geometry
    return ScanRecord(
        scan_id=scan.volume.series_uid,
        label="",
        uploaded_as=scan.original_name,
        source=facts.source,
        received=received,
        by=by,
        voxels_sha256=scan.voxels_sha256,
        shape_zyx=geometry.shape_zyx,
        spacing_zyx_mm=geometry.spacing_zyx_mm,
        study_date=facts.study_date,
        manufacturer=facts.manufacturer,
        model_name=facts.model_name,
        slice_thickness_mm=facts.slice_thickness_mm,
        kernel=facts.kernel,
        checks=tuple(asdict(check) for check in scan.checks),
        removed=scan.removed,
        lung_volume_l=None if scan.lungs.warning else round(scan.lungs.volume_l, 2),
        place=(*geometry.origin_xyz_mm, *geometry.direction_xyz),
    )


def _write_beside(scan: ExaminedScan, scan_id: str, out: Path) -> None:
    (out / f"{scan_id}.png").write_bytes(scan.thumbnail_png)
    save_lungs(out / f"{scan_id}.lungs.npz", scan.lungs)


def _damaged(files: Sequence[Mapping[str, str]]) -> list[str]:
    """Names of files whose content is not what the sender says; the digest may be missing."""
    tell("progress", stage="reading", share=0.0)
    return [each["name"] for each in files if each["sha256"] and file_sha256(Path(each["path"])) != each["sha256"]]


def _unreadable(path: Path, reason: str) -> ScanRecord:
    check = Check("format", "error", CANNOT_BE_READ, {"reason": reason[:300]})
    return ScanRecord(
        scan_id=path.stem,
        label=path.stem[:80],
        uploaded_as=path.name,
        source="folder",
        received=_time_of(path),
        by="",
        voxels_sha256="",
        shape_zyx=(0, 0, 0),
        spacing_zyx_mm=(0.0, 0.0, 0.0),
        checks=(asdict(check),),
    )


def _time_of(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="milliseconds")


def _end_with_the_server() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


KINDS = {"upload": examine_upload, "stored": examine_stored}


def _main(argv: Sequence[str] | None) -> None:
    parser = Arguments("fedlung.web.scans.examiner", "Look at uploaded scans; the server starts this by itself.")
    parser.add_argument("job", type=Path, help="a JSON file that the server wrote")
    path = parser.parse_args(argv).job
    try:
        job = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise WrongArgument(f"{path} is not a job: {error}") from None
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    os.nice(NICENESS)
    logging.getLogger().setLevel(logging.ERROR)  # names of files and patients do not belong into a log
    KINDS[job["kind"]](job)
    tell("end")


def main(argv: Sequence[str] | None = None) -> int:
    return run_command(_main, argv)


if __name__ == "__main__":
    sys.exit(main())
