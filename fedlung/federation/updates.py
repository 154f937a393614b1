"""What server and hospitals tell each other in a round, and what the server remembers between rounds.

Compared by identity (``eq=False``): equality of dictionaries of arrays has no single meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fedlung.federation.weights import Weights


@dataclass(frozen=True)
class LocalPlan:
    """How a hospital trains in one round; ``local_epochs`` counts passes over its own scans."""

    learning_rate: float
    local_epochs: int


@dataclass(frozen=True, eq=False)
class Instruction:
    """Server to hospital: train ``weights`` by ``plan``. ``round`` counts from 1; ``seed`` is the run's."""

    round: int
    weights: Weights
    plan: LocalPlan
    seed: int


@dataclass(frozen=True, eq=False)
class ClientUpdate:
    """Hospital to server: ``delta`` = local - global weights, from ``num_examples`` scans, in answer to ``round``."""

    client_id: str
    round: int
    delta: Weights
    num_examples: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class ServerState:
    """The global model after ``round`` rounds, and what the strategy keeps (momentum...) under a name each."""

    round: int
    weights: Weights
    memory: Mapping[str, Weights] = field(default_factory=dict)
