"""What a good MetaImage header says, in every spelling that LUNA16 and SimpleITK use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedlung.errors import BadScan
from fedlung.imaging.metaimage_header import MAX_HEADER_BYTES, parse_header, read_header

LUNA16_HEADER = """\
ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
CompressedData = False
TransformMatrix = 1 0 0 0 1 0 0 0 1
Offset = -157.03120000000001 -174.21870000000001 1395
CenterOfRotation = 0 0 0
AnatomicalOrientation = RAI
ElementSpacing = 0.69800001382827759 0.75 2
DimSize = 5 4 3
ElementType = MET_SHORT
ElementDataFile = scan.raw
"""


def changed(name: str, value: str) -> bytes:
    """The header with one field's value exchanged."""
    lines = [f"{name} = {value}" if line.split(" = ")[0] == name else line for line in LUNA16_HEADER.splitlines()]
    return "\n".join([*lines, ""]).encode()


def extended(*lines: str) -> bytes:
    """The header with lines inserted before ``ElementDataFile``, which must stay last."""
    head, last = LUNA16_HEADER.split("ElementDataFile")
    return "".join([head, *(f"{line}\n" for line in lines), "ElementDataFile", last]).encode()


def test_a_luna16_header_gives_axes_in_array_order() -> None:
    header = parse_header(LUNA16_HEADER.encode())
    assert header.geometry.shape_zyx == (3, 4, 5)
    assert header.geometry.spacing_zyx_mm == (2, 0.75, 0.69800001382827759)
    assert header.geometry.origin_xyz_mm == (-157.03120000000001, -174.21870000000001, 1395)
    assert header.geometry.direction_xyz == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert header.dtype == np.dtype("<i2")
    assert (header.compressed, header.compressed_bytes) == (False, None)
    assert header.pixel_file == "scan.raw"
    assert header.header_bytes == len(LUNA16_HEADER)
    assert header.pixel_bytes == 3 * 4 * 5 * 2


def test_read_header_does_not_need_the_pixel_file(tmp_path: Path) -> None:
    path = tmp_path / "scan.mhd"
    path.write_text(LUNA16_HEADER)
    assert read_header(path) == parse_header(LUNA16_HEADER.encode())


def test_the_rows_of_transform_matrix_are_the_columns_of_direction() -> None:
    # Index axis x runs along world y, y along -x: a quarter turn about z.
    header = parse_header(changed("TransformMatrix", "0 1 0 -1 0 0 0 0 1"))
    origin = np.array(header.geometry.origin_xyz_mm)
    step_along_x_xyz_mm = header.geometry.index_to_world((0, 0, 1)) - origin
    step_along_y_xyz_mm = header.geometry.index_to_world((0, 1, 0)) - origin
    assert step_along_x_xyz_mm.tolist() == pytest.approx([0, 0.69800001382827759, 0], abs=1e-12)
    assert step_along_y_xyz_mm.tolist() == pytest.approx([-0.75, 0, 0], abs=1e-12)


