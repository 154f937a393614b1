"""Laws of the strategies: what a knob at zero must not change, and how far it moves the model otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from federated_training import FederatedClient, FederatedServer
from fedlung.federation.sampling import client_seed
from fedlung.federation.strategies import STRATEGIES, FedAvg, FedAvgM, FedProx, Strategy
from fedlung.federation.updates import ClientUpdate, LocalPlan, ServerState
from fedlung.federation.weights import Weights, norm, subtract
from tests.least_squares import LeastSquaresTrainer, an_instruction, an_update, hospitals, zero_weights

PLAN = LocalPlan(learning_rate=0.01, local_epochs=8)


def run(
    strategy: Strategy, trainers: Mapping[str, LeastSquaresTrainer], rounds: int, weights: Weights | None = None
) -> ServerState:
    """The plain loop of a federation, without threads, files or faults."""
    clients = [FederatedClient(name, trainer, strategy) for name, trainer in trainers.items()]
    server = FederatedServer(strategy, zero_weights() if weights is None else weights)
    for _ in range(rounds):
        instruction = server.instruct(PLAN, 0, [client.client_id for client in clients])
        server.aggregate(client.train(instruction) for client in clients)
    return server.state


def assert_same_bits(left: Weights, right: Weights) -> None:
    assert {name: array.tobytes() for name, array in left.items()} == {
        name: array.tobytes() for name, array in right.items()
    }


def test_fedprox_with_mu_0_is_fedavg() -> None:
    assert_same_bits(run(FedProx(mu=0.0), hospitals(), 7).weights, run(FedAvg(), hospitals(), 7).weights)


def test_fedavgm_with_momentum_0_is_fedavg() -> None:
    assert_same_bits(run(FedAvgM(momentum=0.0), hospitals(), 7).weights, run(FedAvg(), hospitals(), 7).weights)


def test_fedprox_keeps_the_local_model_near_the_global_one() -> None:
    trainer = hospitals()["hospital_d"]
    instruction = an_instruction(local_epochs=8)
    lengths = [norm(FederatedClient("d", trainer, FedProx(mu=mu)).train(instruction).delta) for mu in (0.0, 1.0, 5.0)]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[2] < 0.9 * lengths[0]


def test_fedprox_descends_on_the_loss_with_the_proximal_term() -> None:
    """The corrected gradient is the numeric gradient of ``loss + mu/2 |w - w_global|^2``, its square included."""
    trainer, mu, step = hospitals()["hospital_a"], 0.7, 1e-6
    start = {"w": np.arange(5.0), "b": np.asarray(1.0)}
    here = {"w": np.full(5, 0.5), "b": np.asarray(-2.0)}

    def objective(w: np.ndarray) -> float:
        there = {"w": w, "b": here["b"]}
        return trainer.loss(there) + mu / 2 * norm(subtract(there, start)) ** 2

    gradient = FedProx(mu=mu).correct_gradient(trainer.gradient(here)["w"], here["w"], start["w"])
    unit = np.eye(5)
    slopes = [(objective(here["w"] + step * e) - objective(here["w"] - step * e)) / (2 * step) for e in unit]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("strategy", [factory() for factory in STRATEGIES.values()], ids=STRATEGIES.keys())
def test_gradient_correction_is_the_same_for_arrays_and_tensors(strategy: Strategy) -> None:
    random = np.random.default_rng(0)
    arrays = [random.normal(size=(3, 4)) for _ in range(3)]
    of_tensors = strategy.correct_gradient(*(torch.from_numpy(array) for array in arrays))
    assert of_tensors.numpy().tobytes() == strategy.correct_gradient(*arrays).tobytes()


def test_momentum_of_the_server_is_the_papers_recursion() -> None:
    """v1 = d1, v2 = beta v1 + d2; the model moves by lr (v1 + v2)."""
    beta, rate = 0.5, 0.25
    strategy = FedAvgM(server_learning_rate=rate, momentum=beta)
    state = strategy.init({"w": np.array([1.0])})
    for delta in (8.0, 2.0):
        state = strategy.aggregate(state, [an_update(w=np.array([delta]))])
    assert float(state.weights["w"][0]) == 1.0 + rate * (8.0 + (beta * 8.0 + 2.0))
    assert float(state.memory["momentum"]["w"][0]) == beta * 8.0 + 2.0


def test_half_the_server_learning_rate_moves_half_as_far() -> None:
    update = [an_update(w=np.array([4.0, -2.0]))]
    state = ServerState(0, {"w": np.array([1.0, 1.0])})
    moved = FedAvg(server_learning_rate=0.5).aggregate(state, update).weights["w"]
    np.testing.assert_array_equal(moved, [1.0 + 2.0, 1.0 - 1.0])


@pytest.mark.parametrize("strategy", [factory() for factory in STRATEGIES.values()], ids=STRATEGIES.keys())
class TestEveryStrategy:
    """Laws that hold for strategies not yet written, too."""

    def test_one_client_is_plain_local_training_bit_for_bit(self, strategy: Strategy) -> None:
        if isinstance(strategy, FedAvgM):
            strategy = replace(strategy, momentum=0.0)  # momentum goes on where local training ended
        weights = {name: array.astype(np.float32) for name, array in zero_weights().items()}
        trainer = hospitals(batch=8)["hospital_b"]
        state = run(strategy, {"b": trainer}, 5, weights)
        for round_ in range(1, 6):
            weights = trainer.train(
                weights,
                learning_rate=PLAN.learning_rate,
                epochs=PLAN.local_epochs,
                seed=client_seed(0, round_, "b"),
                correct_gradient=strategy.correct_gradient,
            ).weights
        assert_same_bits(state.weights, weights)

    def test_aggregation_changes_neither_state_nor_updates(self, strategy: Strategy) -> None:
        updates = three_updates()
        state = strategy.aggregate(strategy.init({"w": np.ones(4)}), updates)
        kept = [state.weights["w"], *(array for slot in state.memory.values() for array in slot.values())]
        kept += [update.delta["w"] for update in updates]
        before = [array.copy() for array in kept]
        after = strategy.aggregate(state, updates)
        assert after.round == state.round + 1 == 2
        for array, values in zip(kept, before, strict=True):
            np.testing.assert_array_equal(array, values)

    def test_order_of_answers_changes_no_bit(self, strategy: Strategy) -> None:
        updates = three_updates()
        state = strategy.init({"w": np.ones(4, np.float32)})
        forward, backward = strategy.aggregate(state, updates), strategy.aggregate(state, updates[::-1])
        assert_same_bits(forward.weights, backward.weights)

    def test_no_change_anywhere_is_no_change(self, strategy: Strategy) -> None:
        start = {"w": np.array([0.1, -7.0, 1e-9], np.float32)}
        updates = [an_update(name, w=np.zeros(3, np.float32)) for name in "abc"]
        assert_same_bits(strategy.aggregate(strategy.init(start), updates).weights, start)

    def test_precision_of_the_model_stays(self, strategy: Strategy) -> None:
        state = strategy.init({"w": np.ones(4, np.float32)})
        for _ in range(2):
            state = strategy.aggregate(state, three_updates())
        assert state.weights["w"].dtype == np.float32


def three_updates() -> Sequence[ClientUpdate]:
    random = np.random.default_rng(0)
    return [an_update(name, count, w=random.normal(size=4)) for name, count in (("a", 3), ("b", 50), ("c", 7))]
