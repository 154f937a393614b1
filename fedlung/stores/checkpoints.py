"""Model files: ``.pth`` with a SHA-256 beside it, written whole, and read as if an attacker had made them.

A ``.pth`` file is a zip of a pickle and raw tensors. It is read in this order, and nothing is built from a file that
fails an earlier step: size, SHA-256, zip directory, names that the pickle wants to call, ``torch.load`` with
``weights_only=True``, then each tensor. Saving the same model twice gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickletools
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fedlung.errors import ArchitectureMismatch, BadCheckpoint
from fedlung.federation.weights import Array, Weights, all_finite
from fedlung.stores.atomic_files import write_atomically
from fedlung.stores.checksums import check_sha256, checksum_path

FORMAT = "fedlung-checkpoint-1"
MOST_BYTES = 1 << 30
MOST_PICKLE_BYTES = 4 << 20
MOST_MEMBERS = 20_000
PICKLE_MAY_CALL = {
    "torch._utils _rebuild_tensor_v2",
    "torch FloatStorage",
    "torch DoubleStorage",
    "collections OrderedDict",
}
"""``weights_only=True`` alone would also build sparse and meta tensors, or a ``bytearray`` of any size."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model file's content. ``memory`` is what the server's strategy keeps; empty in a model for inference."""

    weights: dict[str, Array]
    architecture: dict[str, Any]
    metadata: dict[str, Any]
    memory: dict[str, dict[str, Array]]
    sha256: str


def save_checkpoint(
    path: Path,
    *,
    weights: Weights,
    architecture: Mapping[str, Any],
    metadata: Mapping[str, Any],
    memory: Mapping[str, Weights] | None = None,
) -> str:
    """Write a model file and ``<name>.sha256`` beside it (``sha256sum -c`` reads it); returns the SHA-256.

    Killed between the two files, it leaves a model that is refused for its checksum, never one that is read wrongly.

    Raises:
        BadCheckpoint: weights that are not finite float32 or float64 arrays: no such model is ever written.
    """
    groups = {"weights": weights, **{f"memory {slot}": arrays for slot, arrays in (memory or {}).items()}}
    for group, arrays in groups.items():
        _check_before_saving(path, group, arrays)
    payload = {
        "format": FORMAT,
        "architecture": json.dumps(architecture, sort_keys=True),
        "metadata": json.dumps(metadata, sort_keys=True),
        "weights": _tensors(weights),
        "memory": {slot: _tensors(arrays) for slot, arrays in (memory or {}).items()},
    }
    buffer = io.BytesIO()  # not the path: torch.save would put the file's name into the bytes
    torch.save(payload, buffer)
    content = buffer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    write_atomically(path, content)
    write_atomically(checksum_path(path), f"{digest}  {path.name}\n".encode())
    return digest


