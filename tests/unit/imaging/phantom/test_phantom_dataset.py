from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from fedlung.command_line import DONE, WRONG_ARGUMENTS, run_command
from fedlung.errors import WrongArgument
from fedlung.imaging.annotations import read_findings
from fedlung.imaging.metaimage import read_metaimage
from fedlung.imaging.phantom import hospital_id, make_phantom, write_hospitals
from fedlung.imaging.phantom.__main__ import main

SCALE = 0.25


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_hospitals_are_lettered() -> None:
    assert [hospital_id(index) for index in (0, 1, 25, 26, 27, 52)] == [
        "hospital_a",
        "hospital_b",
        "hospital_z",
        "hospital_aa",
        "hospital_ab",
        "hospital_ba",
    ]


def test_what_is_written_is_what_was_made(tmp_path: Path) -> None:
    told = []
    (tmp_path / "hospital_a").mkdir()  # an empty folder is no obstacle
    made = write_hospitals(tmp_path, 2, 1, 5, workers=1, scale=SCALE, on_scan=lambda *news: told.append(news))
    assert told == [("hospital_a", 1), ("hospital_b", 1)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hospital_a", "hospital_b"]
    for index, summary in enumerate(made):
        folder = tmp_path / summary.hospital_id
        phantom = make_phantom(index, 0, 5, scale=SCALE)
        [header] = (folder / "scans").glob("*.mhd")
        assert header.stem == phantom.volume.series_uid
        volume = read_metaimage(header)
        np.testing.assert_array_equal(volume.voxels_zyx, phantom.volume.voxels_zyx)
        np.testing.assert_allclose(volume.geometry.origin_xyz_mm, phantom.volume.geometry.origin_xyz_mm)
        assert volume.geometry.direction_xyz == phantom.volume.geometry.direction_xyz
        findings = read_findings(folder / "annotations.csv")
        assert len(findings) == summary.nodules == len(phantom.findings)
        for read, expected in zip(findings, phantom.findings, strict=True):
            np.testing.assert_allclose(read.center_xyz_mm, expected.center_xyz_mm, atol=1e-8)
        excluded = read_findings(folder / "annotations_excluded.csv", excluded=True)
        assert [item.diameter_mm for item in excluded] == [-1.0] * len(phantom.excluded)


@pytest.mark.slow
def test_the_files_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    for name, workers in (("one", 1), ("two", 2)):
        write_hospitals(tmp_path / name, 1, 2, 0, workers=workers, scale=SCALE)
    assert digests(tmp_path / "one") == digests(tmp_path / "two") != {}


def test_a_hospital_that_is_there_is_left_alone(tmp_path: Path) -> None:
    kept = tmp_path / "hospital_b" / "notes.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    with pytest.raises(WrongArgument, match="hospital_b is there and not empty"):
        write_hospitals(tmp_path, 2, 1, 0, workers=1, scale=SCALE)
    assert [path.name for path in tmp_path.iterdir()] == ["hospital_b"]


def test_an_interrupted_run_leaves_no_hospital(tmp_path: Path) -> None:
    def stop(hospital: str, done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_hospitals(tmp_path, 1, 2, 0, workers=1, scale=SCALE, on_scan=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--scans", "0"], "scans"),
        (["--hospitals", "-1"], "hospitals"),
        (["--seed", "-3"], "seed"),
        (["--workers", "0"], "workers"),
    ],
)
def test_wrong_counts_are_refused_in_one_line(
    arguments: list[str], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(main, ["--out", str(tmp_path / "new"), *arguments]) == WRONG_ARGUMENTS
    error = capsys.readouterr().err.strip()
    assert named in error
    assert "\n" not in error
    assert not (tmp_path / "new").exists()


def test_out_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert run_command(main, ["--out", str(tmp_path / "file")]) == WRONG_ARGUMENTS


@pytest.mark.slow
def test_the_command_tells_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--out", str(tmp_path / "new"), "--hospitals", "1", "--scans", "1", "--workers", "1"]
    assert run_command(main, arguments) == DONE
    rows = read_findings(tmp_path / "new" / "hospital_a" / "annotations.csv")
    assert capsys.readouterr().out == f"hospital_a: 1 scans, {len(rows)} nodules\n"
