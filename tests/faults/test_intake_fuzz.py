"""Any bytes as an upload or as annotations: a scan, a refusal or ``BadAnnotations`` comes of them, nothing else."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlung.errors import BadAnnotations
from fedlung.imaging.geometry import Geometry
from fedlung.imaging.intake.annotation_import import ScanPlace, read_annotation_file
from tests.crafted_archives import zipped
from tests.intake_world import RAW, examined, header, nifti
from tests.packed_dicom import slice_file

GOOD = {
    "scans.zip": zipped({"a/scan.mhd": header(), "a/scan.raw": RAW, "b/": b""}),
    "scan.nii": nifti(),
    "scan.nii.gz": gzip.compress(nifti(), mtime=0),
    "1.dcm": slice_file(),
}
PLACE = ScanPlace(Geometry((20, 20, 20), (1.0, 1.0, 1.0)))
POINT = b"<edgeMap><xCoord>3</xCoord><yCoord>4</yCoord></edgeMap>"
XML = (
    b"<m><SeriesInstanceUid>1.2</SeriesInstanceUid><readingSession><unblindedReadNodule><roi><imageZposition>5"
    b"</imageZposition>" + POINT * 3 + b"</roi></unblindedReadNodule></readingSession></m>"
)
CSV = b"seriesuid,coordX,coordY,coordZ,diameter_mm\n1.2,3,4,5,6\n1.2,-3,4,5,-1\n"
FUZZ = settings(max_examples=300, deadline=None, database=None, derandomize=True)


def outcome(name: str, content: bytes) -> int:
    """How many scans come of a file; every result is told in one line."""
    with tempfile.TemporaryDirectory() as folder:
        scans, refusals = examined(Path(folder), {name: content})
        for refusal in refusals:
            assert refusal.sentence.isprintable()
            assert len(refusal.sentence) < 400
        assert scans or refusals
        return len(scans)


def findings(name: str, content: bytes) -> int | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            return read_annotation_file(path, name, scans={"1.2": PLACE}, remap=str).matched
        except BadAnnotations:
            return None


def test_the_good_files_are_good() -> None:
    assert {name: outcome(name, content) for name, content in GOOD.items()} == {**dict.fromkeys(GOOD, 1), "1.dcm": 0}
    assert (findings("a.xml", XML), findings("a.csv", CSV)) == (1, 1)


@FUZZ
@given(name=st.sampled_from([*GOOD]), cut=st.integers(0, 3000), drop=st.integers(0, 12), put=st.binary(max_size=12))
def test_fuzz_uploads(name: str, cut: int, drop: int, put: bytes) -> None:
    good = GOOD[name]
    cut %= len(good)
    outcome(name, good[:cut] + put + good[cut + drop :])


@FUZZ
@given(place=st.integers(1, 300), value=st.integers(0, 255))
def test_fuzz_the_end_of_an_archive(place: int, value: int) -> None:
    """The table of contents decides about everything else."""
    content = bytearray(GOOD["scans.zip"])
    content[-place % len(content)] = value
    outcome("scans.zip", bytes(content))


@FUZZ
@given(place=st.integers(0, 351), value=st.integers(0, 255))
def test_fuzz_nifti_headers(place: int, value: int) -> None:
    content = bytearray(GOOD["scan.nii"])
    content[place] = value
    outcome("scan.nii", bytes(content))


@pytest.mark.parametrize("name", ["a.xml", "a.csv"])
@FUZZ
@given(
    cut=st.integers(0, 600), drop=st.integers(0, 12), put=st.one_of(st.binary(max_size=8), st.text().map(str.encode))
)
def test_fuzz_annotations(name: str, cut: int, drop: int, put: bytes) -> None:
    good = XML if name == "a.xml" else CSV
    cut %= len(good)
    findings(name, good[:cut] + put + good[cut + drop :])