def load_checkpoint(
    path: Path,
    *,
    expected_architecture: Mapping[str, Any] | None,
    expected_shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Checkpoint:
    """Read a model file; ``None`` accepts any architecture or any shapes.

    Raises:
        BadCheckpoint: missing, damaged, unsafe, not ours, or holding NaN; says which.
        ArchitectureMismatch: a sound file of another network; names what differs.
    """
    content = _read(path)
    digest = hashlib.sha256(content).hexdigest()
    check_sha256(path, digest)
    _check_zip(path, content)
    payload = _unpickled(path, content)
    architecture, metadata = (_json(path, payload, name) for name in ("architecture", "metadata"))
    if expected_architecture is not None:
        _compare_architectures(path, architecture, json.loads(json.dumps(expected_architecture)))
    weights = _arrays(path, payload.get("weights"), len(content))
    if expected_shapes is not None:
        _compare_shapes(path, weights, expected_shapes)
    memory = payload.get("memory")
    if not isinstance(memory, dict) or not all(isinstance(slot, str) for slot in memory):
        raise BadCheckpoint(f"{path}: memory must be a dictionary of named arrays")
    kept = {slot: _arrays(path, tensors, len(content)) for slot, tensors in memory.items()}
    return Checkpoint(weights, architecture, metadata, kept, digest)


def _check_before_saving(path: Path, group: str, arrays: Weights) -> None:
    if any(array.dtype not in (np.float32, np.float64) for array in arrays.values()):
        raise BadCheckpoint(f"{path} was not written: {group} must be float32 or float64 arrays")
    if not all_finite(arrays):
        raise BadCheckpoint(f"{path} was not written: {group} hold NaN or infinite values")


def _tensors(arrays: Weights) -> dict[str, torch.Tensor]:
    # A copy: torch warns of arrays that are read-only, and would save the whole array behind a view.
    return {name: torch.from_numpy(np.array(array, order="C")) for name, array in arrays.items()}


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadCheckpoint(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise BadCheckpoint(f"{path} is larger than {MOST_BYTES >> 20} MiB, which no model of ours is")
    return content


def _check_zip(path: Path, content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            pickles = [member for member in members if member.filename.endswith("/data.pkl")]
            # Members are stored as they are, so together they cannot be larger than the file: no zip bomb.
            stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
            if not stored or sum(member.file_size for member in members) > len(content) or len(members) > MOST_MEMBERS:
                raise BadCheckpoint(f"{path} is a zip file that torch.save did not make: compressed or overlapping")
            if len(pickles) != 1 or pickles[0].file_size > MOST_PICKLE_BYTES:
                raise BadCheckpoint(f"{path} is a zip file, not a model")
            _check_pickle(path, archive.read(pickles[0]))
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, EOFError) as error:
        raise BadCheckpoint(f"{path} is not a model file, or only a part of one: {error}") from None


def _check_pickle(path: Path, pickle: bytes) -> None:
    for opcode, argument, _ in pickletools.genops(pickle):
        is_name = opcode.name in ("GLOBAL", "INST")
        if opcode.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4") or (is_name and argument not in PICKLE_MAY_CALL):
            raise BadCheckpoint(f"{path} is unsafe: it wants to call {argument or 'something hidden'}")


def _unpickled(path: Path, content: bytes) -> dict[Any, Any]:
    try:
        payload = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    # torch.load documents no list of errors; on damaged files it raises nearly every kind.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadCheckpoint(f"{path} cannot be read as a model: {reason:.200}") from None
    if not isinstance(payload, dict) or payload.get("format") != FORMAT:
        raise BadCheckpoint(f"{path} is not a model of this program: its format must be {FORMAT}")
    return payload


def _json(path: Path, payload: Mapping[Any, Any], name: str) -> dict[str, Any]:
    try:
        value = json.loads(payload[name])
    except (KeyError, TypeError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadCheckpoint(f"{path}: {name} must be a JSON object")
    return value


def _arrays(path: Path, tensors: object, content_bytes: int) -> dict[str, Array]:
    if not isinstance(tensors, dict) or not all(isinstance(name, str) for name in tensors):
        raise BadCheckpoint(f"{path}: weights must be a dictionary of named tensors")
    for name, tensor in tensors.items():
        if type(tensor) is not torch.Tensor or tensor.dtype not in (torch.float32, torch.float64):
            raise BadCheckpoint(f"{path}: {name:.80} must be a float32 or float64 tensor")
        # A stride of 0 lets four bytes claim to be a tensor of any size.
        if tensor.layout != torch.strided or not tensor.is_contiguous():
            raise BadCheckpoint(f"{path}: {name:.80} must be a plain tensor, stored element by element")
    if sum(tensor.nbytes for tensor in tensors.values()) > content_bytes:
        raise BadCheckpoint(f"{path} claims more weights than the file holds")
    arrays = {name: tensor.detach().numpy().copy() for name, tensor in tensors.items()}
    if not all_finite(arrays):
        raise BadCheckpoint(f"{path} holds NaN or infinite weights")
    return arrays


def _compare_architectures(path: Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    differing = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    if differing:
        what = "; ".join(f"{name} is {found.get(name)!r:.80}, not {expected.get(name)!r:.80}" for name in differing)
        raise ArchitectureMismatch(f"{path} is a model of another architecture: {what}")


def _compare_shapes(path: Path, found: Weights, expected: Mapping[str, tuple[int, ...]]) -> None:
    for name in sorted(found.keys() | expected.keys()):
        here, there = (found[name].shape if name in found else "missing"), expected.get(name, "unknown")
        if here != there:
            raise ArchitectureMismatch(f"{path}: shape of {name:.80} is {here}, not {there}")
