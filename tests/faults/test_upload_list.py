"""The upload cases of the security check-list (OWASP ASVS 5, chapters 1.3, 2.2, 5.2, 5.3), one table: what comes
from outside, and the sentence that it is refused with. Nothing outside the workspace is touched, nothing takes long.

U1 pixel file names, U2 sizes, U3 geometry, U4 pixel files, U5 bombs, U6 archives, U7 wrong types, U12 file names,
U13 DICOM. What the readers refuse is tested to the last field in ``test_hostile_metaimage`` and ``test_hostile_dicom``;
here every case goes the way of an upload.
"""

from __future__ import annotations

import gzip
import stat
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.crafted_archives import (
    damaged_member,
    doubled_member,
    encrypted,
    huge_table,
    huge_zip64_table,
    short_member,
    special_member,
    zipped,
)
from tests.dicom_slices import ct_slice, move, save
from tests.intake_world import RAW, VOXELS_ZYX, examined, header, nifti, the_refusal, the_scan
from tests.metaimage_header import FIELDS
from tests.packed_dicom import DEFLATED, slice_file

CANARY = b"root:x:0:0:a secret outside the upload"
MAX_SECONDS = 1.0


@dataclass(frozen=True)
class Case:
    """Files of one upload, and what the one refusal says."""

    files: Mapping[str, bytes]
    sentence: str


def pair(**changes: str) -> dict[str, bytes]:
    return {"scan.mhd": header(**changes), "scan.raw": RAW}


def without(field: str) -> dict[str, bytes]:
    return {"scan.mhd": header(without=field), "scan.raw": RAW}


NAMES = ["/etc/passwd", "../canary.raw", "..\\canary.raw", "http://example.org/scan.raw", "LIST", "scan%03d.raw 1 4 1"]
NAMES += ["%2e%2e%2fcanary.raw", "\uff0e\uff0e\uff0fcanary.raw", "scan.raw | id", "file:///etc/passwd", "/dev/zero"]
SIZES = {"DimSize": ["0 16 4", "-18 16 4", "4294967296 16 4", "60000 60000 60000", "18 16"], "NDims": ["-1", "99", "2"]}
SIZES["ElementNumberOfChannels"] = ["1000000000", "3"]
PLACES = {"ElementSpacing": ["nan 0.7 2.5", "0 0.7 2.5", "-0.7 0.7 2.5", "1e-300 0.7 2.5"], "Offset": ["1e30 0 0"]}
PLACES["TransformMatrix"] = ["2 0 0 0 1 0 0 0 1", "nan 0 0 0 1 0 0 0 1", "0 0 0 0 0 0 0 0 0"]
OUTSIDE = ["../scan.raw", "/tmp/scan.raw", "..\\scan.raw", "C:\\scan.raw", "a/../../scan.raw", "//host/scan.raw"]
ZEROS = bytes(64 * 2**20)


def u1() -> Iterator[Case]:
    for name in NAMES:
        yield Case(
            pair(ElementDataFile=name), "scan.mhd: ElementDataFile must be LOCAL or a plain .raw or .zraw file name"
        )


def u2() -> Iterator[Case]:
    for field, values in SIZES.items():
        yield from (Case(pair(**{field: value}), f"scan.mhd: {field} must be ") for value in values)


def u3() -> Iterator[Case]:
    for field, values in PLACES.items():
        yield from (Case(pair(**{field: value}), f"scan.mhd: {field} must be ") for value in values)
    yield Case(without("ElementSpacing"), "scan.mhd: ElementSpacing is missing")


def u4() -> Iterator[Case]:
    asked = f"scan.mhd: DimSize and ElementType ask for {len(RAW)} pixel bytes, got "
    yield Case({"scan.mhd": header(), "scan.raw": RAW[:-2]}, f"{asked}{len(RAW) - 2}")
    yield Case({"scan.mhd": header(), "scan.raw": RAW + b"\0"}, f"{asked}{len(RAW) + 1}")
    yield Case({"scan.mhd": header(), "scan.raw": b""}, f"{asked}0")
    yield Case({"scan.mhd": header()}, "scan.mhd: its pixel file 'scan.raw' did not come with it")
    yield Case({"scan.raw": RAW}, "scan.raw: the .mhd header that names this pixel file did not come with it")
    yield Case({"a/scan.mhd": header()}, "scan.mhd: its pixel file 'scan.raw' did not come with it")


