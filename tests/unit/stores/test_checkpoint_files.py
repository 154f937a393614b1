"""Model files: what goes in comes back bit for bit, and what is damaged or foreign is refused in words."""

from __future__ import annotations

import hashlib
import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fedlung.errors import ArchitectureMismatch, BadCheckpoint
from fedlung.stores import checkpoints
from fedlung.stores.checkpoints import checksum_path, load_checkpoint, save_checkpoint

ARCHITECTURE = {"name": "tiny", "channels": [4, 8], "recipe": {"spacing_mm": 1.0}}
RANDOM = np.random.default_rng(0)
WEIGHTS = {
    "conv": RANDOM.normal(size=(3, 2, 1)).astype(np.float32),
    "bias": np.array(0.1, np.float32),
    "tail": np.array([1e-45, -0.0, 3e38, 1 / 3]),
}


def save(path: Path, **changed: Any) -> str:
    values = {"weights": WEIGHTS, "architecture": ARCHITECTURE, "metadata": {"round": 3}, **changed}
    return save_checkpoint(path, **values)


def write(path: Path, content: bytes) -> Path:
    """A file with the right checksum: only its content can be wrong."""
    path.write_bytes(content)
    checksum_path(path).write_text(f"{hashlib.sha256(content).hexdigest()}  {path.name}\n")
    return path


def torch_saved(payload: Any, **arguments: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(payload, buffer, **arguments)
    return buffer.getvalue()


def test_round_trip_keeps_every_bit(tmp_path: Path) -> None:
    memory = {"momentum": {"conv": RANDOM.normal(size=(3, 2, 1))}}
    digest = save(tmp_path / "model.pth", memory=memory)
    loaded = load_checkpoint(tmp_path / "model.pth", expected_architecture=ARCHITECTURE)
    assert loaded.sha256 == digest
    assert loaded.architecture == ARCHITECTURE
    assert loaded.metadata == {"round": 3}
    for found, given in ((loaded.weights, WEIGHTS), (loaded.memory["momentum"], memory["momentum"])):
        assert found.keys() == given.keys()
        for name, array in given.items():
            assert found[name].dtype == array.dtype
            assert found[name].shape == array.shape
            assert found[name].tobytes() == array.tobytes()
            found[name][...] = 0  # its own memory, free to write


def test_same_model_same_bytes_whatever_its_name(tmp_path: Path) -> None:
    assert save(tmp_path / "a.pth") == save(tmp_path / "b.pth")
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()


def test_side_file_is_what_sha256sum_checks(tmp_path: Path) -> None:
    save(tmp_path / "model.pth")
    subprocess.run(["sha256sum", "--check", "--strict", "model.pth.sha256"], cwd=tmp_path, check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.pth", "model.pth.sha256"]


def test_views_and_read_only_arrays_are_saved_as_themselves(tmp_path: Path) -> None:
    large = np.arange(1e6, dtype=np.float32)
    large.flags.writeable = False
    save(tmp_path / "model.pth", weights={"w": large[::1000]})
    assert (tmp_path / "model.pth").stat().st_size < 10_000
    loaded = load_checkpoint(tmp_path / "model.pth", expected_architecture=None)
    np.testing.assert_array_equal(loaded.weights["w"], large[::1000])


@pytest.mark.parametrize("bad", [np.array([np.nan]), np.array([np.inf]), np.array([1]), np.array(["x"])])
def test_no_model_of_rubbish_is_written(tmp_path: Path, bad: np.ndarray) -> None:
    save(tmp_path / "model.pth")
    before = (tmp_path / "model.pth").read_bytes()
    with pytest.raises(BadCheckpoint, match="was not written"):
        save(tmp_path / "model.pth", weights={"w": bad})
    assert (tmp_path / "model.pth").read_bytes() == before


def test_another_architecture_is_named(tmp_path: Path) -> None:
    save(tmp_path / "model.pth")
    with pytest.raises(ArchitectureMismatch) as caught:
        load_checkpoint(tmp_path / "model.pth", expected_architecture={**ARCHITECTURE, "channels": (4, 16)})
    assert str(caught.value).endswith("is a model of another architecture: channels is [4, 8], not [4, 16]")
    # A tuple is a list in JSON: not a difference.
    load_checkpoint(tmp_path / "model.pth", expected_architecture={**ARCHITECTURE, "channels": (4, 8)})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda shapes: {**shapes, "conv": (3, 2)}, "shape of conv is (3, 2, 1), not (3, 2)"),
        (lambda shapes: {**shapes, "new": (1,)}, "shape of new is missing, not (1,)"),
        (lambda shapes: {"conv": shapes["conv"], "bias": ()}, "shape of tail is (4,), not unknown"),
    ],
)
def test_other_names_and_shapes_are_named(tmp_path: Path, change: Callable[[Any], Any], sentence: str) -> None:
    save(tmp_path / "model.pth")
    shapes = {name: array.shape for name, array in WEIGHTS.items()}
    load_checkpoint(tmp_path / "model.pth", expected_architecture=None, expected_shapes=shapes)
    with pytest.raises(ArchitectureMismatch) as caught:
        load_checkpoint(tmp_path / "model.pth", expected_architecture=None, expected_shapes=change(shapes))
    assert str(caught.value).endswith(sentence)


