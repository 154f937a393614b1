"""Zip archives from outside, unpacked within bounds: names are data, sizes are believed only after they were counted.

Everything in an archive decides something: how long its table of contents is, how far a member expands, where it
wants to be written. All of it is checked before the first byte is written, and an archive that is wrong in one place
is refused whole. Members are written under numbers, so no name can lead anywhere.

Format: APPNOTE.TXT 6.3.10 (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT).
"""

from __future__ import annotations

import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from fedlung.errors import BadScan
from fedlung.imaging.intake.uploaded_files import UploadedFile, numbered
from fedlung.imaging.metaimage_header import open_regular_file

MAX_ENTRIES = 10_000
"""Of one archive: several series, each with up to about a thousand slices."""
MAX_TABLE_BYTES = 4 * 2**20
MAX_RATIO = 100
"""Unpacked to packed size, of the whole archive. A CT gives 2 to 4; deflate allows 1032, which only a bomb needs."""
CHUNK_BYTES = 1 << 20
ARCHIVE_SUFFIXES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".bz2", ".xz", ".zst", ".gz", ".iso")

_END_OF_TABLE = struct.Struct("<4s4H2LH")
_MAX_COMMENT = 2**16
_ZIP64_END = struct.Struct("<4sQ2H2L4Q")
_ZIP64_LOCATOR_BYTES = 20
_ENCRYPTED = 1
_UTF_8_NAME = 0x800
_DRIVE = re.compile(r"[A-Za-z]:")
_LITTER = re.compile(r"(^|/)(__MACOSX/|\.|Thumbs\.db$|desktop\.ini$)", re.IGNORECASE)


def unpack(archive: UploadedFile, workspace: Path, first_number: int, max_bytes: int) -> Iterator[UploadedFile]:
    """Write the members of a zip into ``workspace`` under the numbers from ``first_number`` on.

    Their names are those in the archive behind the archive's own: ``scans.zip/patient 1/IM0001``. Folders and what
    operating systems leave lying about (``.DS_Store``, ``__MACOSX``) are passed over.

    Raises:
        BadScan: the archive is damaged, packed in a way that is not read, or unsafe; nothing was written then, except
            when a member turned out to be damaged; what was written before it stays in the workspace.
        OSError: the disk is full.
    """
    with open_regular_file(archive.path) as file:
        _check_table(file)
        try:
            with zipfile.ZipFile(file) as opened:
                _check_members(opened.infolist(), file.seek(0, 2), max_bytes)
                wanted = [member for member in opened.infolist() if _is_wanted(member)]
                for number, member in enumerate(wanted, start=first_number):
                    unpacked = numbered(f"{archive.name}/{_plain_name(member)}", workspace, number)
                    _write(opened, member, unpacked.path)
                    yield unpacked
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, struct.error, ValueError) as error:
            raise BadScan(f"the archive is damaged or packed in a way that is not read ({_kind(error)})") from None


def _kind(error: Exception) -> str:
    """What zipfile says may quote a member's name in the bytes of an attacker; its first words are enough."""
    return "checksum" if "CRC" in str(error) else type(error).__name__


def _check_table(file: BufferedReader) -> None:
    """The table of contents is small, before ``zipfile`` holds all of it: 100 MB of table become 2 GB of entries."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _MAX_COMMENT - _END_OF_TABLE.size - _ZIP64_LOCATOR_BYTES - _ZIP64_END.size))
    tail = file.read()
    start = tail.rfind(b"PK\5\6")
    if start < 0 or len(tail) - start < _END_OF_TABLE.size:
        raise BadScan("the file is not a zip archive, or it is cut off")
    *_, table_bytes, _, _ = _END_OF_TABLE.unpack_from(tail, start)
    # Where a zip64 record lies before the end record, zipfile believes that one.
    before = start - _ZIP64_LOCATOR_BYTES
    if before >= _ZIP64_END.size and tail[before : before + 4] == b"PK\6\7":
        table_bytes = max(table_bytes, _ZIP64_END.unpack_from(tail, before - _ZIP64_END.size)[8])
    if table_bytes > MAX_TABLE_BYTES:
        raise BadScan(f"the archive's table of contents must be at most {MAX_TABLE_BYTES} bytes, got {table_bytes}")


def _check_members(members: list[zipfile.ZipInfo], archive_bytes: int, max_bytes: int) -> None:
    if len(members) > MAX_ENTRIES:
        raise BadScan(f"an archive may hold at most {MAX_ENTRIES} files, got {len(members)}")
    seen: set[str] = set()
    for member in members:
        name = _plain_name(member)
        if name.casefold() in seen:
            raise BadScan(f"two files of the archive are called {name!r:.80} (upper and lower case count as one)")
        seen.add(name.casefold())
        _check_kind(member, name)
        if not 0 <= member.header_offset < archive_bytes:  # zipfile would seek there
            raise BadScan("the archive is damaged: its table of contents points outside")
    total = sum(member.file_size for member in members)
    if total > archive_bytes * MAX_RATIO:
        raise BadScan(f"{archive_bytes} bytes that unpack to {total} are no archive of scans")
    if total > max_bytes:
        raise BadScan(f"the archive would take {total} bytes unpacked, there is room for {max_bytes}")


def _check_kind(member: zipfile.ZipInfo, name: str) -> None:
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadScan(f"{name!r:.80} in the archive is a link or a device, only plain files are unpacked")
    if member.flag_bits & _ENCRYPTED:
        raise BadScan("the archive is encrypted; send it without a password, the connection is what protects it")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadScan(f"{name!r:.80} is packed in a way that is not read; pack with the usual deflate")
    if name.lower().endswith(ARCHIVE_SUFFIXES) and not name.lower().endswith(".nii.gz"):
        raise BadScan(f"{name!r:.80} is an archive inside the archive; unpack it first")


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    is_folder = member.orig_filename.endswith(("/", "\\"))
    return not is_folder and not _LITTER.search(_plain_name(member))


def _plain_name(member: zipfile.ZipInfo) -> str:
    """The name with ``/`` between folders (old Windows packers write backslashes), sure to stay inside the archive.

    Raises:
        BadScan: it leads out of the archive, or holds control characters.
    """
    name = _decoded_name(member).replace("\\", "/")
    parts = name.rstrip("/").split("/")
    if name.startswith("/") or _DRIVE.match(name) or any(part in ("", ".", "..") for part in parts):
        raise BadScan(f"the archive holds a file that wants to be written elsewhere: {name!r:.80}")
    if not name.isprintable():
        raise BadScan(f"the archive holds a file name with control characters: {name!r:.80}")
    return name


def _decoded_name(member: zipfile.ZipInfo) -> str:
    """Chinese packers write GB18030, others UTF-8 without the flag that says so; ``zipfile`` takes both for cp437."""
    name = member.orig_filename
    if member.flag_bits & _UTF_8_NAME or name.isascii():
        return name
    written = name.encode("cp437")
    for encoding in ("utf-8", "gb18030"):
        try:
            return written.decode(encoding)
        except UnicodeDecodeError:
            continue
    return name


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    """No more bytes than declared are ever inflated (``zipfile`` stops there and compares the checksum)."""
    with opened.open(member) as source, path.open("xb") as target:
        while content := source.read(CHUNK_BYTES):
            target.write(content)
        if target.tell() != member.file_size:
            raise BadScan("the archive is damaged: a file in it is shorter than declared")
