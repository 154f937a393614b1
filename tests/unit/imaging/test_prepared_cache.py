"""The cache of prepared scans: what comes back, what makes a new entry, and what happens to a damaged one."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fedlung.errors import BadScan
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.metaimage import write_metaimage
from fedlung.imaging.prepared_cache import forget_prepared, open_prepared
from fedlung.imaging.preprocessing import PreparedScan, Recipe
from fedlung.imaging.volume import CTVolume

FLIPPED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)


def _write_scan(path: Path, seed: int = 0) -> Path:
    """Soft tissue with noise, no lungs: a small scan whose prepared form has a warning."""
    voxels = np.random.default_rng(seed).integers(0, 100, size=(12, 15, 18), dtype=np.int16)
    geometry = Geometry(voxels.shape, (2.0, 1.5, 1.5), (3.0, -4.0, 5.0), FLIPPED)
    write_metaimage(path, CTVolume(path.stem, voxels, geometry))
    return path


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    return _write_scan(tmp_path / "1.2.3.mhd")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "prepared"


def _assert_equal(found: PreparedScan, expected: PreparedScan) -> None:
    assert found.series_uid == expected.series_uid
    assert found.geometry == expected.geometry
    assert found.hu_zyx.dtype == expected.hu_zyx.dtype
    np.testing.assert_array_equal(found.hu_zyx, expected.hu_zyx)
    assert found.search_zyx.dtype == expected.search_zyx.dtype
    np.testing.assert_array_equal(found.search_zyx, expected.search_zyx)
    assert found.lung_volume_l == expected.lung_volume_l
    assert found.warnings == expected.warnings
    assert found.warnings


def test_a_scan_comes_back_from_the_cache_as_it_was_prepared(scan: Path, cache: Path):
    expected = open_prepared(scan, None)
    _assert_equal(open_prepared(scan, cache), expected)
    (entry,) = cache.iterdir()
    made = (entry / "hu.npy").stat().st_mtime_ns
    again = open_prepared(scan, cache)
    _assert_equal(again, expected)
    assert isinstance(again.hu_zyx, np.memmap)
    assert (entry / "hu.npy").stat().st_mtime_ns == made
    assert list(cache.iterdir()) == [entry]


def test_a_cached_scan_is_not_prepared_again(scan: Path, cache: Path, monkeypatch: pytest.MonkeyPatch):
    open_prepared(scan, cache)

    def refuse(*arguments: object) -> PreparedScan:
        pytest.fail("the scan was prepared a second time")

    monkeypatch.setattr("fedlung.imaging.prepared_cache.prepare", refuse)
    open_prepared(scan, cache)


def test_without_a_cache_nothing_is_written(scan: Path, tmp_path: Path):
    before = sorted(tmp_path.rglob("*"))
    open_prepared(scan, None)
    assert sorted(tmp_path.rglob("*")) == before


def test_other_pixels_another_name_and_another_recipe_are_other_entries(scan: Path, cache: Path):
    open_prepared(scan, cache)
    _write_scan(scan, seed=1)
    changed = open_prepared(scan, cache)
    np.testing.assert_array_equal(changed.hu_zyx, open_prepared(scan, None).hu_zyx)
    assert len(list(cache.iterdir())) == 2
    assert open_prepared(_write_scan(scan.with_name("1.2.4.mhd"), seed=1), cache).series_uid == "1.2.4"
    assert len(list(cache.iterdir())) == 3
    assert open_prepared(scan, cache, Recipe(window_hu=(-1000, 50))).hu_zyx.max() == 50
    assert len(list(cache.iterdir())) == 4


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _other_shape(path: Path) -> None:
    np.save(path, np.load(path)[:-2])


def _other_type(path: Path) -> None:
    np.save(path, np.load(path).astype(np.float64))


def _half_of_the_facts(path: Path) -> None:
    facts = json.loads(path.read_text(encoding="utf-8"))
    del facts["geometry"]
    path.write_text(json.dumps(facts), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("hu.npy", _truncate),
        ("hu.npy", Path.unlink),
        ("hu.npy", lambda path: path.write_bytes(b"")),
        ("hu.npy", _other_shape),
        ("hu.npy", _other_type),
        ("search.npy", _truncate),
        ("search.npy", _other_shape),
        ("search.npy", _other_type),
        ("scan.json", _truncate),
        ("scan.json", _half_of_the_facts),
        ("scan.json", lambda path: path.write_text("[]", encoding="utf-8")),
        ("scan.json", lambda path: path.write_bytes(b"\xff")),
    ],
)
def test_a_damaged_entry_is_made_again(scan: Path, cache: Path, name, damage):
    expected = open_prepared(scan, None)
    open_prepared(scan, cache)
    (entry,) = cache.iterdir()
    damage(entry / name)
    _assert_equal(open_prepared(scan, cache), expected)
    assert list(cache.iterdir()) == [entry]
    made = (entry / "hu.npy").stat().st_mtime_ns
    _assert_equal(open_prepared(scan, cache), expected)  # sound again, and not made a third time
    assert (entry / "hu.npy").stat().st_mtime_ns == made


def test_an_entry_that_was_opened_before_it_was_made_again_stays_readable(scan: Path, cache: Path):
    opened = open_prepared(scan, cache)
    (entry,) = cache.iterdir()
    (entry / "scan.json").unlink()
    open_prepared(scan, cache)
    np.testing.assert_array_equal(opened.hu_zyx, open_prepared(scan, None).hu_zyx)


def test_hospitals_that_open_one_scan_at_once_share_one_entry(scan: Path, cache: Path):
    expected = open_prepared(scan, None)
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda _: open_prepared(scan, cache), range(16)))
    for found in opened:
        _assert_equal(found, expected)
    assert len(list(cache.iterdir())) == 1


def test_a_refused_scan_leaves_nothing_behind(scan: Path, cache: Path):
    scan.with_suffix(".raw").write_bytes(b"too short")
    with pytest.raises(BadScan):
        open_prepared(scan, cache)
    assert not cache.exists() or list(cache.iterdir()) == []


def test_a_missing_pixel_file_is_a_bad_scan(scan: Path, cache: Path):
    scan.with_suffix(".raw").unlink()
    with pytest.raises(BadScan):
        open_prepared(scan, cache)


def test_a_scan_that_is_deleted_is_forgotten_in_every_form(tmp_path: Path, scan: Path, cache: Path) -> None:
    other = _write_scan(tmp_path / "4.5.6.mhd", seed=1)
    kept = open_prepared(other, cache)
    mapped = open_prepared(scan, cache)
    open_prepared(scan, cache, Recipe(margin_mm=5.0))
    forget_prepared(scan, cache)
    assert len(list(cache.iterdir())) == 1
    _assert_equal(open_prepared(other, cache), kept)
    assert mapped.hu_zyx.shape == open_prepared(scan, None).hu_zyx.shape, "who has it mapped keeps reading it"
    forget_prepared(tmp_path / "not there.mhd", cache)