def test_missing_file_missing_or_foreign_checksum(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    with pytest.raises(BadCheckpoint, match="cannot be read: No such file"):
        load_checkpoint(path, expected_architecture=None)
    save(path)
    for content, sentence in (("", "is not a checksum file"), ("0" * 64, "is damaged or was changed"), ("é", "is not")):
        checksum_path(path).write_text(content, encoding="utf-8")
        with pytest.raises(BadCheckpoint, match=sentence):
            load_checkpoint(path, expected_architecture=None)
    checksum_path(path).unlink()
    with pytest.raises(BadCheckpoint, match=r"sha256sum model\.pth > model\.pth\.sha256"):
        load_checkpoint(path, expected_architecture=None)


def test_every_flipped_bit_and_every_cut_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    save(path, weights={"w": np.ones(2, np.float32)})
    content = path.read_bytes()
    for position in range(0, len(content), 97):
        damaged = bytearray(content)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(damaged)
        with pytest.raises(BadCheckpoint, match="is damaged or was changed"):
            load_checkpoint(path, expected_architecture=None)
    for size in range(0, len(content), 211):
        write(tmp_path / "cut.pth", content[:size])  # even with a checksum of its own
        with pytest.raises(BadCheckpoint, match="is not a model file, or only a part of one"):
            load_checkpoint(tmp_path / "cut.pth", expected_architecture=None)


def test_file_of_any_size_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "model.pth")
    monkeypatch.setattr(checkpoints, "MOST_BYTES", (tmp_path / "model.pth").stat().st_size - 1)
    with pytest.raises(BadCheckpoint, match="is larger than"):
        load_checkpoint(tmp_path / "model.pth", expected_architecture=None)


FOREIGN = {
    "state dict of another program": {"w": torch.ones(2)},
    "other format": {"format": "fedlung-checkpoint-0"},
    "list": [torch.ones(2)],
}


@pytest.mark.parametrize("payload", FOREIGN.values(), ids=FOREIGN.keys())
def test_models_of_others_are_refused(tmp_path: Path, payload: Any) -> None:
    path = write(tmp_path / "model.pth", torch_saved(payload))
    with pytest.raises(BadCheckpoint, match="is not a model of this program"):
        load_checkpoint(path, expected_architecture=None)


@pytest.mark.parametrize("content", [b"", b"\x80\x02}.", b"not a model" * 100], ids=["empty", "pickle", "text"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(BadCheckpoint, match="is not a model file"):
        load_checkpoint(write(tmp_path / "model.pth", content), expected_architecture=None)


def test_old_torch_files_are_refused(tmp_path: Path) -> None:
    content = torch_saved({"w": torch.ones(2)}, _use_new_zipfile_serialization=False)
    with pytest.raises(BadCheckpoint, match="is not a model file"):
        load_checkpoint(write(tmp_path / "model.pth", content), expected_architecture=None)
