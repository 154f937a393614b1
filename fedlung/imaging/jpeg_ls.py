"""JPEG-LS (ITU-T T.87) pixels, decoded by CharLS in a process of its own (docs/adr/0015-compressed-dicom.md).

CharLS is quick and, on damaged streams, sometimes never comes back; so it gets a process without rights, a time for
each slice, and is ended when it needs longer. What the stream declares about its size is compared before it goes there.
"""

from __future__ import annotations

import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from fedlung.errors import BadScan

SECONDS_PER_SLICE = 10.0
"""A slice of 512 x 512 takes 10 ms; starting the process, 0.2 s."""
CHUNK_BYTES = 1 << 16

_WORKER = Path(__file__).with_name("jpeg_ls_worker.py")
_LENGTH = struct.Struct("<I")
_FRAME = struct.Struct(">2sHBHHB")
"""Marker SOF55, length, precision, lines, samples per line, components (T.87 C.2.2)."""
_START_OF_FRAME = b"\xff\xf7"
_SCAN_HEADER_BYTES = 10
_START_OF_SCAN = b"\xff\xda"


class JpegLsDecoder:
    """Decodes the slices of one series; the process starts with the first and ends with the context."""

    def __init__(self, seconds_per_slice: float = SECONDS_PER_SLICE) -> None:
        self._seconds_per_slice = seconds_per_slice
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, stream: bytes, rows: int, columns: int) -> tuple[NDArray[np.uint16], int]:
        """Samples, shape (rows, columns), and how many bits each has.

        Raises:
            BadScan: another size or kind than expected, or a stream that cannot be decoded in time.
        """
        precision = _precision(stream, rows, columns)
        content = self._answer(stream, 2 * rows * columns)
        samples = np.frombuffer(content, "<u2").reshape(rows, columns).astype(np.uint16)
        return samples, precision

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _answer(self, stream: bytes, num_bytes: int) -> bytes:
        process = self._running()
        deadline = time.monotonic() + self._seconds_per_slice
        try:
            _send(_pipe(process.stdin), _LENGTH.pack(len(stream)) + stream, deadline)
            (length,) = _LENGTH.unpack(_receive(_pipe(process.stdout), _LENGTH.size, deadline))
            if length == num_bytes:
                return _receive(_pipe(process.stdout), length, deadline)
        except (BrokenPipeError, EOFError, TimeoutError):
            pass
        self.close()  # what comes after a wrong answer would be read as the next one
        raise BadScan("the JPEG-LS pixels are damaged")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            # -I: neither the environment nor the working directory decides what is imported.
            command = [sys.executable, "-I", str(_WORKER)]
            environment = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            pipe, null = subprocess.PIPE, subprocess.DEVNULL
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=null, env=environment)
            for end in (self._process.stdin, self._process.stdout):
                os.set_blocking(_pipe(end), False)
        return self._process


@contextmanager
def jpeg_ls_decoder() -> Iterator[JpegLsDecoder]:
    """A decoder whose process ends with the block."""
    decoder = JpegLsDecoder()
    try:
        yield decoder
    finally:
        decoder.close()


def _precision(stream: bytes, rows: int, columns: int) -> int:
    """Bits per sample; T.87 has the frame header somewhere before the first scan."""
    start = stream.find(_START_OF_FRAME)
    scan = stream.find(_START_OF_SCAN)
    if not stream.startswith(b"\xff\xd8") or not 0 < start < scan or len(stream) < scan + _SCAN_HEADER_BYTES:
        raise BadScan("the JPEG-LS pixels are damaged or cut off in their header")
    _, _, precision, lines, samples, components = _FRAME.unpack_from(stream, start)
    if (lines, samples) != (rows, columns):
        raise BadScan(f"Rows and Columns are {rows} and {columns}, JPEG-LS says {lines} and {samples}")
    # Above 8 bits a sample takes two bytes, which is what the answer's length is compared with.
    if components != 1 or not 8 < precision <= 16:
        raise BadScan("the JPEG-LS pixels must have one component of 9 to 16 bits")
    return int(precision)


def _pipe(end: IO[bytes] | None) -> int:
    assert end is not None  # both were asked for
    return end.fileno()


def _send(pipe: int, content: bytes, deadline: float) -> None:
    rest = memoryview(content)
    while rest:
        _wait(pipe, select.POLLOUT, deadline)
        rest = rest[os.write(pipe, rest[:CHUNK_BYTES]) :]


def _receive(pipe: int, num_bytes: int, deadline: float) -> bytes:
    content = bytearray()
    while len(content) < num_bytes:
        _wait(pipe, select.POLLIN, deadline)
        chunk = os.read(pipe, min(CHUNK_BYTES, num_bytes - len(content)))
        if not chunk:
            raise EOFError
        content += chunk
    return bytes(content)


def _wait(pipe: int, event: int, deadline: float) -> None:
    # poll, not select: a busy server has file descriptors above 1023.
    poll = select.poll()
    poll.register(pipe, event)
    if not poll.poll(max(deadline - time.monotonic(), 0) * 1000):
        raise TimeoutError
