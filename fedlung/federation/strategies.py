"""Federated strategies: one frozen dataclass per behaviour, everything that varies is one small override.

A strategy is pure: it gets a state and returns a new one. The client half is `correct_gradient`, called for every
parameter before a local optimizer step; it uses operators only, so it works on NumPy arrays and PyTorch tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Protocol

from fedlung.errors import WrongArgument
from fedlung.federation.combining import weighted_mean
from fedlung.federation.updates import ClientUpdate, Instruction, LocalPlan, ServerState
from fedlung.federation.weights import Weights, add, moved, scale, zeros_like

Memory = Mapping[str, Weights]


class Strategy(Protocol):
    """What server and client need of a strategy; `FedAvg` is the one to override."""

    def init(self, weights: Weights) -> ServerState: ...
    def instruct(self, state: ServerState, plan: LocalPlan, seed: int) -> Instruction: ...
    def correct_gradient(self, gradient: Any, weight: Any, global_weight: Any) -> Any: ...
    def aggregate(self, state: ServerState, updates: Iterable[ClientUpdate]) -> ServerState: ...


@dataclass(frozen=True)
class FedAvg:
    """Mean of the local models, weighted by scans (McMahan et al., AISTATS 2017).

    ``server_learning_rate`` is the share of the mean delta that the global model moves; 1 is plain averaging.
    """

    server_learning_rate: float = 1.0

    def __post_init__(self) -> None:
        _check("server_learning_rate", self.server_learning_rate, 0 < self.server_learning_rate <= 10, "in (0, 10]")

    def init(self, weights: Weights) -> ServerState:
        return ServerState(0, weights)

    def instruct(self, state: ServerState, plan: LocalPlan, seed: int) -> Instruction:
        return Instruction(state.round + 1, state.weights, plan, seed)

    def correct_gradient(self, gradient: Any, weight: Any, global_weight: Any) -> Any:
        return gradient

    def server_step(self, memory: Memory, mean_delta: Weights) -> tuple[Memory, Weights]:
        """New memory, and the step of the global model."""
        return memory, scale(mean_delta, self.server_learning_rate)

    def aggregate(self, state: ServerState, updates: Iterable[ClientUpdate]) -> ServerState:
        """Consume the updates one at a time and return the next state; ``state`` is left as it is."""
        memory, step = self.server_step(state.memory, weighted_mean(updates))
        return ServerState(state.round + 1, moved(state.weights, step), memory)


@dataclass(frozen=True)
class FedProx(FedAvg):
    """FedAvg whose local loss has the term ``mu/2 |w - w_global|^2`` (Li et al., MLSys 2020); ``mu`` 0 is FedAvg."""

    mu: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("mu", self.mu, 0 <= self.mu <= 1e4, "in [0, 10000]")

    def correct_gradient(self, gradient: Any, weight: Any, global_weight: Any) -> Any:
        return gradient + self.mu * (weight - global_weight)


@dataclass(frozen=True)
class FedAvgM(FedAvg):
    """FedAvg with momentum on the server: ``v <- momentum v + delta`` (Hsu et al., 2019); ``momentum`` 0 is FedAvg."""

    momentum: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        _check("momentum", self.momentum, 0 <= self.momentum < 1, "in [0, 1)")

    def server_step(self, memory: Memory, mean_delta: Weights) -> tuple[Memory, Weights]:
        before = memory.get("momentum", zeros_like(mean_delta))
        velocity = add(scale(before, self.momentum), mean_delta)
        return {**memory, "momentum": velocity}, scale(velocity, self.server_learning_rate)


STRATEGIES: Mapping[str, Callable[..., Strategy]] = {"fedavg": FedAvg, "fedprox": FedProx, "fedavgm": FedAvgM}


def make_strategy(name: str, parameters: Mapping[str, float] | None = None) -> Strategy:
    """The strategy called ``name``, with its parameters by name.

    Raises:
        WrongArgument: unknown name, unknown parameter or a value out of range; the message lists what is known.
    """
    factory = STRATEGIES.get(name)
    if factory is None:
        raise WrongArgument(f"strategy must be one of {', '.join(STRATEGIES)}, got {name!r}")
    known = [field.name for field in fields(factory)]  # type: ignore[arg-type]
    unknown = sorted(set(parameters or {}) - set(known))
    if unknown:
        raise WrongArgument(f"strategy {name} has no parameter {unknown[0]!r}; it has {', '.join(known)}")
    return factory(**(parameters or {}))


def _check(name: str, value: float, holds: bool, expected: str) -> None:
    if not holds:
        raise WrongArgument(f"{name} must be {expected}, got {value}")
