"""A federation of one full-batch step a round computes what gradient descent on the pooled data computes."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from federated_training import FederatedClient, FederatedServer
from fedlung.federation.client_threads import Answered, ClientThreads
from fedlung.federation.strategies import FedAvg
from fedlung.federation.updates import LocalPlan
from fedlung.federation.weights import Weights
from tests.least_squares import LeastSquaresTrainer, hospitals, pooled, zero_weights

ONE_STEP = LocalPlan(learning_rate=0.02, local_epochs=1)


def federated(trainers: dict[str, LeastSquaresTrainer], rounds: int) -> Weights:
    clients = [FederatedClient(name, trainer) for name, trainer in trainers.items()]
    server = FederatedServer(FedAvg(), zero_weights())
    for _ in range(rounds):
        instruction = server.instruct(ONE_STEP, 0, trainers)
        server.aggregate(client.train(instruction) for client in clients)
    return server.state.weights


def descended(trainer: LeastSquaresTrainer, steps: int) -> Weights:
    weights: Weights = zero_weights()
    for _ in range(steps):
        gradient = trainer.gradient(weights)
        weights = {name: weights[name] - ONE_STEP.learning_rate * gradient[name] for name in weights}
    return weights


@pytest.mark.parametrize("sizes", [(40, 80, 20, 60), (1, 200), (33,)])
def test_fedavg_of_one_step_is_a_pooled_gradient_step(sizes: tuple[int, ...]) -> None:
    trainers = hospitals(sizes)
    for rounds in (1, 30):
        together, apart = descended(pooled(trainers), rounds), federated(trainers, rounds)
        for name in together:
            np.testing.assert_allclose(apart[name], together[name], rtol=0, atol=1e-11)


def test_an_unweighted_mean_would_not_be_pooled() -> None:
    """The law above is sharp: with equal weights for hospitals of unequal size it fails at once."""
    trainers = hospitals((10, 90))
    apart = np.mean([descended(trainer, 1)["w"] for trainer in trainers.values()], axis=0)
    assert np.abs(apart - descended(pooled(trainers), 1)["w"]).max() > 1e-3


def test_federation_reaches_the_pooled_optimum() -> None:
    trainers = hospitals((40, 80, 20, 60))
    everything = pooled(trainers)
    rows = np.column_stack([everything.x, np.ones(everything.num_examples)])
    optimum = np.linalg.lstsq(rows, everything.y, rcond=None)[0]
    weights = federated(trainers, 500)
    np.testing.assert_allclose([*weights["w"], float(weights["b"])], optimum, atol=1e-4)


def test_hospitals_in_threads_give_the_same_bits_as_one_after_the_other() -> None:
    trainers = hospitals(batch=8)
    clients = {name: FederatedClient(name, trainer) for name, trainer in trainers.items()}
    one_by_one, threaded = (FederatedServer(FedAvg(), zero_weights(np.float32)) for _ in range(2))
    threads = ClientThreads(concurrent=4)
    for _ in range(10):
        instruction = one_by_one.instruct(ONE_STEP, 3, clients)
        one_by_one.aggregate(client.train(instruction) for client in clients.values())
        shared = threaded.instruct(ONE_STEP, 3, clients)
        tasks = {name: partial(client.train, shared) for name, client in clients.items()}
        messages = threads.ask("round", tasks, deadline_seconds=30)
        threaded.aggregate(message.answer for message in messages if isinstance(message, Answered))
    for name in zero_weights():
        assert one_by_one.state.weights[name].tobytes() == threaded.state.weights[name].tobytes()
