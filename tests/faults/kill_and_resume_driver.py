"""Runs and resumes a small federation in a child process, to be killed there. Used by ``test_kill_and_resume``.

Importing torch takes longer than the whole run, so this process imports once and forks for every order that it reads::

    order: <runs folder> <run id>      answers: <pid>, and when that child has ended: <exit code>
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from federated_training import FedAvgCoordinator
from fedlung.federation.mark_counts import count_marks
from fedlung.federation.measured import Measured
from fedlung.federation.strategies import FedAvgM
from fedlung.federation.weights import Weights
from fedlung.stores.runs import RunFolder
from tests.least_squares import LeastSquaresTrainer, Result, hospitals
from tests.troubled_federation import a_coordinator

ROUNDS = 6
TRAINING_SECONDS = 0.01


class SlowTrainer(LeastSquaresTrainer):
    """Real local training that takes a moment, so that kills find it at work."""

    def train(self, weights: Weights, **arguments: Any) -> Result:
        time.sleep(TRAINING_SECONDS)
        return super().train(weights, **arguments)

    def evaluate(self, weights: Weights) -> Measured:
        """One mark a row, whose probability follows from the model: another model has another threshold."""
        probabilities = 1 / (1 + np.exp(-(self.x @ weights["w"] + weights["b"])))
        is_nodule = self.y > 0
        sizes = {"num_scans": len(self.y), "num_nodules": int(is_nodule.sum())}
        return Measured({"loss": self.loss(weights)}, count_marks(probabilities, is_nodule, **sizes))


def coordinator(folder: RunFolder) -> FedAvgCoordinator:
    """With drawn hospitals, drawn rows, a schedule and momentum: everything that a resumed run could get wrong."""
    trainers = {name: SlowTrainer(trainer.x, trainer.y, 8) for name, trainer in hospitals().items()}
    strategy = FedAvgM(momentum=0.5)
    return a_coordinator(folder, trainers, None, strategy, rounds=ROUNDS, fraction=0.7, schedule="cosine", seed=5)


def start_or_resume(runs: Path, run_id: str) -> None:
    there = (runs / run_id).exists()
    with RunFolder.open(runs / run_id) if there else RunFolder.create(runs, run_id, {}) as folder:
        coordinator(folder).run()


def main() -> None:
    for order in sys.stdin:
        runs, run_id = order.split()
        child = os.fork()
        if child == 0:
            try:
                start_or_resume(Path(runs), run_id)
            except BaseException:
                traceback.print_exc()
                os._exit(1)  # the child must not go on with the orders of its parent
            os._exit(0)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
