"""The rounds of a run as states of the server: saving one makes the round complete, restoring finds the last one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedlung.errors import ArchitectureMismatch, BadCheckpoint, BadRunFolder
from fedlung.federation.updates import ServerState
from fedlung.federation.weights import Weights
from fedlung.stores.checkpoints import load_checkpoint, save_checkpoint
from fedlung.stores.runs import RunFolder


def save_round(run: RunFolder, state: ServerState, architecture: Mapping[str, Any], record: Mapping[str, Any]) -> None:
    """Write the checkpoint of ``state``, and then the line that makes its round complete."""
    path = run.checkpoint_path(state.round)
    sha256 = save_checkpoint(
        path,
        weights=state.weights,
        memory=state.memory,
        architecture=architecture,
        metadata={"run_id": run.run_id, "round": state.round},
    )
    run.append_round({**record, "round": state.round, "checkpoint": path.name, "sha256": sha256})


def restore_last_round(
    run: RunFolder, architecture: Mapping[str, Any], like: Weights
) -> tuple[ServerState | None, list[str]]:
    """State after the last complete round whose checkpoint is sound, with a sentence for each one that is not.

    The state is None in a run without a complete round. ``like`` has the expected names and shapes.

    Raises:
        ArchitectureMismatch: the run trained another network.
        BadRunFolder: there are complete rounds, and not one of their checkpoints is sound.
    """
    rounds = run.rounds()
    damaged: list[str] = []
    for record in reversed(rounds):
        try:
            return _restore(run, record, architecture, like), damaged
        except ArchitectureMismatch:
            raise
        except BadCheckpoint as error:
            damaged.append(f"round {record['round']} cannot be used: {error}")
    if rounds:
        raise BadRunFolder(f"no checkpoint of run {run.run_id} is sound; {damaged[0]}")
    return None, damaged


def _restore(run: RunFolder, record: Mapping[str, Any], architecture: Mapping[str, Any], like: Weights) -> ServerState:
    path = run.checkpoint_path(record["round"])
    shapes = {name: array.shape for name, array in like.items()}
    checkpoint = load_checkpoint(path, expected_architecture=architecture, expected_shapes=shapes)
    if checkpoint.sha256 != record.get("sha256"):
        raise BadCheckpoint(f"{path} is not the checkpoint that the run wrote: its SHA-256 differs from rounds.jsonl")
    return ServerState(record["round"], checkpoint.weights, checkpoint.memory)
