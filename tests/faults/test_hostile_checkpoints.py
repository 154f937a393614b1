"""Model files made by an attacker, with correct checksums: refused without running, building or filling anything."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedlung.errors import BadCheckpoint
from fedlung.stores.checkpoints import FORMAT, checksum_path, load_checkpoint, save_checkpoint


class Calls:
    """Pickles as a call."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def payload(**changed: Any) -> dict[str, Any]:
    sound = {"format": FORMAT, "architecture": "{}", "metadata": "{}", "weights": {"w": torch.ones(6)}, "memory": {}}
    return {**sound, **changed}


def saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def rewritten(content: bytes, replace: dict[bytes, bytes], **zip_arguments: Any) -> bytes:
    """The same archive with other bytes in its pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", **zip_arguments) as new:
        for member in old.infolist():
            data = old.read(member)
            if member.filename.endswith("data.pkl"):
                for before, after in replace.items():
                    assert before in data
                    data = data.replace(before, after)
            new.writestr(member.filename, data)
    return buffer.getvalue()


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    checksum_path(path).write_text(hashlib.sha256(content).hexdigest())
    with pytest.raises(BadCheckpoint) as caught:
        load_checkpoint(path, expected_architecture=None)
    return str(caught.value)


def test_the_files_here_are_hostile_only_where_they_were_made_so(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    for content in (saved(payload()), rewritten(saved(payload()), {})):
        path.write_bytes(content)
        checksum_path(path).write_text(hashlib.sha256(content).hexdigest())
        np.testing.assert_array_equal(load_checkpoint(path, expected_architecture=None).weights["w"], np.ones(6))


@pytest.mark.parametrize("place", ["weights", "metadata", "extra"])
def test_code_is_not_run(tmp_path: Path, place: str) -> None:
    canary = tmp_path / "canary"
    content = saved(payload(**{place: Calls(os.system, f"touch {canary}")}))
    assert "is unsafe: it wants to call posix system" in refused(tmp_path / "model.pth", content)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("bomb", "name"),
    [
        (Calls(bytearray, 10**12), "bytearray"),
        (torch.ones(2, 3).to_sparse(), "_rebuild_sparse_tensor"),
        (torch.empty(10**9, device="meta"), "_rebuild_meta_tensor_no_storage"),
        (torch.ones(2, dtype=torch.complex64), "ComplexFloatStorage"),
        (torch.ones(2, dtype=torch.int64), "LongStorage"),
        (torch.nn.Parameter(torch.ones(2)), "_rebuild_parameter"),
    ],
)
def test_only_plain_tensors_are_built(tmp_path: Path, bomb: Any, name: str) -> None:
    message = refused(tmp_path / "model.pth", saved(payload(weights={"w": bomb})))
    assert "is unsafe: it wants to call" in message
    assert name in message


def test_names_hidden_from_a_reader_of_the_pickle_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(payload(metadata=Calls(os.system, "true")), buffer, pickle_protocol=4)
    assert "is unsafe: it wants to call something hidden" in refused(tmp_path / "model.pth", buffer.getvalue())


SIZES = {
    "stride 0": {b"K\x06\x85": number(2**31 - 1) + b"\x85", b"K\x01\x85": b"K\x00\x85"},
    "longer than its storage": {b"K\x06\x85": number(2**31 - 1) + b"\x85"},
    "storage longer than the file": {b"K\x06tq": number(2**31 - 1) + b"tq"},
    "negative size": {b"K\x06\x85": number(-6) + b"\x85"},
}


@pytest.mark.parametrize("replace", SIZES.values(), ids=SIZES.keys())
def test_tensors_that_claim_more_than_there_is(tmp_path: Path, replace: dict[bytes, bytes]) -> None:
    message = refused(tmp_path / "model.pth", rewritten(saved(payload()), replace))
    assert "must be a plain tensor" in message or "cannot be read as a model" in message


def test_many_views_of_one_storage(tmp_path: Path) -> None:
    large = torch.ones(10_000)
    content = saved(payload(weights={f"w{index}": large[:] for index in range(100)}))
    assert "claims more weights than the file holds" in refused(tmp_path / "model.pth", content)


def test_zip_bombs(tmp_path: Path) -> None:
    packed = rewritten(saved(payload(weights={"w": torch.zeros(100_000)})), {}, compression=zipfile.ZIP_DEFLATED)
    assert len(packed) < 10_000
    assert "is a zip file that torch.save did not make" in refused(tmp_path / "model.pth", packed)

    lying = bytearray(saved(payload()))
    entry = lying.rindex(b"PK\x01\x02")  # a central directory entry; its sizes are at 20 (packed) and 24 (full)
    lying[entry + 24 : entry + 28] = struct.pack("<I", 2**31)
    assert "is a zip file that torch.save did not make" in refused(tmp_path / "model.pth", bytes(lying))


def test_zip_of_something_else(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", "<xml/>")
    assert "is a zip file, not a model" in refused(tmp_path / "model.pth", buffer.getvalue())


def test_pickle_rubbish_in_a_sound_zip(tmp_path: Path) -> None:
    for rubbish in (b"", b"\xff", pickle.dumps([1] * 10, protocol=2)[:-1]):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("archive/data.pkl", rubbish)
            archive.writestr("archive/version", "3\n")
        assert "model" in refused(tmp_path / "model.pth", buffer.getvalue())


PARTS = {
    "no weights": {"weights": None},
    "weights by number": {"weights": {0: torch.ones(2)}},
    "weights are text": {"weights": {"w": "text"}},
    "weights nested": {"weights": {"w": {"w": torch.ones(2)}}},
    "nan": {"weights": {"w": torch.tensor([1.0, float("nan")])}},
    "infinite": {"weights": {"w": torch.tensor([1.0, float("inf")])}},
    "transposed": {"weights": {"w": torch.ones(2, 3).T}},
    "metadata no JSON": {"metadata": "{"},
    "metadata no text": {"metadata": {"round": 1}},
    "architecture a list": {"architecture": "[]"},
    "deep JSON": {"metadata": "[" * 100_000},
    "memory no dictionary": {"memory": [torch.ones(2)]},
    "memory with nan": {"memory": {"momentum": {"w": torch.tensor([float("nan")])}}},
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS.keys())
def test_damaged_parts(tmp_path: Path, part: dict[str, Any]) -> None:
    assert str(tmp_path / "model.pth") in refused(tmp_path / "model.pth", saved(payload(**part)))


def test_a_sound_file_still_loads_after_all_that(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    save_checkpoint(path, weights={"w": np.ones(3, np.float32)}, architecture={}, metadata={})
    np.testing.assert_array_equal(load_checkpoint(path, expected_architecture={}).weights["w"], np.ones(3))
