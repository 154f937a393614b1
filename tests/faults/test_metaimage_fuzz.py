"""Any bytes as a MetaImage file: a volume or a ``BadScan`` comes of them, nothing else."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedlung.errors import BadScan
from fedlung.imaging.metaimage import read_metaimage
from tests.metaimage_header import FIELDS, VOXELS_ZYX, header


def read_or_refuse(path: Path, content: bytes) -> bool:
    """Whether a scan is good; anything but a sound volume or a ``BadScan`` of one line fails the test."""
    path.write_bytes(content)
    try:
        volume = read_metaimage(path)
    except BadScan as error:
        refusal = str(error)
    else:
        assert volume.voxels_zyx.shape == volume.geometry.shape_zyx
        return True
    assert refusal.isprintable()
    return False


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where scans go; a good ``scan.raw`` is beside them."""
    (tmp_path / "scan.raw").write_bytes(VOXELS_ZYX.tobytes())
    return tmp_path / "scan.mhd"


GOOD = header().encode()
GOOD_LOCAL = header(ElementDataFile="LOCAL", CompressedData="True").encode() + zlib.compress(VOXELS_ZYX.tobytes())
junk = st.binary(max_size=30)
numbers = st.lists(st.one_of(st.integers().map(str), st.floats().map(str), st.text(max_size=5)), max_size=10)
FUZZ = settings(
    max_examples=400,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def test_the_good_files_are_good(path: Path) -> None:
    assert read_or_refuse(path, GOOD)
    assert read_or_refuse(path, GOOD_LOCAL)


@FUZZ
@given(content=st.binary(max_size=400))
def test_fuzz_random_bytes(path: Path, content: bytes) -> None:
    read_or_refuse(path, content)


@FUZZ
@given(good=st.sampled_from([GOOD, GOOD_LOCAL]), cut=st.integers(0, 600), drop=st.integers(0, 20), put=junk)
def test_fuzz_mutated_good_files(path: Path, good: bytes, cut: int, drop: int, put: bytes) -> None:
    cut %= len(good)
    read_or_refuse(path, good[:cut] + put + good[cut + drop :])


@FUZZ
@given(name=st.sampled_from([*FIELDS]), value=st.one_of(st.text(max_size=60), numbers.map(" ".join)))
def test_fuzz_field_values(path: Path, name: str, value: str) -> None:
    read_or_refuse(path, header(**{name: value}).encode("utf-8", "surrogatepass"))
