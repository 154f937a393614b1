"""JPEG-LS comes back as it was packed, and a decoder that crashes, hangs or lies costs one refusal."""

from __future__ import annotations

import os
import time
from pathlib import Path

import jpeg_ls
import numpy as np
import pytest
from pydicom.uid import JPEGLSLossless

from fedlung.errors import BadScan
from fedlung.imaging import jpeg_ls as ours
from fedlung.imaging.dicom_series import read_dicom_series
from fedlung.imaging.jpeg_ls import JpegLsDecoder, jpeg_ls_decoder
from tests.dicom_slices import STORED_ZYX, assert_is_the_series, ct_slice, save
from tests.packed_dicom import compressed

SAMPLES = STORED_ZYX[0].astype(np.uint16)
ROWS, COLUMNS = SAMPLES.shape
STREAM = bytes(jpeg_ls.encode_array(SAMPLES))
PIXEL_ELEMENT_HEAD = 12


def test_a_series_is_read(tmp_path: Path) -> None:
    for z, plane in enumerate(STORED_ZYX):
        dataset = ct_slice(z)
        frame = bytes(jpeg_ls.encode_array(plane.astype(np.uint16)))
        dataset.PixelData = compressed(frame + bytes(len(frame) % 2))[PIXEL_ELEMENT_HEAD:]
        dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
        save(dataset, tmp_path / f"{z}.dcm", JPEGLSLossless)
    assert_is_the_series(read_dicom_series(tmp_path))


def test_one_process_decodes_slice_after_slice_and_is_gone_afterwards() -> None:
    with jpeg_ls_decoder() as decoder:
        for _ in range(3):
            samples, precision = decoder.decode(STREAM, ROWS, COLUMNS)
            assert precision == 12
            assert np.array_equal(samples, SAMPLES)
        process = decoder._process
        assert process is not None
    assert process.returncode is not None


def test_what_the_header_says_is_compared_before_anything_is_decoded() -> None:
    decoder = JpegLsDecoder()
    for stream, sentence in {
        STREAM[:10]: "damaged or cut off in their header",
        b"no JPEG-LS": "damaged or cut off in their header",
        STREAM.replace(
            bytes((ROWS, 0, COLUMNS)), bytes((ROWS + 1, 0, COLUMNS))
        ): f"JPEG-LS says {ROWS + 1} and {COLUMNS}",
        bytes(jpeg_ls.encode_array((SAMPLES // 16).astype(np.uint8))): "one component of 9 to 16 bits",
    }.items():
        with pytest.raises(BadScan, match=sentence):
            decoder.decode(stream, ROWS, COLUMNS)
    assert decoder._process is None


WORKERS = {
    "crashes": "import os; os.abort()",
    "ends": "",
    "hangs": "import time; time.sleep(60)",
    "answers too much": "import os; os.write(1, b'\\xff\\xff\\xff\\xff' * 1000)",
    "answers too little": f"import os; os.write(1, ({2 * ROWS * COLUMNS}).to_bytes(4, 'little') + b'x')",
}


@pytest.mark.parametrize("worker", WORKERS)
def test_a_broken_decoder_is_a_refused_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worker: str) -> None:
    (tmp_path / "worker.py").write_text(WORKERS[worker])
    monkeypatch.setattr(ours, "_WORKER", tmp_path / "worker.py")
    decoder = JpegLsDecoder(seconds_per_slice=0.5)
    start = time.perf_counter()
    with pytest.raises(BadScan, match="the JPEG-LS pixels are damaged"):
        decoder.decode(STREAM, ROWS, COLUMNS)
    assert time.perf_counter() - start < 5
    assert decoder._process is None


def test_damaged_streams_leave_a_decoder_that_works() -> None:
    random = np.random.default_rng(3)
    start = STREAM.index(b"\xff\xda") + 10
    with jpeg_ls_decoder() as decoder:
        for _ in range(20):
            stream = bytearray(STREAM)
            stream[random.integers(start, len(stream))] ^= 1 << random.integers(0, 8)
            try:
                samples, _ = decoder.decode(bytes(stream), ROWS, COLUMNS)
            except BadScan:
                continue
            assert samples.shape == (ROWS, COLUMNS)
        assert np.array_equal(decoder.decode(STREAM, ROWS, COLUMNS)[0], SAMPLES)


def test_the_worker_can_open_nothing(tmp_path: Path) -> None:
    """Its limits, read from the kernel while it waits for the next slice."""
    with jpeg_ls_decoder() as decoder:
        decoder.decode(STREAM, ROWS, COLUMNS)
        assert decoder._process is not None
        limits = Path(f"/proc/{decoder._process.pid}/limits").read_text()
    told = {line[:25].strip(): line[25:].split()[0] for line in limits.splitlines()}
    assert told["Max file size"] == told["Max processes"] == "0"
    assert told["Max open files"] == "3"
    assert int(told["Max address space"]) == 2**30
    assert os.listdir(tmp_path) == []
