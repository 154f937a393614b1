"""The registry of trained models, and which of them is used for inference.

::

    models/<model_id>/model.pth + model.pth.sha256, card.json     written whole or not at all, never changed
    models/promoted.json                                          every promotion, the newest last
    models/pretrained/<stem>.pth + .sha256, <stem>.json           shipped with the program, as ``pretrained-<stem>``

A model is intact when the SHA-256 of its file, of the file beside it and of its card agree. No torch here: a model's
content is judged by whoever loads it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from fedlung.errors import BadCheckpoint, NotFound, UnreadableStore
from fedlung.stores.atomic_files import sync_folder, write_atomically
from fedlung.stores.checksums import checksum_path, file_sha256, stated_sha256
from fedlung.stores.clock import utc_now
from fedlung.stores.file_signature import file_signature

MODEL, CARD, PROMOTED = "model.pth", "card.json", "promoted.json"
PRETRAINED = "pretrained"


@dataclass(frozen=True)
class Promotion:
    """From ``time`` on this model is used for inference; ``by`` is the user name of who decided it."""

    model_id: str
    sha256: str
    by: str
    time: str


@dataclass(frozen=True)
class ModelEntry:
    """One model of the registry; ``card`` is what is known about it (see `fedlung.web.training.model_cards`)."""

    model_id: str
    path: Path
    card: Mapping[str, Any] = field(default_factory=dict)
    is_built_in: bool = False
    size_bytes: int = 0

    @property
    def sha256(self) -> str:
        """What the card says; empty when there is no card."""
        return str(self.card.get("sha256", ""))

    @property
    def created(self) -> str:
        return str(self.card.get("created", ""))


class ModelRegistry:
    """Models below ``root``, and those shipped in ``built_in`` (a folder that may be absent)."""

    def __init__(self, root: Path, built_in: Path | None = None) -> None:
        self.root = root
        self.built_in = built_in
        self._lock = threading.Lock()
        self._checked: dict[Path, tuple[object, bool]] = {}
        self._cards: dict[Path, tuple[object, dict[str, Any]]] = {}

    def all(self) -> list[ModelEntry]:
        """Trained models, the newest first, and then those that were shipped."""
        entries = sorted(self._entries(), key=lambda entry: (entry.created, entry.model_id), reverse=True)
        return sorted(entries, key=lambda entry: entry.is_built_in)

    def get(self, model_id: str) -> ModelEntry:
        """An id is only compared with names that are there, never made a path.

        Raises:
            NotFound: there is no such model.
        """
        for entry in self._entries():
            if entry.model_id == model_id:
                return entry
        raise NotFound("there is no such model")

    def add(self, model_id: str, file: Path, card: Mapping[str, Any]) -> ModelEntry:
        """Copy a model file with its card into the registry, under ``model_id`` unless that is another model's.

        The same file under the same id is added once.

        Raises:
            BadCheckpoint: the file is not what its checksum says.
        """
        sha256 = self._sound_sha256(file)
        with self._lock:
            for entry in self._entries():
                if entry.model_id == model_id and entry.sha256 == sha256:
                    return entry
            if (self.root / model_id).exists():
                model_id = f"{model_id}-{sha256[:6]}"
            self._write(model_id, file, {**card, "id": model_id, "sha256": sha256, "size_bytes": file.stat().st_size})
        return self.get(model_id)

    def is_intact(self, entry: ModelEntry, *, again: bool = False) -> bool:
        """Whether the file is the one that was added. Computed when the file has changed, or with ``again``."""
        signature = _signature(entry)
        known = self._checked.get(entry.path)
        if again or known is None or known[0] != signature:
            known = signature, _agrees(entry)
            self._checked[entry.path] = known
        return known[1]

    def open(self, model_id: str) -> tuple[ModelEntry, IO[bytes]]:
        """The model file, opened and found intact; what is read from it is what was checked.

        Raises:
            NotFound: there is no such model.
            BadCheckpoint: the file was damaged or changed.
        """
        entry = self.get(model_id)
        file: IO[bytes] | None = None
        with suppress(OSError, BadCheckpoint):
            file = entry.path.open("rb")
            if hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256 == stated_sha256(entry.path):
                file.seek(0)
                return entry, file
        if file is not None:
            file.close()
        self._checked[entry.path] = _signature(entry), False
        raise BadCheckpoint(f"model {model_id} is not intact: its file is missing, damaged or was changed")

    def promotions(self) -> list[Promotion]:
        """Every promotion, the newest last.

        Raises:
            UnreadableStore: ``promoted.json`` is damaged; it is kept as it is.
        """
        path = self.root / PROMOTED
        try:
            return [Promotion(**item) for item in json.loads(path.read_bytes())]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            raise UnreadableStore(f"{path} cannot be read ({error}); mend it, or move it away to begin anew") from None

    def promoted_id(self) -> str | None:
        """The model used for inference: the last promoted one, if it is still there."""
        last = next(reversed(self.promotions()), None)
        return last.model_id if last is not None and last.model_id in {e.model_id for e in self._entries()} else None

    def promote(self, model_id: str, by: str) -> Promotion:
        """Use this model from now on; with an earlier one this is a roll back. A second time in a row changes nothing.

        Raises:
            NotFound, BadCheckpoint: there is no such model, or it is not intact. UnreadableStore: see `promotions`.
        """
        entry, file = self.open(model_id)
        file.close()
        with self._lock:
            history = self.promotions()
            if history and (history[-1].model_id, history[-1].sha256) == (model_id, entry.sha256):
                return history[-1]
            history.append(Promotion(model_id, entry.sha256, by, utc_now()))
            self.root.mkdir(parents=True, exist_ok=True)
            content = json.dumps([vars(item) for item in history], ensure_ascii=False, indent=1)
            write_atomically(self.root / PROMOTED, content.encode() + b"\n")
            return history[-1]

    def _entries(self) -> Iterator[ModelEntry]:
        for path in sorted(self.root.glob(f"*/{MODEL}")):
            if path.parent.name[0] != "." and path.parent.name != PRETRAINED:
                yield self._entry(path.parent.name, path, path.parent / CARD, is_built_in=False)
        for path in sorted(self.built_in.glob("*.pth")) if self.built_in is not None else []:
            yield self._entry(f"{PRETRAINED}-{path.stem}", path, path.with_suffix(".json"), is_built_in=True)

    def _entry(self, model_id: str, path: Path, card_path: Path, *, is_built_in: bool) -> ModelEntry:
        known = self._card(card_path)
        size = 0
        with suppress(OSError, BadCheckpoint):
            size = path.stat().st_size
            if is_built_in:
                known = {"sha256": stated_sha256(path), **known}
        return ModelEntry(model_id, path, known, is_built_in, size)

    def _card(self, path: Path) -> dict[str, Any]:
        """Read again when the file has changed; empty when there is none."""
        signature = file_signature(path)
        known = self._cards.get(path)
        if known is None or known[0] != signature:
            try:
                card = json.loads(path.read_bytes())
            except (OSError, ValueError):
                card = None
            known = signature, card if isinstance(card, dict) else {}
            self._cards[path] = known
        return known[1]

    def _sound_sha256(self, file: Path) -> str:
        sha256 = file_sha256(file)
        if stated_sha256(file) != sha256:
            raise BadCheckpoint(f"{file} is damaged or was changed: its SHA-256 is not what stands beside it")
        return sha256

    def _write(self, model_id: str, file: Path, card: Mapping[str, Any]) -> None:
        partial = self.root / f".{model_id}.{secrets.token_hex(4)}.partial"
        partial.mkdir(parents=True)
        try:
            write_atomically(partial / MODEL, file.read_bytes())
            write_atomically(checksum_path(partial / MODEL), f"{card['sha256']}  {MODEL}\n".encode())
            write_atomically(partial / CARD, json.dumps(card, ensure_ascii=False, indent=1).encode() + b"\n")
            partial.rename(self.root / model_id)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        sync_folder(self.root)


def _agrees(entry: ModelEntry) -> bool:
    try:
        return file_sha256(entry.path) == entry.sha256 == stated_sha256(entry.path)
    except BadCheckpoint:
        return False


def _signature(entry: ModelEntry) -> tuple[object, ...]:
    """Changes whenever the file, its checksum file or the card's SHA-256 does."""
    return entry.sha256, file_signature(entry.path), file_signature(checksum_path(entry.path))
