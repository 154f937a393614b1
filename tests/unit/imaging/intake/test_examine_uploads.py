"""One scan in every form comes to the same voxels and the same digest; what is kept of headers, and what is not."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedlung.imaging.intake.deidentify import patient_key, uid_remapper
from fedlung.imaging.intake.examine import ExaminedScan, examine, examine_volume
from fedlung.imaging.intake.lung_files import load_lungs, save_lungs
from fedlung.imaging.intake.scan_facts import ScanFacts
from fedlung.imaging.intake.uploaded_files import RefusedFiles
from fedlung.imaging.lungs import LungMask
from fedlung.imaging.metaimage import read_metaimage, write_metaimage
from fedlung.imaging.volume import CTVolume
from tests.crafted_archives import zipped
from tests.dicom_slices import PATIENT, SERIES, ct_slice, save
from tests.intake_world import HOSPITAL, RAW, REMAP, ROOM, SECRET, VOXELS_ZYX, examined, header, nifti, sent

LOCAL = header(ElementDataFile="LOCAL") + RAW
REAL = Path(__file__).resolve().parents[4] / "../shared/data/real_ct"


def dicom_files(folder: Path, **changes: object) -> dict[str, bytes]:
    """The common scan as slices, its rows stored with an intercept."""
    files = {}
    for z, plane in enumerate(VOXELS_ZYX):
        rows, columns = plane.shape
        dataset = ct_slice(z, Rows=rows, Columns=columns, PixelSpacing=[0.7, 0.7], **changes)
        dataset.PixelData = (plane + 1024).astype("<u2").tobytes()
        save(dataset, folder / "made" / f"{z}")
        files[f"CT chest/IM{z}"] = (folder / "made" / f"{z}").read_bytes()
    return files


def one(folder: Path, files: dict[str, bytes]) -> ExaminedScan:
    folder.mkdir(exist_ok=True)
    (scan,), refusals = examined(folder, files)
    assert refusals == []
    return scan


def test_one_scan_in_every_form_has_one_digest(tmp_path: Path) -> None:
    forms: dict[str, dict[str, bytes]] = {
        "pair": {"scan.mhd": header(), "scan.raw": RAW},
        "mha": {"scan.mha": LOCAL},
        "nii": {"scan.nii.gz": gzip.compress(nifti())},
        "zip": {"scans.zip": zipped({"a/scan.mhd": header(), "a/scan.raw": RAW})},
        "dicom": dicom_files(tmp_path),
    }
    scans = {form: one(tmp_path / form, files) for form, files in forms.items()}
    assert len({scan.voxels_sha256 for scan in scans.values()}) == 1
    assert {form: scan.facts.source for form, scan in scans.items()} == {
        "pair": "metaimage",
        "mha": "metaimage",
        "nii": "nifti",
        "zip": "metaimage",
        "dicom": "dicom",
    }
    assert {scans[form].volume.series_uid for form in ("pair", "mha", "nii", "zip")} == {REMAP("scan")}
    assert scans["dicom"].volume.series_uid == REMAP(SERIES)
    assert len(scans["dicom"].dicom_files) == len(VOXELS_ZYX)
    assert all(scan.dicom_files == () for form, scan in scans.items() if form != "dicom")


def test_a_flipped_copy_is_the_same_scan_and_another_one_is_not(tmp_path: Path) -> None:
    flipped = np.ascontiguousarray(VOXELS_ZYX[:, ::-1, ::-1]).tobytes()
    turned = header(ElementDataFile="LOCAL", TransformMatrix="-1 0 0 0 -1 0 0 0 1") + flipped
    changed = header(ElementDataFile="LOCAL") + (VOXELS_ZYX + 1).tobytes()
    reshaped = header(ElementDataFile="LOCAL", DimSize="18 8 8") + RAW
    plain, same, *others = [
        one(tmp_path / str(number), {"scan.mha": content}).voxels_sha256
        for number, content in enumerate((LOCAL, turned, changed, reshaped))
    ]
    assert same == plain
    assert plain not in others


def test_what_a_dicom_header_leaves_behind(tmp_path: Path) -> None:
    scan = one(
        tmp_path / "upload",
        dicom_files(
            tmp_path,
            StudyDate="20260131",
            Manufacturer="GE MEDICAL SYSTEMS",
            ManufacturerModelName="LightSpeed Plus",
            SliceThickness="1.25",
            ConvolutionKernel=["STANDARD", "B"],
            InstitutionName="First Hospital",
            BurnedInAnnotation="YES",
            PatientSex="",
        ),
    )
    facts = scan.facts
    assert (facts.study_date, facts.manufacturer, facts.model_name) == (
        "2026-01-31",
        "GE MEDICAL SYSTEMS",
        "LightSpeed Plus",
    )
    assert (facts.slice_thickness_mm, facts.kernel, facts.burnt_in) == (1.25, "STANDARD/B", True)
    assert facts.patient_id == PATIENT
    assert PATIENT not in repr(facts)
    assert SERIES not in repr(facts)
    removed = {"InstitutionName", "PatientID", "PatientName", "SeriesInstanceUID"}
    assert set(scan.removed) == removed  # PatientSex is empty, so there was nothing to remove
    assert scan.original_name == "CT chest"


def test_what_a_metaimage_header_leaves_behind(tmp_path: Path) -> None:
    scan = one(tmp_path, {"Zhang San.mha": b"Comment = Zhang San 1970\n0010|0010 = Zhang^San\n" + LOCAL})
    assert scan.removed == ("Comment", "0010|0010")
    write_metaimage(tmp_path / "stored.mhd", scan.volume)
    assert b"Zhang" not in (tmp_path / "stored.mhd").read_bytes()
    assert np.array_equal(read_metaimage(tmp_path / "stored.mhd").voxels_zyx, VOXELS_ZYX)


def test_uids_are_remapped_by_a_secret() -> None:
    """The same for the same, another for everything else, and valid: DICOM PS3.5 section 9.1."""
    original = "1.3.6.1.4.1.14519.5.2.1"
    assert REMAP(original) == uid_remapper(SECRET, HOSPITAL)(original)
    others = [uid_remapper(SECRET, "b"), uid_remapper(b"x", HOSPITAL)]
    uids = {REMAP(original), REMAP(original + "1"), *(remap(original) for remap in others)}
    assert len(uids) == 4
    assert all(len(uid) <= 64 and uid.startswith("2.25.") and not uid.startswith("2.25.0") for uid in uids)
    assert (
        patient_key(SECRET, HOSPITAL, "7") == patient_key(SECRET, HOSPITAL, "7") != patient_key(SECRET, HOSPITAL, "8")
    )
    assert patient_key(SECRET, HOSPITAL, "") == ""
    assert patient_key(SECRET, "ab", "c") != patient_key(SECRET, "a", "bc")


def test_archives_from_chinese_and_old_windows(tmp_path: Path) -> None:
    """Names in GB18030 without a flag, backslashes between folders, and what systems leave lying about."""
    name = "病人\\扫描.mhd".encode("gb18030")
    content = zipped({"x" * len(name): header(ElementDataFile="扫描.raw"), "病人/扫描.raw": RAW, "__MACOSX/._a": b"x"})
    content = content.replace(b"x" * len(name), name)
    scan = one(tmp_path, {"scans.zip": content})
    assert scan.original_name == "scans.zip/病人/扫描.mhd"


def test_a_pair_is_found_whatever_the_case_and_the_accents(tmp_path: Path) -> None:
    files = {"A/Scan.MHD": header(ElementDataFile="SCAN\u00e9.RAW"), "A/scane\u0301.raw": RAW}
    assert np.array_equal(one(tmp_path, files).volume.voxels_zyx, VOXELS_ZYX)


def test_one_pixel_file_belongs_to_one_header(tmp_path: Path) -> None:
    (scan,), (refusal,) = examined(tmp_path, {"a.mhd": header(), "b.mhd": header(), "scan.raw": RAW})
    assert scan.original_name == "a.mhd"
    assert refusal.sentence == "b.mhd: its pixel file 'scan.raw' belongs to another header"


def test_notes_beside_a_scan_are_passed_over(tmp_path: Path) -> None:
    (scan,), refusals = examined(tmp_path, {"scan.mha": LOCAL, "readme.txt": b"x", "annotations.csv": b"a,b"})
    assert all(refusal.is_passed_over for refusal in refusals)
    assert {name for refusal in refusals for name in refusal.files} == {"readme.txt", "annotations.csv"}
    assert scan.original_name == "scan.mha"


def test_a_bad_archive_does_not_spoil_a_good_one(tmp_path: Path) -> None:
    """A member that turns out to be damaged after others were written: they are gone, and their numbers free."""
    bad = bytearray(zipped({"first.raw": RAW, "second.raw": RAW[:-1]}, zipfile.ZIP_STORED))
    bad[bad.rindex(RAW[:-1])] ^= 1
    files = {"bad.zip": bytes(bad), "good.zip": zipped({"scan.mhd": header(), "scan.raw": RAW})}
    (scan,), (refusal,) = examined(tmp_path, files)
    assert refusal.files == ("bad.zip",)
    assert np.array_equal(scan.volume.voxels_zyx, VOXELS_ZYX)
    written = [path for path in (tmp_path / "workspace").rglob("*") if path.is_file()]
    assert len(written) == len(files) + 2


def test_progress_grows_to_one_and_scans_come_one_by_one(tmp_path: Path) -> None:
    told: list[float] = []
    files = sent(tmp_path, {"a.mha": LOCAL, "b.mha": LOCAL, "c.txt": b"x"})
    (tmp_path / "workspace").mkdir()
    results = examine(
        files,
        tmp_path / "workspace",
        remap=REMAP,
        max_unpacked_bytes=ROOM,
        on_progress=lambda stage, share: told.append(share),
    )
    assert isinstance(next(results), RefusedFiles)
    assert isinstance(next(results), ExaminedScan)
    half = max(told)
    assert half < 1
    assert [type(result) for result in results] == [ExaminedScan]
    assert told == sorted(told)
    assert told[-1] == 1


def test_lungs_are_kept_in_a_small_file(tmp_path: Path) -> None:
    scan = examine_volume(read(LOCAL, tmp_path), ScanFacts("folder", "scan"))
    mask = np.random.default_rng(0).random(scan.lungs.mask_zyx.shape) < 0.5
    lungs = LungMask(mask, scan.lungs.geometry, 1.5)
    save_lungs(tmp_path / "lungs.npz", lungs)
    loaded = load_lungs(tmp_path / "lungs.npz")
    assert loaded is not None
    assert np.array_equal(loaded.mask_zyx, mask)
    assert loaded.geometry == lungs.geometry
    for content in (b"", b"PK\3\4", (tmp_path / "lungs.npz").read_bytes()[:-30]):
        (tmp_path / "damaged.npz").write_bytes(content)
        assert load_lungs(tmp_path / "damaged.npz") is None
    save_lungs(tmp_path / "failed.npz", LungMask(mask, lungs.geometry, 1.5, "no lungs were found"))
    assert load_lungs(tmp_path / "failed.npz") is None


def read(content: bytes, folder: Path) -> CTVolume:
    (folder / "scan.mha").write_bytes(content)
    return read_metaimage(folder / "scan.mha")


def test_the_picture_shows_the_patients_right_on_the_left(tmp_path: Path) -> None:
    """A bright corner at the patient's right, front and feet, stored turned: the picture has to turn it back."""
    voxels = np.full((20, 30, 40), -1350, "<i2")
    voxels[:11, 10:, 20:] = 150  # x and y are stored backwards: high indices are right and front
    fields = {"ElementDataFile": "LOCAL", "TransformMatrix": "-1 0 0 0 -1 0 0 0 1", "DimSize": "40 30 20"}
    fields["ElementSpacing"] = "1 1 2"
    picture = Image.open(io.BytesIO(one(tmp_path, {"scan.mha": header(**fields) + voxels.tobytes()}).thumbnail_png))
    shades = np.asarray(picture).astype(int)
    assert picture.height == 256
    coronal, axial = shades[:, :256], shades[32:224, 260:]
    assert (coronal[200, 50], coronal[200, 200], coronal[50, 50]) == (255, 0, 0)  # feet are below, right is left
    assert axial.shape == (192, 256)
    assert (axial[40, 50], axial[40, 200], axial[150, 50]) == (255, 0, 0)  # the front is above


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="real scans are not here")
def test_a_real_scan_as_metaimage_and_as_dicom(tmp_path: Path) -> None:
    mhd = next((REAL / "scans/LIDC-IDRI-0005").glob("*.mhd"))
    pair = {path.name: path.read_bytes() for path in (mhd, mhd.with_suffix(".zraw"))}
    stored = one(tmp_path / "pair", pair)
    series = one(tmp_path / "dicom", {"case.zip": (REAL / "dicom/LIDC-IDRI-0005.zip").read_bytes()})
    assert stored.voxels_sha256 == series.voxels_sha256
    assert stored.volume.series_uid == series.volume.series_uid == REMAP(mhd.stem)
    assert all(check.level == "ok" for scan in (stored, series) for check in scan.checks)
    assert series.facts.manufacturer == "GE MEDICAL SYSTEMS"
    partial = next((REAL / "unlabelled/lungfcp_01_0006_partial").glob("*.mhd"))
    piece = one(tmp_path / "piece", {p.name: p.read_bytes() for p in (partial, partial.with_suffix(".zraw"))})
    assert not piece.is_usable
