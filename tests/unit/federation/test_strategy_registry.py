"""Strategies by name, as a command line or a page gives them."""

from __future__ import annotations

import pytest

from fedlung.errors import WrongArgument
from fedlung.federation.strategies import STRATEGIES, FedAvgM, FedProx, make_strategy


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_can_be_made_by_name(name: str) -> None:
    assert make_strategy(name) == STRATEGIES[name]()


def test_parameters_are_given_by_name() -> None:
    assert make_strategy("fedprox", {"mu": 0.5}) == FedProx(mu=0.5)
    made = make_strategy("fedavgm", {"momentum": 0.5, "server_learning_rate": 0.7})
    assert made == FedAvgM(server_learning_rate=0.7, momentum=0.5)


@pytest.mark.parametrize(
    ("name", "parameters", "sentence"),
    [
        ("fedsgd", {}, "strategy must be one of fedavg, fedprox, fedavgm, got 'fedsgd'"),
        ("fedavg", {"mu": 1.0}, "strategy fedavg has no parameter 'mu'; it has server_learning_rate"),
        ("fedprox", {"my": 1.0}, "strategy fedprox has no parameter 'my'; it has server_learning_rate, mu"),
        ("fedprox", {"mu": -1.0}, "mu must be in [0, 10000], got -1.0"),
        ("fedprox", {"mu": float("nan")}, "mu must be in [0, 10000], got nan"),
        ("fedavgm", {"momentum": 1.0}, "momentum must be in [0, 1), got 1.0"),
        ("fedavg", {"server_learning_rate": 0.0}, "server_learning_rate must be in (0, 10], got 0.0"),
    ],
)
def test_wrong_strategy_is_named(name: str, parameters: dict[str, float], sentence: str) -> None:
    with pytest.raises(WrongArgument) as caught:
        make_strategy(name, parameters)
    assert str(caught.value) == sentence
