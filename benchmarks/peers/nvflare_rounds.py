"""Rounds of NVFLARE's simulator. Its own clients run `nvflare_client` beside this file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from nvflare.app_common.np.recipes import NumpyFedAvgRecipe  # type: ignore[import-not-found, unused-ignore]
from nvflare.recipe.sim_env import SimEnv  # type: ignore[import-not-found, unused-ignore]

from benchmarks.peers import nvflare_client
from benchmarks.peers.conversation import answer_questions


def run(weights: str, log: str, clients: int, rounds: int) -> None:
    """One federation; what the clients did when stands in ``log``."""
    folder = Path(log).parent
    with np.load(weights) as arrays:  # its NumPy persistor keeps one array
        np.save(folder / "packed.npy", np.concatenate([arrays[name].ravel() for name in arrays.files]))
    recipe = NumpyFedAvgRecipe(
        name="round_overhead",
        initial_ckpt=str(folder / "packed.npy"),
        min_clients=clients,
        num_rounds=rounds,
        train_script=str(Path(nvflare_client.__file__)),
        train_args=log,
    )
    recipe.execute(SimEnv(num_clients=clients, workspace_root=str(folder / "simulator")))


if __name__ == "__main__":
    answer_questions({"run": run})
