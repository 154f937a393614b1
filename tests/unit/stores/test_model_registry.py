"""The registry: models come whole, are checked by their SHA-256, and one of them is in use."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path

import pytest

from fedlung.errors import BadCheckpoint, NotFound, UnreadableStore
from fedlung.stores.model_registry import ModelRegistry
from tests.web.fake_launcher import write_model

CARD = {"run_id": "run-1", "round": 3, "created": "2026-01-01T00:00:00+00:00"}


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    (tmp_path / "shipped").mkdir()
    return ModelRegistry(tmp_path / "models", built_in=tmp_path / "shipped")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_model(tmp_path / "trained.pth", b"weights")


def test_an_empty_registry(registry: ModelRegistry, tmp_path: Path) -> None:
    assert registry.all() == []
    assert registry.promotions() == []
    assert registry.promoted_id() is None
    assert ModelRegistry(tmp_path / "models").all() == []


def test_a_model_is_added_whole(registry: ModelRegistry, file: Path) -> None:
    entry = registry.add("run-1-r0003", file, CARD)
    digest = hashlib.sha256(b"weights").hexdigest()
    assert (entry.model_id, entry.sha256, entry.size_bytes) == ("run-1-r0003", digest, 7)
    assert entry.card == {**CARD, "id": "run-1-r0003", "sha256": digest, "size_bytes": 7}
    assert entry.path.with_name("model.pth.sha256").read_text() == f"{digest}  model.pth\n"
    assert registry.is_intact(entry)
    assert [path.name for path in registry.root.iterdir()] == ["run-1-r0003"]
    _, opened = registry.open("run-1-r0003")
    with opened:
        assert opened.read() == b"weights"


def test_the_same_file_is_added_once_and_another_gets_its_own_id(registry: ModelRegistry, tmp_path: Path) -> None:
    first = registry.add("m", write_model(tmp_path / "one.pth", b"1"), CARD)
    assert registry.add("m", write_model(tmp_path / "same.pth", b"1"), CARD).card == first.card
    other = registry.add("m", write_model(tmp_path / "two.pth", b"2"), CARD)
    assert other.model_id == f"m-{hashlib.sha256(b'2').hexdigest()[:6]}"
    assert len(registry.all()) == 2


def test_a_damaged_file_is_not_added(registry: ModelRegistry, file: Path) -> None:
    file.write_bytes(b"Weights")
    with pytest.raises(BadCheckpoint, match="damaged or was changed"):
        registry.add("m", file, CARD)
    assert registry.all() == []
    assert not registry.root.exists() or not list(registry.root.iterdir())


def test_order_trained_by_time_then_shipped(registry: ModelRegistry, file: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "shipped" / "lidc.pth", b"shipped")
    for name, day in (("old", 1), ("new", 3), ("middle", 2)):
        registry.add(name, file, {**CARD, "created": f"2026-01-0{day}"})
    assert [entry.model_id for entry in registry.all()] == ["new", "middle", "old", "pretrained-lidc"]


def test_shipped_models_are_judged_by_their_checksum_file(registry: ModelRegistry, tmp_path: Path) -> None:
    path = write_model(tmp_path / "shipped" / "lidc.pth", b"shipped")
    path.with_suffix(".json").write_text(json.dumps({"name": "LIDC"}))
    (entry,) = registry.all()
    assert (entry.is_built_in, entry.card["name"]) == (True, "LIDC")
    assert entry.sha256 == hashlib.sha256(b"shipped").hexdigest()
    assert registry.is_intact(entry)
    path.with_name("lidc.pth.sha256").unlink()
    assert not registry.is_intact(registry.get("pretrained-lidc"))


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def with_new_checksum(path: Path) -> None:
    write_model(path, b"evil")


def keeping_its_times(path: Path) -> None:
    times = path.stat()
    flip_a_bit(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


TAMPERING = {
    "a bit": flip_a_bit,
    "a bit, with its times set back": keeping_its_times,
    "the file and its checksum, not the card": with_new_checksum,
    "the file is gone": Path.unlink,
    "the checksum is gone": lambda path: path.with_name("model.pth.sha256").unlink(),
    "the card is gone": lambda path: path.with_name("card.json").unlink(),
    "the card is no JSON": lambda path: path.with_name("card.json").write_text("["),
}


@pytest.mark.parametrize("tamper", TAMPERING.values(), ids=TAMPERING.keys())
def test_a_changed_model_is_not_intact_and_refused(registry: ModelRegistry, file: Path, tamper: object) -> None:
    assert callable(tamper)
    entry = registry.add("m", file, CARD)
    assert registry.is_intact(entry)
    tamper(entry.path)
    for found in registry.all():  # where its file is gone, it is in no list
        assert not registry.is_intact(found)
    for refused in (registry.open, lambda model_id: registry.promote(model_id, "admin")):
        with pytest.raises((BadCheckpoint, NotFound)):
            refused("m")
    assert registry.promoted_id() is None


def test_a_model_that_is_whole_again_is_intact_again(registry: ModelRegistry, file: Path) -> None:
    entry = registry.add("m", file, CARD)
    flip_a_bit(entry.path)
    assert not registry.is_intact(entry)
    flip_a_bit(entry.path)
    assert registry.is_intact(entry)


def test_promotion_and_roll_back_are_history(registry: ModelRegistry, tmp_path: Path) -> None:
    for name in ("one", "two"):
        registry.add(name, write_model(tmp_path / f"{name}.pth", name.encode()), CARD)
    for name, who in (("one", "admin"), ("two", "other"), ("one", "admin")):
        registry.promote(name, who)
        assert registry.promoted_id() == name
    registry.promote("one", "again")  # nothing changes
    again = ModelRegistry(registry.root)
    assert [(item.model_id, item.by) for item in again.promotions()] == [
        ("one", "admin"),
        ("two", "other"),
        ("one", "admin"),
    ]
    assert again.promotions()[0].sha256 == hashlib.sha256(b"one").hexdigest()
    assert again.promotions()[0].time <= again.promotions()[1].time


def test_a_damaged_history_is_kept_and_said(registry: ModelRegistry, file: Path) -> None:
    registry.add("m", file, CARD)
    path = registry.root / "promoted.json"
    path.write_text('[{"model_id": "m"')
    for ask in (registry.promotions, registry.promoted_id, lambda: registry.promote("m", "admin")):
        with pytest.raises(UnreadableStore, match=r"promoted\.json cannot be read"):
            ask()
    assert path.read_text() == '[{"model_id": "m"'


def test_many_promotions_at_once_are_all_in_the_history(registry: ModelRegistry, tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(8)]
    for name in names:
        registry.add(name, write_model(tmp_path / f"{name}.pth", name.encode()), CARD)
    threads = [threading.Thread(target=registry.promote, args=(name, "admin")) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(item.model_id for item in registry.promotions()) == names


TRAVERSALS = ["../m", "m/", "./m", "/etc/passwd", "..", "", "m\0", "m#", "m%2f..", "..\\m", "pretrained-../m", "M"]


@pytest.mark.parametrize("model_id", TRAVERSALS)
def test_an_id_is_never_a_path(registry: ModelRegistry, file: Path, model_id: str) -> None:
    registry.add("m", file, CARD)
    for ask in (registry.get, registry.open, lambda text: registry.promote(text, "admin")):
        with pytest.raises(NotFound):
            ask(model_id)


def test_half_made_entries_are_no_models(registry: ModelRegistry, file: Path) -> None:
    (registry.root / ".m.ab.partial").mkdir(parents=True)
    write_model(registry.root / ".m.ab.partial" / "model.pth", b"half")
    (registry.root / "pretrained").mkdir()
    write_model(registry.root / "pretrained" / "model.pth", b"shipped")
    (registry.root / "README.md").touch()
    assert registry.all() == []
