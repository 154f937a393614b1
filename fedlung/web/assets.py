"""Addresses of static files with a hash of their content: kept for ever, and new ones are seen at once."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, request, url_for
from werkzeug.security import safe_join

LONG = "public, max-age=31536000, immutable"
CHECKED = "public, no-cache"  # kept, but asked for each time: a module that another one imports has no hash

KEPT_BY_ONE = "private, no-cache"
"""For voxels, which are large and name nobody: the browser keeps them, and whether it may show them is asked each time,
because the next person at this computer may be of another hospital."""


def install(app: Flask, folder: Path) -> None:
    """Serve ``folder`` under /static, with how long each file may be kept."""
    app.static_folder = str(folder)

    @app.after_request
    def say_how_long(answer: Response) -> Response:
        if request.endpoint == "static":
            name = (request.view_args or {}).get("filename", "")
            is_this_version = answer.status_code < 400 and request.args.get("v") == version_of(folder, name)
            answer.headers["Cache-Control"] = LONG if is_this_version else CHECKED
        elif answer.headers.get("Cache-Control") != KEPT_BY_ONE:
            # Pages and answers may hold what the next person at this computer must not see.
            answer.headers["Cache-Control"] = "no-store"
        return answer

    @app.template_global("asset")
    def asset(name: str) -> str:
        """Address of the file ``name`` below static/.

        Raises:
            FileNotFoundError: there is no such file.
        """
        version = version_of(folder, name)
        if version is None:
            raise FileNotFoundError(f"static file {name} does not exist")
        return url_for("static", filename=name, v=version)


def version_of(folder: Path, name: str) -> str | None:
    """Short hash of the file's content, or None where there is no such file."""
    joined = safe_join(str(folder), name)
    try:
        if joined is None:
            return None
        state = Path(joined).stat()
        return _hash_of(joined, state.st_mtime_ns, state.st_size)
    except (OSError, ValueError):  # not there; no name at all
        return None


@lru_cache(maxsize=512)
def _hash_of(path: str, modified_ns: int, size: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]
