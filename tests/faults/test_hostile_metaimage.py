"""Hostile and broken MetaImage files: each is refused within a second, with one sentence that names the field,
and no other file is read. Memory is the business of ``test_metaimage_bombs``, random input of ``test_metaimage_fuzz``.

The cases are those that crash or fool MetaIO (Kitware/MetaIO issue 150) and the upload cases of OWASP ASVS 5.
"""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from fedlung.errors import BadScan
from fedlung.imaging.metaimage import read_metaimage
from tests.metaimage_header import FIELDS, VOXELS_ZYX, header

SECRET = b"root:x:0:0:a secret outside the folder" + bytes(202)  # as long as the voxels, so its size is no obstacle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A scan's folder that holds a good ``scan.raw``; a secret lies beside the folder."""
    folder = tmp_path / "upload"
    folder.mkdir()
    (folder / "scan.raw").write_bytes(VOXELS_ZYX.tobytes())
    assert len(SECRET) == VOXELS_ZYX.nbytes
    for secret in (tmp_path / "secret.raw", tmp_path / "secret"):
        secret.write_bytes(SECRET)
    return folder


def reason(path: Path, pixel_path: Path | None = None) -> str:
    """Why a scan is refused: one line, within a second."""
    start = time.perf_counter()
    with pytest.raises(BadScan) as refusal:
        read_metaimage(path, pixel_path)
    assert time.perf_counter() - start < 1
    message = str(refusal.value)
    assert message.isprintable()
    assert message.startswith(f"{path.name}: ")
    assert len(message) < 300
    assert "secret outside" not in message
    return message.removeprefix(f"{path.name}: ")


def refused(folder: Path, content: str | bytes) -> str:
    path = folder / "scan.mhd"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return reason(path)


def test_the_unchanged_scan_is_good(folder: Path) -> None:
    (folder / "scan.mhd").write_text(header())
    assert np.array_equal(read_metaimage(folder / "scan.mhd").voxels_zyx, VOXELS_ZYX)


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "{outside}/secret.raw",
        "../secret.raw",
        "./scan.raw",
        "..",
        ".raw",
        "..\\secret.raw",
        "C:\\secret.raw",
        "http://example.org/scan.raw",
        "file:///etc/passwd",
        "LIST",
        "LIST 3",
        "scan%03d.raw 1 4 1",
        "%2e%2e%2fsecret.raw",
        "..%c0%afsecret.raw",
        "\uff0e\uff0e\uff0fsecret.raw",
        "\u2025/secret.raw",
        "scan.raw | id",
        "$(id).raw",
        "~/scan.raw",
        "scan.txt",
        "scan.mhd",
        "scan",
        "",
        pytest.param("a" * 300 + ".raw", id="long name"),
    ],
)
def test_only_a_plain_pixel_file_name_is_accepted(folder: Path, name: str) -> None:
    message = refused(folder, header(ElementDataFile=name.replace("{outside}", str(folder.parent))))
    assert message.startswith("ElementDataFile must be LOCAL or a plain .raw or .zraw file name")


@pytest.mark.parametrize("kind", ["link", "link in place", "folder", "pipe", "socket", "missing", "long name"])
@pytest.mark.parametrize("role", ["pixels", "header"])
def test_only_a_regular_file_is_opened(folder: Path, kind: str, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "scan.mhd").write_text(header(ElementDataFile="strange.raw"))
    strange = folder / ("strange.raw" if role == "pixels" else "strange.mhd")
    if kind.startswith("link"):
        strange.symlink_to(folder.parent / "secret.raw" if kind == "link" else folder / "scan.raw")
    elif kind == "folder":
        strange.mkdir()
    elif kind == "pipe":
        os.mkfifo(strange)
    elif kind == "socket":
        monkeypatch.chdir(folder)  # a socket's path is limited to about a hundred bytes
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(strange.name)
    elif kind == "long name":
        strange = folder / ("病" * 150 + strange.suffix)
    message = reason(folder / "scan.mhd", strange) if role == "pixels" else reason(strange)
    assert "regular file" in message or "is missing" in message or "cannot be opened" in message


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null"])
def test_a_device_is_not_read(folder: Path, device: str) -> None:
    (folder / "scan.mhd").write_text(header())
    assert "must be a regular file" in reason(folder / "scan.mhd", Path(device))
    assert "must be a regular file" in reason(Path(device))


