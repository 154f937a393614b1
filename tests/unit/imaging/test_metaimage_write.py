"""Writing MetaImage files: whole or not at all, and nothing but voxels and geometry."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from fedlung.errors import BadScan, WrongArgument
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage import read_metaimage, write_metaimage
from fedlung.imaging.volume import CTVolume

GEOMETRY = Geometry((4, 3, 5), (2.5, 0.8, 0.7), (-10.0, 20.0, -30.0))
VOLUME = CTVolume("any name", np.arange(60, dtype=np.int16).reshape(4, 3, 5), GEOMETRY)
FORMATS = [(".mhd", False), (".mhd", True), (".mha", False), (".mha", True)]


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@contextmanager
def file_size_limit(num_bytes: int) -> Iterator[None]:
    """A disk that is full after ``num_bytes`` of any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    action = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, action)


@pytest.mark.parametrize(("suffix", "compress"), FORMATS)
def test_round_trip(tmp_path: Path, suffix: str, compress: bool) -> None:
    path = tmp_path / f"1.2.840.1{suffix}"
    write_metaimage(path, VOLUME, compress=compress)
    again = read_metaimage(path)
    assert again.series_uid == "1.2.840.1"
    assert np.array_equal(again.voxels_zyx, VOLUME.voxels_zyx)
    assert again.geometry == GEOMETRY
    pixel_files = [] if suffix == ".mha" else ["1.2.840.1.zraw" if compress else "1.2.840.1.raw"]
    assert names(tmp_path) == sorted([path.name, *pixel_files])


def test_a_view_with_strides_is_written_in_its_own_order(tmp_path: Path) -> None:
    voxels_zyx = np.arange(480, dtype=np.int16).reshape(8, 6, 10)[::-2, ::2, 1::2]
    write_metaimage(tmp_path / "scan.mhd", CTVolume("scan", voxels_zyx, GEOMETRY))
    assert np.array_equal(read_metaimage(tmp_path / "scan.mhd").voxels_zyx, voxels_zyx)


def test_the_header_holds_nothing_but_geometry(tmp_path: Path) -> None:
    write_metaimage(tmp_path / "scan.mhd", VOLUME)
    assert (tmp_path / "scan.mhd").read_text() == (
        "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = False\n"
        "TransformMatrix = 1.0 0.0 0.0 0.0 1.0 0.0 0.0 0.0 1.0\nOffset = -10.0 20.0 -30.0\nCenterOfRotation = 0 0 0\n"
        "ElementSpacing = 0.7 0.8 2.5\nDimSize = 5 3 4\nElementType = MET_SHORT\nElementDataFile = scan.raw\n"
    )


@pytest.mark.parametrize(("suffix", "compress"), FORMATS)
def test_writing_again_replaces_the_scan(tmp_path: Path, suffix: str, compress: bool) -> None:
    path = tmp_path / f"scan{suffix}"
    write_metaimage(path, VOLUME, compress=compress)
    smaller = CTVolume("b", np.full((1, 2, 2), 7, np.int16), Geometry((1, 2, 2), (1.0, 1.0, 1.0)))
    write_metaimage(path, smaller, compress=compress)
    assert read_metaimage(path).voxels_zyx.tolist() == smaller.voxels_zyx.tolist()


@pytest.mark.parametrize(("suffix", "compress"), FORMATS)
def test_a_full_disk_leaves_the_earlier_scan_and_no_litter(tmp_path: Path, suffix: str, compress: bool) -> None:
    path = tmp_path / f"scan{suffix}"
    write_metaimage(path, VOLUME, compress=compress)
    before = names(tmp_path)
    noise = np.random.default_rng(0).integers(-1000, 1000, (32, 32, 32), dtype=np.int16)
    larger = CTVolume("b", noise, Geometry((32, 32, 32), (1.0, 1.0, 1.0)))
    with file_size_limit(4096), pytest.raises(OSError, match="File too large"):
        write_metaimage(path, larger, compress=compress)
    assert names(tmp_path) == before
    assert np.array_equal(read_metaimage(path).voxels_zyx, VOLUME.voxels_zyx)


def test_the_header_is_the_last_file_to_appear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scan.mhd"
    write_metaimage(path, VOLUME)
    seen = []
    rename = Path.replace

    def watched(source: Path, target: Path) -> Path:
        seen.append((target.name, path.exists()))
        return rename(source, target)

    monkeypatch.setattr(Path, "replace", watched)
    write_metaimage(path, VOLUME)
    # While the new pixels take their place there is no header that could describe them wrongly.
    assert seen == [("scan.raw", False), ("scan.mhd", False)]


@pytest.mark.parametrize("name", ["scan.nii", "scan", "scan.MHD", "scan.raw"])
def test_another_suffix_is_a_wrong_argument(tmp_path: Path, name: str) -> None:
    with pytest.raises(WrongArgument, match=r"must end in \.mhd or \.mha"):
        write_metaimage(tmp_path / name, VOLUME)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "geometry", "field"),
    [
        ("scan.mhd", Geometry((4, 3, 5), (2.5, 0.8, 25.0)), "ElementSpacing"),
        ("scan.mha", Geometry((4, 3, 5), (2.5, 0.8, 0.7), (1e6, 0.0, 0.0)), "Offset"),
        ("a%d.mhd", GEOMETRY, "ElementDataFile"),
        (".mhd.mhd", GEOMETRY, "ElementDataFile"),
    ],
)
def test_nothing_is_written_that_could_not_be_read(tmp_path: Path, name: str, geometry: Geometry, field: str) -> None:
    with pytest.raises(BadScan, match=field):
        write_metaimage(tmp_path / name, CTVolume("scan", VOLUME.voxels_zyx, geometry))
    assert names(tmp_path) == []
