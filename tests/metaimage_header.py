"""The header of a small MetaImage field by field, so that a test can write it wrong."""

from __future__ import annotations

import numpy as np

VOXELS_ZYX = np.arange(120, dtype="<i2").reshape(4, 5, 6)
FIELDS = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "-100 -120 -300",
    "ElementSpacing": "0.7 0.7 2.5",
    "DimSize": "6 5 4",
    "ElementType": "MET_SHORT",
    "ElementDataFile": "scan.raw",
}


def header(without: str | None = None, **changes: str) -> str:
    fields = FIELDS | changes
    fields["ElementDataFile"] = fields.pop("ElementDataFile")  # it must be the last line
    return "".join(f"{name} = {value}\n" for name, value in fields.items() if name != without)
