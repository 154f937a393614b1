"""Flower's arithmetic of FedAvg on updates that are all held, as Flower holds them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord, RecordDict  # type: ignore[import-not-found, unused-ignore]
from flwr.server.strategy.aggregate import aggregate  # type: ignore[import-not-found, unused-ignore]
from flwr.serverapp.strategy import FedAvg  # type: ignore[import-not-found, unused-ignore]
from flwr.supercore.task_identity import TaskIdentity  # type: ignore[import-not-found, unused-ignore]

from benchmarks.peers.conversation import answer_questions
from benchmarks.peers.generated_updates import Shapes, generated
from benchmarks.peers.memory import peak_mb_of

Mean = list[np.ndarray[Any, Any]]


def strategy(shapes: Shapes, count: int) -> Callable[[], Mean]:
    """`FedAvg.aggregate_train`, which users of Flower run: on messages, whose arrays are bytes in .npy form."""
    TaskIdentity.run_id = TaskIdentity.node_id = TaskIdentity.task_id = 1  # else no `Message` can be made
    replies = [
        Message(
            RecordDict(
                {
                    "arrays": ArrayRecord({name: Array(array) for name, array in arrays.items()}),
                    "metrics": MetricRecord({"num-examples": num_examples}),
                }
            ),
            dst_node_id=index,
            message_type="train",
        )
        for index, (arrays, num_examples) in enumerate(generated(shapes, count))
    ]

    def mean() -> Mean:
        arrays, _ = FedAvg().aggregate_train(1, replies)
        return [array.numpy() for array in arrays.values()]

    return mean


def legacy(shapes: Shapes, count: int) -> Callable[[], Mean]:
    """`flwr.server.strategy.aggregate.aggregate`: the sum alone, on arrays that are ready."""
    updates = [(list(arrays.values()), num_examples) for arrays, num_examples in generated(shapes, count)]
    return lambda: aggregate(updates)


class Aggregation:
    """Keeps the updates of the last `prepare`, so that `run` times nothing but the mean."""

    def __init__(self) -> None:
        self.mean: Callable[[], Mean] = list

    def prepare(self, way: str, shapes: Shapes, count: int) -> float:
        """Make the updates and their mean once; returns the peak memory of both, MB."""
        self.mean = list

        def work() -> None:
            self.mean = {"strategy": strategy, "legacy": legacy}[way](shapes, count)
            self.mean()

        return peak_mb_of(work)

    def run(self) -> float:
        """Seconds of one mean."""
        started = time.perf_counter()
        self.mean()
        return time.perf_counter() - started

    def save(self, path: str) -> None:
        """The mean as one flat .npy file."""
        np.save(path, np.concatenate([np.ravel(array) for array in self.mean()]))


if __name__ == "__main__":
    aggregation = Aggregation()
    answer_questions({"prepare": aggregation.prepare, "run": aggregation.run, "save": aggregation.save})
