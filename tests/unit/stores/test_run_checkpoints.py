"""Rounds of a run as states of the server: the last sound one is found, whatever became of later files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fedlung.errors import ArchitectureMismatch, BadRunFolder
from fedlung.federation.updates import ServerState
from fedlung.stores.checkpoints import checksum_path, save_checkpoint
from fedlung.stores.run_checkpoints import restore_last_round, save_round
from fedlung.stores.runs import RunFolder

ARCHITECTURE = {"name": "tiny"}
LIKE = {"w": np.zeros(3, np.float32)}


def state(round_: int) -> ServerState:
    return ServerState(
        round_, {"w": np.full(3, round_, np.float32)}, {"momentum": {"w": np.full(3, round_ / 3, np.float64)}}
    )


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    """Rounds 0, 1 and 2 are complete."""
    with RunFolder.create(tmp_path, "run-1", {}) as folder:
        for number in range(3):
            save_round(folder, state(number), ARCHITECTURE, {"rounds": 9, "loss": 1.0})
        yield folder


def assert_restored(run: RunFolder, round_: int, damaged: int) -> list[str]:
    restored, sentences = restore_last_round(run, ARCHITECTURE, LIKE)
    assert restored is not None
    assert restored.round == round_
    np.testing.assert_array_equal(restored.weights["w"], state(round_).weights["w"])
    np.testing.assert_array_equal(restored.memory["momentum"]["w"], state(round_).memory["momentum"]["w"])
    assert len(sentences) == damaged
    return sentences


def test_the_last_round_comes_back_with_weights_and_memory(run: RunFolder) -> None:
    assert_restored(run, 2, damaged=0)
    assert run.rounds()[1] | {"time": "", "sha256": ""} == {
        "time": "", "rounds": 9, "loss": 1.0, "round": 1, "checkpoint": "round_0001.pth", "sha256": "",
    }  # fmt: skip


def test_a_checkpoint_without_its_line_is_no_round(run: RunFolder) -> None:
    save_checkpoint(run.checkpoint_path(3), weights=state(3).weights, architecture=ARCHITECTURE, metadata={})
    assert_restored(run, 2, damaged=0)


def test_damaged_and_missing_checkpoints_are_passed_over_and_named(run: RunFolder) -> None:
    last = run.checkpoint_path(2)
    content = bytearray(last.read_bytes())
    content[-1] ^= 1
    last.write_bytes(content)
    assert "round 2 cannot be used" in assert_restored(run, 1, damaged=1)[0]
    run.checkpoint_path(1).unlink()
    sentences = assert_restored(run, 0, damaged=2)
    assert "round_0001.pth cannot be read" in sentences[1]
    checksum_path(run.checkpoint_path(0)).unlink()
    with pytest.raises(BadRunFolder, match="no checkpoint of run run-1 is sound; round 2 cannot be used"):
        restore_last_round(run, ARCHITECTURE, LIKE)


def test_a_sound_checkpoint_of_another_run_is_not_taken(run: RunFolder) -> None:
    save_checkpoint(run.checkpoint_path(2), weights=state(7).weights, architecture=ARCHITECTURE, metadata={})
    assert "is not the checkpoint that the run wrote" in assert_restored(run, 1, damaged=1)[0]


def test_another_network_is_an_error_at_once(run: RunFolder) -> None:
    with pytest.raises(ArchitectureMismatch, match="name is 'tiny', not 'large'"):
        restore_last_round(run, {"name": "large"}, LIKE)
    with pytest.raises(ArchitectureMismatch, match="shape of w"):
        restore_last_round(run, ARCHITECTURE, {"w": np.zeros(4, np.float32)})


def test_a_run_without_rounds_has_no_state(tmp_path: Path) -> None:
    with RunFolder.create(tmp_path, "run-2", {}) as folder:
        assert restore_last_round(folder, ARCHITECTURE, LIKE) == (None, [])
