"""Zip archives that no packer writes: made by one and changed byte by byte."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def special_member(mode: int, content: bytes = b"/etc/passwd") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        member = zipfile.ZipInfo("scan.raw")
        member.create_system = 3
        member.external_attr = (mode | 0o644) << 16
        archive.writestr(member, content)
    return buffer.getvalue()


def doubled_member(name: str, content: bytes) -> bytes:
    """Two members of one name: written under two, renamed in the bytes."""
    other = name[:-1] + "_"
    return zipped({name: content, other: content}).replace(other.encode(), name.encode())


def encrypted(files: Mapping[str, bytes]) -> bytes:
    """Says so, and is not."""
    content = bytearray(zipped(files))
    content[content.index(b"PK\1\2") + 8] |= 1
    return bytes(content)


def huge_table(archive: bytes) -> bytes:
    """An end record that declares a table of contents of 100 MB."""
    content = bytearray(archive)
    start = content.index(b"PK\5\6")
    content[start + 12 : start + 16] = struct.pack("<L", 100 * 2**20)
    return bytes(content)


def huge_zip64_table(archive: bytes) -> bytes:
    """The same in the record that ``zipfile`` believes first."""
    start = archive.index(b"PK\5\6")
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 100 * 2**20, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start, 1)
    return archive[:start] + record + locator + archive[start:]


def damaged_member(pixels: bytes) -> bytes:
    """One bit of it is not what was packed."""
    content = bytearray(zipped({"first.raw": b"good", "scan.raw": pixels}, zipfile.ZIP_STORED))
    content[content.index(pixels) + 7] ^= 1
    return bytes(content)


def short_member(name: str, content: bytes, missing: int) -> bytes:
    """Declares more bytes than its stream holds; the checksum is right for what is there."""
    archive = bytearray(zipped({name: content}))
    declared = struct.pack("<L", len(content) + missing)
    table = archive.index(b"PK\1\2")
    archive[22:26] = declared
    archive[table + 24 : table + 28] = declared
    return bytes(archive)