def u5() -> Iterator[Case]:
    packed = {"CompressedData": "True", "ElementDataFile": "scan.zraw"}
    bomb = zlib.compress(ZEROS, 9)
    more = "scan.mhd: the compressed pixel data holds more voxels than DimSize declares"
    yield Case({"scan.mhd": header(**packed), "scan.zraw": bomb}, more)
    local = header(CompressedData="True", ElementDataFile="LOCAL")
    yield Case({"scan.mha": local + bomb}, more.replace("mhd", "mha"))
    declared = "scan.mhd: DimSize and ElementType ask for 1073741824 pixel bytes, more than"
    yield Case({"scan.mhd": header(DimSize="1024 1024 512", **packed), "scan.zraw": zlib.compress(RAW)}, declared)
    yield Case({"scan.nii.gz": gzip.compress(nifti() + ZEROS)}, "scan.nii.gz: something follows the last voxel")
    yield Case({"scan.nii.gz": gzip.compress(nifti(dim=(2000, 2000, 100)))}, "scan.nii.gz: dim and datatype ask for ")
    yield Case({"scan.nii.gz": gzip.compress(nifti())[:-9]}, "scan.nii.gz: the compressed file is damaged or cut off")
    packed_bytes = len(zipped({"scan.raw": ZEROS}))
    yield Case(
        {"scans.zip": zipped({"scan.raw": ZEROS})},
        f"scans.zip: {packed_bytes} bytes that unpack to {len(ZEROS)} are no archive of scans",
    )
    yield Case({"scans.zip": zipped({"more.zip": zipped({"scan.raw": RAW})})}, "is an archive inside the archive")
    many = {f"{number}": b"" for number in range(10_001)}
    yield Case({"scans.zip": zipped(many)}, "scans.zip: an archive may hold at most 10000 files, got 10001")
    for table in (huge_table(zipped({"scan.raw": RAW})), huge_zip64_table(zipped({"scan.raw": RAW}))):
        yield Case({"scans.zip": table}, "scans.zip: the archive's table of contents must be at most 4194304 bytes")
    yield Case({"1.dcm": slice_file(syntax=DEFLATED)}, "1.dcm: the file is deflated, which is not read")


def u6() -> Iterator[Case]:
    for name in OUTSIDE:
        yield Case({"scans.zip": zipped({name: CANARY})}, "the archive holds a file that wants to be written elsewhere")
    for mode in (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO):
        yield Case({"scans.zip": special_member(mode)}, "'scan.raw' in the archive is a link or a device")
    clash = {"scan.raw": RAW, "SCAN.RAW": RAW}
    yield Case({"scans.zip": zipped(clash)}, "two files of the archive are called 'SCAN.RAW'")
    yield Case({"scans.zip": doubled_member("scan.raw", RAW)}, "two files of the archive are called 'scan.raw'")
    yield Case({"scans.zip": encrypted({"scan.raw": RAW})}, "scans.zip: the archive is encrypted")
    yield Case({"scans.zip": zipped({"scan.raw": RAW}, zipfile.ZIP_LZMA)}, "is packed in a way that is not read")
    yield Case(
        {"scans.zip": damaged_member(RAW)}, "scans.zip: the archive is damaged or packed in a way that is not read"
    )
    short = {"scans.zip": short_member("scan.raw", RAW, missing=8)}
    yield Case(short, "scans.zip: the archive is damaged: a file in it is shorter than declared")
    yield Case({"scans.zip": zipped(pair())[:-30]}, "scans.zip: the file is not a zip archive, or it is cut off")


def u7() -> Iterator[Case]:
    program, page = b"MZ\x90\x00\x03\x00\x00\x00", b"<!doctype html>\n<script>alert(1)</script>"
    for content in (program, page):
        yield Case({"scan.mhd": content, "scan.raw": RAW}, "scan.mhd: not a MetaImage header")
    yield Case({"scan.mhd": b"", "scan.raw": RAW}, "scan.mhd: ElementDataFile is missing")
    yield Case({"scan.mhd": header(), "scan.raw": page}, f"pixel bytes, got {len(page)}")
    for name, sentence in {"scan.nii": "a NIfTI header has 348 bytes", "1.dcm": "is not a DICOM file"}.items():
        yield from (Case({name: content}, f"{name}: ") for content in (b"", b"x", program))
        yield Case({name: page}, sentence)
    yield Case({"scan.zip": program}, "scan.zip: the file is not a zip archive")
    yield Case({"scan.exe": program}, "scan.exe: is no scan")
    yield Case({"notes.txt": b"x"}, "notes.txt: is no scan")
    yield Case({"scan.7z": b"7z\xbc\xaf\x27\x1c"}, "scan.7z: this kind of archive is not read")
    yield Case({"scan.hdr": b"x"}, "scan.hdr: a pair of .hdr and .img is not read")


TABLE = {"U1": u1, "U2": u2, "U3": u3, "U4": u4, "U5": u5, "U6": u6, "U7": u7}
CASES = [
    pytest.param(case, id=f"{row}-{number}") for row, cases in TABLE.items() for number, case in enumerate(cases())
]


@pytest.mark.parametrize("case", CASES)
def test_upload_list(tmp_path: Path, case: Case) -> None:
    (tmp_path / "canary.raw").write_bytes(CANARY)
    start = time.perf_counter()
    refusal = the_refusal(tmp_path, case.files)
    assert time.perf_counter() - start < MAX_SECONDS
    assert case.sentence in refusal.sentence
    assert refusal.sentence.isprintable()
    assert len(refusal.sentence) < 300
    assert "secret" not in refusal.sentence
    assert set(refusal.files) == set(case.files)
    # Nothing lies anywhere but in the uploads and in the workspace, which the caller removes.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["canary.raw", "uploads", "workspace"]
    assert not [path for path in (tmp_path / "workspace").rglob("*") if path.is_symlink()]


