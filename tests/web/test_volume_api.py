"""Voxels for the viewer: the served bytes are the scan in LPS order, whole, in ranges and in slabs."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage import write_metaimage
from fedlung.imaging.resampling import reorient_to_lps
from fedlung.imaging.volume import CTVolume
from fedlung.web.scans.volume_slabs import SLAB_SLICES, VolumeReader, VolumeSlabs
from fedlung.web.services import Services
from tests.upload_world import put_scan
from tests.web.conftest import SignedIn

SHAPE_ZYX = (37, 5, 6)
OBLIQUE = tuple(np.round(np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]), 6).ravel().tolist())
DIRECTIONS = {
    "as served": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    "x and y flipped": (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0),
    "z flipped": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0),
    "coronal": (1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0),
    "oblique": OBLIQUE,
}


def a_volume(direction: tuple[float, ...] = DIRECTIONS["as served"], name: str = "2.25.7") -> CTVolume:
    voxels = np.random.default_rng(0).integers(-1000, 1000, SHAPE_ZYX, dtype=np.int16)
    return CTVolume(name, voxels, Geometry(SHAPE_ZYX, (2.5, 0.75, 0.5), (10.0, -20.0, 30.0), direction))


def expected(volume: CTVolume) -> bytes:
    return reorient_to_lps(volume).voxels_zyx.astype("<i2").tobytes()


@pytest.fixture
def clinician(signed_in: SignedIn) -> FlaskClient:
    return signed_in("clinician_a")


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS.keys())
def test_served_voxels_lie_where_the_geometry_says(
    clinician: FlaskClient, services: Services, direction: tuple[float, ...]
) -> None:
    volume = a_volume(direction)
    put_scan(services.scans.hospital("hospital_a"), volume)
    scan = clinician.get("/api/scans/2.25.7").get_json()
    told = scan["geometry"]
    with clinician.get(scan["volume"]) as answer:
        served = np.frombuffer(answer.data, "<i2").reshape(told["shape_zyx"])
    slabs = [slab(clinician, number) for number in range(scan["slabs"])]
    assert b"".join(slabs) == served.tobytes() == expected(volume)
    assert all(len(each) == served[0].nbytes * SLAB_SLICES for each in slabs[:-1])

    index_xyz = np.array([1, 2, 3])
    direction_rows, spacing_xyz = np.array(told["direction_xyz"]), np.array(told["spacing_zyx_mm"])[::-1]
    world = np.array(told["origin_xyz_mm"]) + direction_rows @ (index_xyz * spacing_xyz)
    z, y, x = np.rint(volume.geometry.world_to_index(world)).astype(int)
    assert np.allclose(volume.geometry.index_to_world((z, y, x)), world)
    assert served[3, 2, 1] == volume.voxels_zyx[z, y, x]


def slab(browser: FlaskClient, number: int) -> bytes:
    with browser.get(f"/api/scans/2.25.7/volume?slab={number}") as answer:
        assert (answer.status_code, answer.headers["Content-Encoding"]) == (200, "gzip")
        assert int(answer.headers["Content-Length"]) == len(answer.data)
        return gzip.decompress(answer.data)


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 99), (59, 60), (123, 1001), (2000, 99999)])
def test_a_range_of_it(clinician: FlaskClient, services: Services, first: int, last: int) -> None:
    volume = a_volume(DIRECTIONS["x and y flipped"])
    put_scan(services.scans.hospital("hospital_a"), volume)
    whole = expected(volume)
    with clinician.get("/api/scans/2.25.7/volume", headers={"Range": f"bytes={first}-{last}"}) as answer:
        assert answer.status_code == 206
        assert answer.data == whole[first : last + 1]
        assert answer.headers["Content-Range"] == f"bytes {first}-{min(last, len(whole) - 1)}/{len(whole)}"
        etag = answer.headers["ETag"]
    with clinician.get("/api/scans/2.25.7/volume", headers={"Range": "bytes=0-9", "If-Range": etag}) as same:
        assert same.status_code == 206
    with clinician.get("/api/scans/2.25.7/volume", headers={"Range": "bytes=0-9", "If-Range": '"other"'}) as other:
        assert (other.status_code, len(other.data)) == (200, len(whole))


def test_a_range_outside_is_refused(clinician: FlaskClient, services: Services) -> None:
    put_scan(services.scans.hospital("hospital_a"), a_volume())
    size = len(expected(a_volume()))
    with clinician.get("/api/scans/2.25.7/volume", headers={"Range": f"bytes={size}-"}) as answer:
        assert answer.status_code == 416


@pytest.mark.parametrize("query", ["", "?slab=0"])
def test_the_browser_keeps_it_and_asks_whether_it_may(
    clinician: FlaskClient, services: Services, query: str, signed_in: SignedIn
) -> None:
    put_scan(services.scans.hospital("hospital_a"), a_volume())
    url = f"/api/scans/2.25.7/volume{query}"
    with clinician.get(url) as first:
        assert first.headers["Cache-Control"] == "private, no-cache"
        etag = first.headers["ETag"]
    with clinician.get(url, headers={"If-None-Match": etag}) as again:
        assert (again.status_code, again.data) == (304, b"")
    with signed_in("clinician_b").get(url, headers={"If-None-Match": etag}) as of_another_hospital:
        assert of_another_hospital.status_code == 404


@pytest.mark.parametrize("number", ["3", "-1", "x", "", "0x1", "1e0", "٣", "999999999"])
def test_there_are_so_many_slabs(clinician: FlaskClient, services: Services, number: str) -> None:
    put_scan(services.scans.hospital("hospital_a"), a_volume())
    answer = clinician.get(f"/api/scans/2.25.7/volume?slab={number}")
    assert answer.status_code == 422
    assert "0 to 2" in answer.get_json()["error"]["fields"]["slab"]


@pytest.mark.parametrize("suffix", [".mhd", ".mha"])
@pytest.mark.parametrize("compress", [False, True])
def test_every_form_on_disk(tmp_path: Path, suffix: str, compress: bool) -> None:
    volume = a_volume(DIRECTIONS["z flipped"])
    write_metaimage(tmp_path / f"scan{suffix}", volume, compress=compress)
    slabs = VolumeSlabs(tmp_path / "cache")
    opened = slabs.open(tmp_path / f"scan{suffix}", "key")
    assert VolumeReader(opened).read() == expected(volume)
    assert isinstance(opened.voxels_zyx.base, np.memmap | np.ndarray)
    packed = slabs.slab(tmp_path / f"scan{suffix}", "key", 2)
    assert gzip.decompress(packed.read_bytes()) == expected(volume)[2 * SLAB_SLICES * 5 * 6 * 2 :]
    stamp = packed.stat().st_mtime_ns
    assert slabs.slab(tmp_path / f"scan{suffix}", "key", 2).stat().st_mtime_ns == stamp, "packed once"


def test_the_oldest_slabs_go_when_there_are_too_many(tmp_path: Path) -> None:
    write_metaimage(tmp_path / "scan.mhd", a_volume())
    one_slab = len(gzip.compress(expected(a_volume())[: SLAB_SLICES * 60], 1))
    slabs = VolumeSlabs(tmp_path / "cache", limit_bytes=int(1.5 * one_slab))
    for key in ("first", "second", "third"):
        slabs.slab(tmp_path / "scan.mhd", key, 0)
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["second", "third"]


def test_reading_like_a_file(tmp_path: Path) -> None:
    volume = a_volume()
    whole, reader = expected(volume), VolumeReader(volume)
    rng = np.random.default_rng(1)
    for _ in range(50):
        start, count = (int(n) for n in rng.integers(0, len(whole) + 5, 2))
        reader.seek(start)
        assert reader.read(count) == whole[start : start + count]
        assert reader.tell() == max(start, min(start + count, len(whole))) or start > len(whole)


def test_a_scan_that_cannot_be_read_is_told(clinician: FlaskClient, services: Services, settings: Any) -> None:
    (settings.data / "hospital_a" / "scans" / "broken.mhd").write_text("NDims = 3\n")
    for query in ("", "?slab=0"):
        answer = clinician.get(f"/api/scans/broken/volume{query}")
        assert (answer.status_code, answer.get_json()["error"]["code"]) == (422, "bad_scan")
