"""What every test gets: no network, fixed seeds, one thread, no display; and the real scans where they exist."""

from __future__ import annotations

import locale
import os
import random
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from tests.supabase_programs import ProgramMissing, do_without
from tests.supabase_stack import SupabaseStack, migrations

# Before torch and matplotlib are imported, and inherited by the commands that tests start.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "Agg"

# The same examples in every run: a red build can be repeated. No deadline: the cores may be shared.
hypothesis.settings.register_profile("fedlung", derandomize=True, deadline=None)
hypothesis.settings.load_profile("fedlung")

REAL_CT = Path(__file__).resolve().parents[1] / "../shared/data/real_ct"


@pytest.fixture(autouse=True)
def fixed_seeds() -> None:
    """Seed the global generators; torch only where a test module has imported it."""
    random.seed(0)
    np.random.seed(0)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(0)
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def same_locale() -> Iterator[None]:
    """GDCM, with which some tests write DICOM, leaves the process in the C locale: no test may depend on it."""
    before = locale.setlocale(locale.LC_ALL)
    yield
    locale.setlocale(locale.LC_ALL, before)


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Fail a test that connects beyond loopback or looks up a name: hospital networks are closed."""
    connect, connect_ex, getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _refuse_beyond_loopback(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _refuse_beyond_loopback(address)
        return connect_ex(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        _refuse_beyond_loopback((host,))
        return getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


def _refuse_beyond_loopback(address: Any) -> None:
    if not isinstance(address, tuple) or address[0] in (None, "", "localhost"):
        return  # a Unix socket's path, or this machine
    try:
        loopback = ip_address(address[0]).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        # Not an Exception: code under test that catches OSError or Exception cannot hide it.
        pytest.fail(f"a test tried to reach {address[0]!r}: tests must stay on loopback")


@pytest.fixture(scope="session")
def real_ct() -> Path:
    """Folder of real LIDC-IDRI scans, which live beside the checkout and never in it (see data/README.md)."""
    if not REAL_CT.is_dir():
        pytest.skip(f"real CT scans are not on this machine: {REAL_CT} is absent")
    return REAL_CT.resolve()


@pytest.fixture(scope="session")
def supa_stack() -> Iterator[SupabaseStack]:
    """A Supabase project on this machine. Where its programs cannot be had, tests are skipped; in CI they fail."""
    root = Path(tempfile.mkdtemp(prefix="fedlung-supa-"))  # not tmp_path: nobody else may enter that
    try:
        stack = SupabaseStack(root, migrations())
    except ProgramMissing as missing:
        shutil.rmtree(root)
        do_without(missing)
    try:
        yield stack.up()
    finally:
        stack.down()
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def supa(supa_stack: SupabaseStack) -> Iterator[SupabaseStack]:
    """The project for one test: healthy and empty, whatever the test before has broken."""
    supa_stack.heal()
    supa_stack.empty_tables()
    yield supa_stack
    supa_stack.fault.set("ok")
