"""Who takes part, with which seed, at which learning rate: functions of the run's seed and the round alone."""

from __future__ import annotations

import numpy as np
import pytest

from fedlung.errors import WrongArgument
from fedlung.federation.learning_rate import LAST_SHARE, learning_rate_at
from fedlung.federation.options import RunOptions
from fedlung.federation.sampling import client_seed, sample_clients

TEN = [f"h{index}" for index in range(10)]


def sample(ids: list[str], fraction: float = 0.3, at_least: int = 1, seed: int = 0, round_: int = 1) -> list[str]:
    return sample_clients(ids, fraction=fraction, at_least=at_least, seed=seed, round_=round_)


@pytest.mark.parametrize(("fraction", "expected"), [(1.0, 10), (0.3, 3), (0.31, 4), (0.1, 1), (0.01, 1)])
def test_fraction_is_rounded_up(fraction: float, expected: int) -> None:
    assert len(sample(TEN, fraction)) == expected


def test_rounding_noise_asks_for_nobody_more() -> None:
    assert 0.07 * 100 > 7
    assert len(sample([f"h{index}" for index in range(100)], 0.07)) == 7


def test_never_fewer_than_the_quorum_never_more_than_there_are() -> None:
    assert len(sample(TEN, 0.1, at_least=4)) == 4
    assert sample(["a", "b"], 0.1, at_least=4) == ["a", "b"]


def test_sample_depends_on_seed_and_round_and_not_on_the_order_of_the_list() -> None:
    assert sample(TEN) == sample(TEN[::-1])
    assert len({tuple(sample(TEN, round_=number)) for number in range(20)}) > 10
    assert len({tuple(sample(TEN, seed=number)) for number in range(20)}) > 10


def test_every_client_has_its_turn() -> None:
    turns = np.array([[client in sample(TEN, round_=number) for client in TEN] for number in range(300)])
    np.testing.assert_allclose(turns.mean(axis=0), 0.3, atol=0.1)


def test_seeds_differ_by_run_round_and_client() -> None:
    seeds = {client_seed(run, round_, client) for run in range(3) for round_ in range(5) for client in TEN}
    assert len(seeds) == 3 * 5 * 10
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert client_seed(1, 2, "h3") == client_seed(1, 2, "h3")


def test_cosine_comes_down_over_the_global_rounds() -> None:
    rates = [learning_rate_at(number, 9, 2.0, schedule="cosine") for number in range(1, 10)]
    assert rates[0] == 2.0
    assert rates[4] == pytest.approx(2.0 * (LAST_SHARE + 1) / 2)
    assert rates[8] == pytest.approx(2.0 * LAST_SHARE)
    assert rates == sorted(rates, reverse=True)


def test_warm_up_rises_to_the_peak() -> None:
    rates = [learning_rate_at(n, 6, 1.0, warmup_rounds=3, schedule="constant") for n in range(1, 7)]
    assert rates == [1 / 4, 2 / 4, 3 / 4, 1, 1, 1]
    after = [learning_rate_at(n, 6, 1.0, warmup_rounds=3, schedule="cosine") for n in range(4, 7)]
    assert after[0] == 1.0
    assert after[2] == pytest.approx(LAST_SHARE)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_run_of_one_round_learns_at_the_peak(schedule: str) -> None:
    assert learning_rate_at(1, 1, 0.5, schedule=schedule) == 0.5


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"rounds": 0}, "rounds must be at least 1, got 0"),
        ({"local_epochs": 0}, "local epochs must be at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning rate must be in (0, 10], got 0.0"),
        ({"learning_rate": float("nan")}, "learning rate must be in (0, 10], got nan"),
        ({"schedule": "step"}, "schedule must be one of constant, cosine, got step"),
        ({"warmup_rounds": 5}, "warm-up rounds must be in 0..rounds-1, got 5"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"fraction": 0.0}, "fraction must be in (0, 1], got 0.0"),
        ({"fraction": 1.1}, "fraction must be in (0, 1], got 1.1"),
        ({"quorum": 0}, "quorum must be at least 1, got 0"),
        ({"deadline_seconds": 0.0}, "deadline must be a positive number of seconds, got 0.0"),
        ({"concurrent": 0}, "concurrent must be at least 1, got 0"),
        ({"validate_every": -1}, "validate every must be at least 0, got -1"),
    ],
)
def test_options_out_of_range_are_named(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(WrongArgument) as caught:
        RunOptions(**{"rounds": 5, **wrong})  # type: ignore[arg-type]
    assert str(caught.value) == sentence


@pytest.mark.parametrize(("asked", "needed"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)])
def test_quorum_is_half_of_those_asked_unless_given(asked: int, needed: int) -> None:
    assert RunOptions(5).needed(asked) == needed
    assert RunOptions(5, quorum=3).needed(asked) == 3


def test_validation_comes_at_the_end_and_when_it_is_asked_for() -> None:
    assert [number for number in range(1, 8) if RunOptions(7).validates(number)] == [7]
    assert [number for number in range(1, 8) if RunOptions(7, validate_every=3).validates(number)] == [3, 6, 7]
