"""Rounds of Flower's simulation: ``flower_rounds WEIGHTS.npz LOG CLIENTS ROUNDS``."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from flwr.app import (  # type: ignore[import-not-found, unused-ignore]
    Array,
    ArrayRecord,
    Context,
    Message,
    MetricRecord,
    RecordDict,
)
from flwr.clientapp import ClientApp  # type: ignore[import-not-found, unused-ignore]
from flwr.serverapp import Grid, ServerApp  # type: ignore[import-not-found, unused-ignore]
from flwr.serverapp.strategy import FedAvg  # type: ignore[import-not-found, unused-ignore]
from flwr.simulation import run_simulation  # type: ignore[import-not-found, unused-ignore]

from benchmarks.peers.conversation import answer_questions
from benchmarks.peers.local_work import NUM_EXAMPLES, Arrays, local_work


def run(weights: str, log: str, clients: int, rounds: int) -> None:
    """One federation; what the clients did when stands in ``log``."""
    client_app, server_app = ClientApp(), ServerApp()

    @client_app.train()  # type: ignore[untyped-decorator, unused-ignore]
    def train(message: Message, context: Context) -> Message:
        arrays = {name: array.numpy() for name, array in message.content["arrays"].items()}
        moved = local_work(arrays, str(context.node_id), Path(log))
        content = {"arrays": _record(moved), "metrics": MetricRecord({"num-examples": NUM_EXAMPLES})}
        return Message(RecordDict(content), reply_to=message)

    @server_app.main()  # type: ignore[untyped-decorator, unused-ignore]
    def serve(grid: Grid, context: Context) -> None:
        strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=clients, min_available_nodes=clients)
        with np.load(weights) as arrays:
            strategy.start(grid, _record(dict(arrays)), num_rounds=rounds)

    # All clients at once: each asks for its share of the cores.
    resources = {"num_cpus": 1 / clients}
    run_simulation(server_app, client_app, clients, backend_config={"client_resources": resources})


def _record(arrays: Arrays) -> ArrayRecord:
    return ArrayRecord({name: Array(array) for name, array in arrays.items()})


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    answer_questions({"run": run})
