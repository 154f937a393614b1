"""The headers of the tus protocol, version 1.0.0 (https://tus.io/protocols/resumable-upload), read strictly."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from flask import Response, abort, make_response, request
from flask_babel import gettext

from fedlung.errors import InvalidInput
from fedlung.stores.upload_pieces import Checksum

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,checksum,expiration"
CHECKSUMS = ("sha256", "sha1", "md5")
PIECES = "application/offset+octet-stream"
LARGEST_FILE = 20_000_000_000  # bytes; a zip archive of many scans
LONGEST_NAME = 500
GROUP = re.compile(r"[A-Za-z0-9_-]{1,64}")
PRECONDITION_FAILED = 412


def require_version() -> None:
    """Refuse a client of another version."""
    if request.headers.get("Tus-Resumable") != VERSION:
        abort(make_response("", PRECONDITION_FAILED, {"Tus-Version": VERSION, "Tus-Resumable": VERSION}))


def about() -> dict[str, str]:
    """What the server can do."""
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(LARGEST_FILE),
        "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
    }


def mark(answer: Response) -> Response:
    answer.headers["Tus-Resumable"] = VERSION
    return answer


def number(name: str) -> int:
    """A header that holds a number of bytes. Raises InvalidInput."""
    text = request.headers.get(name, "")
    if not re.fullmatch("[0-9]{1,15}", text):
        raise InvalidInput(fields={name: gettext("This header must be a number of bytes.")})
    return int(text)


def metadata() -> Mapping[str, str]:
    """``Upload-Metadata``: names and texts. Raises InvalidInput."""
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in request.headers.get("Upload-Metadata", "").split(","))):
        name, _, encoded = pair.partition(" ")
        try:
            found[name] = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise InvalidInput(fields={"Upload-Metadata": gettext("This must be texts in base64.")}) from None
    return found


def file_name(found: Mapping[str, str]) -> str:
    """Raises InvalidInput."""
    name = found.get("filename") or found.get("name") or ""
    if not name.strip() or len(name) > LONGEST_NAME:
        text = gettext("A file name of 1 to %(number)s characters is needed.", number=LONGEST_NAME)
        raise InvalidInput(text, {"filename": text})
    return name


def group_key(found: Mapping[str, str]) -> str:
    """Empty for a file that belongs to nothing else. Raises InvalidInput."""
    key = found.get("group", "")
    if key and not GROUP.fullmatch(key):
        raise InvalidInput(fields={"group": gettext("At most 64 letters, digits, - and _.")})
    return key


def sha256(text: str) -> str:
    """A digest in hexadecimal digits; empty for none. Raises InvalidInput."""
    if text and not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise InvalidInput(fields={"sha256": gettext("64 hexadecimal digits are needed.")})
    return text.lower()


def checksum() -> Checksum | None:
    """``Upload-Checksum`` of this request's body. Raises InvalidInput."""
    text = request.headers.get("Upload-Checksum")
    if text is None:
        return None
    algorithm, _, encoded = text.partition(" ")
    try:
        if algorithm in CHECKSUMS:
            return Checksum(algorithm, base64.b64decode(encoded, validate=True))
    except binascii.Error:
        pass
    raise InvalidInput(fields={"Upload-Checksum": gettext("This checksum is not known.")})