def test_the_same_files_are_good_when_nothing_is_wrong_with_them(tmp_path: Path) -> None:
    good = [pair(), {"scan.nii": nifti()}, {"scan.nii.gz": gzip.compress(nifti())}, {"scans.zip": zipped(pair())}]
    good += [{"scan.mha": header(ElementDataFile="LOCAL") + RAW}, {"scans.zip": zipped({"a/scan.nii": nifti()})}]
    for number, files in enumerate(good):
        folder = tmp_path / str(number)
        folder.mkdir()
        volume = the_scan(folder, files)
        assert np.array_equal(volume.voxels_zyx, VOXELS_ZYX)
        assert np.allclose(volume.geometry.origin_xyz_mm, [float(word) for word in FIELDS["Offset"].split()])
        assert np.allclose(volume.geometry.direction, np.eye(3))


def test_an_archive_gets_no_more_room_than_there_is(tmp_path: Path) -> None:
    """U5, U8: by the sum of what it declares, before a byte is written."""
    refusal = the_refusal(tmp_path, {"scans.zip": zipped(pair())}, room=len(RAW))
    total = len(RAW) + len(header())
    assert refusal.sentence == f"scans.zip: the archive would take {total} bytes unpacked, there is room for {len(RAW)}"
    assert len(list((tmp_path / "workspace").iterdir())) == 1


@pytest.mark.parametrize(
    "name",
    [
        "<img src=x onerror=alert(1)>.mha",
        "=1+1\t@SUM(A1).mha",
        "line\nbreak\r.mha",
        "\u202egnp.exe.mha",
        "病人 张三.mha",
        "CON.mha",
        "nul\0byte.mha",
        "x" * 300 + ".mha",
        "../../etc/passwd.mha",
    ],
)
def test_file_names_are_data(tmp_path: Path, name: str) -> None:
    """U12: kept to be shown in one line, never a path, and never the name that a scan is stored under."""
    (scan,), _ = examined(tmp_path, {name: header(ElementDataFile="LOCAL") + RAW})
    assert scan.original_name.isprintable()
    assert len(scan.original_name) <= 200
    assert scan.volume.series_uid.removeprefix("2.25.").isdecimal()
    assert [path.name for path in (tmp_path / "workspace").iterdir()] == ["000000.mha"]


PATIENT = "张^三"


def dicom_upload(folder: Path) -> dict[str, bytes]:
    """A good series with a patient's name in GB18030, and all that may lie beside it."""
    files = {}
    for z in range(3):
        save(ct_slice(z, PatientName=PATIENT), folder / "dicom" / "file")
        files[f"CT/{z}.dcm"] = (folder / "dicom" / "file").read_bytes()
    good = files["CT/1.dcm"]
    other = ct_slice(0, PatientName=PATIENT, SeriesInstanceUID="1.2.3.4")
    beside = {
        "other/1.dcm": other,
        "mr.dcm": ct_slice(0, Modality="MR"),
        "localizer.dcm": ct_slice(0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
    }
    for name, dataset in beside.items():
        save(dataset, folder / "dicom" / "file")
        files[name] = (folder / "dicom" / "file").read_bytes()
    save(move_far(ct_slice(1, SeriesInstanceUID="1.2.3.4")), folder / "dicom" / "file")
    files["other/2.dcm"] = (folder / "dicom" / "file").read_bytes()
    return {
        **files,
        "cut/half.dcm": good[: len(good) // 2],
        "cut/syntax.dcm": good.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0"),
        "cut/frames.dcm": good.replace(b"1.2.840.10008.5.1.4.1.1.2\0", b"1.2.840.10008.5.1.4.1.1.7\0"),
    }


def move_far(dataset: Dataset) -> Dataset:
    move(dataset, 30.0, 0.0, 0.0)
    return dataset


def test_dicom_folders_are_sorted_out_file_by_file(tmp_path: Path) -> None:
    """U13: each file that cannot be used is told by its name, the rest is kept, and nobody is named."""
    files = dicom_upload(tmp_path)
    (tmp_path / "upload").mkdir()
    (scan,), refusals = examined(tmp_path / "upload", files)
    assert scan.volume.voxels_zyx.shape[0] == 3
    assert "PatientName" in scan.removed
    sentences = {refusal.files: refusal.sentence for refusal in refusals}
    assert "half.dcm: the file is cut off" in sentences["cut/half.dcm",]
    assert "syntax.dcm: the file is in the transfer syntax" in sentences["cut/syntax.dcm",]
    assert "the gantry was tilted" in sentences["other/1.dcm", "other/2.dcm"]
    passed_over = [refusal for refusal in refusals if refusal.is_passed_over]
    assert {name for refusal in passed_over for name in refusal.files} == {"mr.dcm", "localizer.dcm", "cut/frames.dcm"}
    told = [name for refusal in refusals for name in refusal.files]
    assert sorted(told) == sorted(files.keys() - {"CT/0.dcm", "CT/1.dcm", "CT/2.dcm"})
    everything = f"{refusals} {scan.checks} {scan.removed} {scan.facts}"
    assert "张" not in everything
    assert "Zhang" not in everything
