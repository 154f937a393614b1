"""A file that was changed looks different, whatever was done to hide it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from fedlung.stores.file_signature import file_signature

A_TICK_SECONDS = 0.02  # a kernel may count a file's times in steps of a clock tick


def test_a_file_that_nobody_touches_stays_the_same(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("one")
    before = file_signature(tmp_path / "file")
    (tmp_path / "file").read_text()
    assert file_signature(str(tmp_path / "file")) == before


def test_as_long_and_as_old_as_before_is_not_the_same(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    before, status = file_signature(file), file.stat()
    time.sleep(A_TICK_SECONDS)
    file.write_text("two")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file_signature(file) != before


def test_gone_and_back(tmp_path: Path) -> None:
    file = tmp_path / "file"
    gone = file_signature(file)
    file.write_text("one")
    assert file_signature(file) != gone
    file.unlink()
    assert file_signature(file) == gone
    file.mkdir()
    assert file_signature(file) != gone