HUGE = str(2**32)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("NDims", value) for value in ("-1", "0", "2", "4", "99", "1000", "100000", "3.0", "\uff13", "", "3 3")),
        *(("DimSize", f"{value} 5 4") for value in ("0", "-6", "2049", "60000", HUGE, str(2**63), "6.0")),
        *(("DimSize", value) for value in ("2048 2048 2048", "6 5", "6 5 4 1", "", "6 5 x", "6 5 nan", "1_0 5 4")),
        *(("ElementNumberOfChannels", value) for value in ("3", "0", "-1", "1000000000")),
        *(("ElementSpacing", f"0.7 {value} 2.5") for value in ("0", "-0.7", "nan", "inf", "1e-300", "1e999", "0.01")),
        *(("ElementSpacing", value) for value in ("0.7 0.7", "0.7 0.7 2,5", "", "1 1 1 1", "21 1 1")),
        *(("Offset", f"{value} 0 0") for value in ("1e30", "-1e30", "nan", "inf", "x", "1e99999")),
        pytest.param("DimSize", "9" * 5000 + " 5 4", id="DimSize of 5000 digits"),
        pytest.param("ElementSpacing", "1" * 60000, id="ElementSpacing of 60000 digits"),
        ("TransformMatrix", "1 0 0 0 1 0 0 0 0"),
        ("TransformMatrix", "2 0 0 0 1 0 0 0 1"),
        ("TransformMatrix", "1 0.5 0 0 1 0 0 0 1"),
        ("TransformMatrix", "0 0 0 0 0 0 0 0 0"),
        ("TransformMatrix", "nan 0 0 0 1 0 0 0 1"),
        ("TransformMatrix", "1e200 0 0 0 1e200 0 0 0 1e200"),
        ("TransformMatrix", "1 0 0 1"),
        ("CenterOfRotation", "1 0 0"),
        ("CenterOfRotation", "nan 0 0"),
        *(("ElementType", value) for value in ("MET_DOUBLE", "MET_STRING", "MET_SHORT_ARRAY", "SHORT", "", "i2")),
        *(("CompressedData", value) for value in ("Maybe", "", "1")),
        *(("CompressedDataSize", value) for value in ("-x", "1e6", "")),
        ("BinaryData", "False"),
        ("BinaryDataByteOrderMSB", "Middle"),
        ("ObjectType", "Tube"),
        ("Modality", "MET_MOD_MR"),
    ],
)
def test_a_wrong_value_names_its_field(folder: Path, field: str, value: str) -> None:
    assert refused(folder, header(**{field: value})).startswith(f"{field} must be ")


@pytest.mark.parametrize("field", ["NDims", "DimSize", "ElementSpacing", "ElementType", "ElementDataFile"])
def test_what_decides_the_meaning_of_voxels_is_never_guessed(folder: Path, field: str) -> None:
    assert refused(folder, header(without=field)) == f"{field} is missing"


@pytest.mark.parametrize("field", ["HeaderSize", "ElementToIntensityFunctionSlope", "DistanceUnits", "ndims", ""])
def test_an_unknown_field_is_named(folder: Path, field: str) -> None:
    assert refused(folder, header(**{field: "1"})) == f"the field {field!r} is unknown"


@pytest.mark.parametrize(
    ("field", "again"),
    [("DimSize", "DimSize"), ("Offset", "Position"), ("TransformMatrix", "Rotation"), ("Comment", "Comment")],
)
def test_a_field_may_not_be_given_twice(folder: Path, field: str, again: str) -> None:
    doubled = f"{field} = {FIELDS.get(field, 'x')}\n" + f"{again} = {FIELDS.get(field, 'x')}\n"
    assert refused(folder, doubled + header(without=field)) == f"{field} appears twice"


NO_HEADERS = {
    "empty": (b"", "ElementDataFile is missing"),
    "one newline": (b"\n", "ElementDataFile is missing"),
    "byte order mark": (b"\xef\xbb\xbf", "ElementDataFile is missing"),
    "one byte": (b"x", "not a MetaImage header"),
    "one zero byte": (b"\x00", "not a MetaImage header"),
    "zero byte in a name": (header(ElementDataFile="scan.raw\0.txt").encode(), "not a MetaImage header"),
    "program": (b"MZ\x90\x00\x03\x00\x00\x00", "not a MetaImage header"),
    "html": (b"<!doctype html>\n<html>", "not a MetaImage header"),
    "every byte": (bytes(range(256)) * 8, "not a MetaImage header"),
    "utf-16": (header().encode("utf-16"), "not a MetaImage header"),
    "gb18030": (header(Comment="病人").encode("gb18030"), "not a MetaImage header"),
    "one long line": (b"\xff" * 70000, "longer than 65536 bytes"),
    "empty lines": (b"\n" * 70000, "longer than 65536 bytes"),
    "long comment": (header(Comment="x" * 70000).encode(), "longer than 65536 bytes"),
    "many lines": (b"Comment = x\n" * 20000, "Comment appears twice"),
    "field after the last": (header().encode() + b"DimSize = 1 1 1\n", "must be the last line"),
    "endless after the last": (header().encode() + b"\n" * 70000, "must be the last line"),
}


@pytest.mark.parametrize("case", NO_HEADERS)
def test_what_is_no_header_is_refused(folder: Path, case: str) -> None:
    content, message = NO_HEADERS[case]
    assert message in refused(folder, content)


@pytest.mark.parametrize("num_bytes", [0, 1, 239, 241, 480])
@pytest.mark.parametrize("local", [False, True])
def test_pixels_of_another_length_are_refused_with_both_lengths(folder: Path, num_bytes: int, local: bool) -> None:
    pixels = (VOXELS_ZYX.tobytes() * 2)[:num_bytes]
    (folder / "scan.raw").write_bytes(pixels)
    name = "LOCAL" if local else "scan.raw"
    message = refused(folder, header(ElementDataFile=name).encode() + (pixels if local else b""))
    assert message == f"DimSize and ElementType ask for 240 pixel bytes, got {num_bytes}"