SPELLINGS = {
    "carriage returns": LUNA16_HEADER.replace("\n", "\r\n").encode(),
    "byte order mark": b"\xef\xbb\xbf" + LUNA16_HEADER.encode(),
    "no last newline": LUNA16_HEADER.rstrip().encode(),
    "tight": LUNA16_HEADER.replace(" = ", "=").encode(),
    "tabs": LUNA16_HEADER.replace(" = ", "\t =   ").encode(),
    "empty lines": LUNA16_HEADER.replace("\n", "\n\n").encode(),
    "blank end": LUNA16_HEADER.encode() + b"\r\n \n",
    "Position": LUNA16_HEADER.replace("Offset", "Position").encode(),
    "Origin": LUNA16_HEADER.replace("Offset", "Origin").encode(),
    "Rotation": LUNA16_HEADER.replace("TransformMatrix", "Rotation").encode(),
    "Orientation": LUNA16_HEADER.replace("TransformMatrix", "Orientation").encode(),
    "ElementByteOrderMSB": LUNA16_HEADER.replace("BinaryDataByteOrderMSB", "ElementByteOrderMSB").encode(),
    "exponents and bare points": changed("ElementSpacing", "6.9800001382827759e-1 .75 2."),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_other_spellings_say_the_same(spelling: str) -> None:
    expected = parse_header(LUNA16_HEADER.encode())
    header = parse_header(SPELLINGS[spelling])
    assert (header.geometry, header.dtype, header.pixel_file) == (expected.geometry, expected.dtype, "scan.raw")


@pytest.mark.parametrize(
    "line",
    [
        "ITK_InputFilterName = MetaImageIO",
        "ITK_original_direction = 1 0 0 0 1 0 0 0 1",
        "ITK_original_spacing = 0.698 0.75 2",
        "Modality = MET_MOD_CT",
        "ElementNumberOfChannels = 1",
        "ElementSize = 1 1 1",
        "Comment = 胸部 CT, 5 mm = thick",
        "NRRD_kinds[0] = domain",
        "NRRD_space = left-posterior-superior",
        "dim[0] = 3",
        "pixdim[3] = 2.5",
        "srow_x = -0.27 0.31 -0.95 0.14",
        "qform_code_name = NIFTI_XFORM_SCANNER_ANAT",
        "0008|0060 = CT",
        "0010|21d0 = 20000101",
    ],
)
def test_fields_that_simpleitk_carries_along_change_nothing(line: str) -> None:
    header = parse_header(extended(line))
    assert header.geometry == parse_header(LUNA16_HEADER.encode()).geometry
    assert header.pixel_file == "scan.raw"


def test_optional_fields_have_the_format_s_defaults() -> None:
    text = "NDims = 3\nDimSize = 5 4 3\nElementSpacing = 1 1 2\nElementType = MET_UCHAR\nElementDataFile = a.raw"
    header = parse_header(text.encode())
    assert header.geometry.origin_xyz_mm == (0, 0, 0)
    assert header.geometry.direction_xyz == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert (header.dtype, header.compressed) == (np.dtype("u1"), False)


@pytest.mark.parametrize(
    ("name", "code"),
    [("CHAR", "i1"), ("UCHAR", "u1"), ("SHORT", "i2"), ("USHORT", "u2"), ("INT", "i4"), ("FLOAT", "f4")],
)
@pytest.mark.parametrize(("most_significant_first", "order"), [("True", ">"), ("False", "<")])
def test_element_type_and_byte_order(name: str, code: str, most_significant_first: str, order: str) -> None:
    content = changed("ElementType", f"MET_{name}").replace(
        b"ByteOrderMSB = False", f"ByteOrderMSB = {most_significant_first}".encode()
    )
    assert parse_header(content).dtype == np.dtype(order + code)


@pytest.mark.parametrize("name", ["LOCAL", "Local", "local"])
def test_local_pixels_begin_after_the_line(name: str) -> None:
    content = changed("ElementDataFile", name) + b"\x00\x01\nDimSize = 9"
    header = parse_header(content)
    assert header.pixel_file is None
    assert content[header.header_bytes :] == b"\x00\x01\nDimSize = 9"


@pytest.mark.parametrize(
    "name",
    [
        "1.3.6.1.4.raw",
        "scan-1_b.zraw",
        "病人 (2).raw",
        "病人\uff08随访\uff09.raw",
        "CT [3], b.raw",
        "Müller.RAW",
        "a..b.raw",
    ],
)
def test_plain_file_names(name: str) -> None:
    assert parse_header(changed("ElementDataFile", name)).pixel_file == name


def test_a_header_may_be_as_long_as_the_limit_and_no_longer() -> None:
    room = MAX_HEADER_BYTES - len(extended("Comment = "))
    parse_header(extended("Comment = " + "x" * room))
    with pytest.raises(BadScan, match=f"longer than {MAX_HEADER_BYTES} bytes"):
        parse_header(extended("Comment = " + "x" * (room + 1)))


def test_limits_are_inclusive() -> None:
    assert parse_header(changed("DimSize", "2048 2048 128")).geometry.shape_zyx == (128, 2048, 2048)
    assert parse_header(changed("ElementSpacing", "0.05 20 1")).geometry.spacing_zyx_mm == (1, 20, 0.05)


number = st.floats(-1e5, 1e5)
step = st.floats(0.05, 20)


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(offset=st.tuples(number, number, number), spacing=st.tuples(step, step, step))
def test_floats_are_read_to_the_last_bit(offset: tuple[float, ...], spacing: tuple[float, ...]) -> None:
    # 17 significant digits are what ITK writes and what a float64 needs.
    content = changed("Offset", " ".join(f"{value:.17g}" for value in offset))
    content = content.replace(b"0.69800001382827759 0.75 2", " ".join(f"{value:.17g}" for value in spacing).encode())
    geometry = parse_header(content).geometry
    assert geometry.origin_xyz_mm == offset
    assert geometry.spacing_zyx_mm == spacing[::-1]
