"""The choices of a run that the coordinator needs, checked when they are made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fedlung.errors import WrongArgument
from fedlung.federation.learning_rate import SCHEDULES, learning_rate_at
from fedlung.federation.sampling import sample_clients
from fedlung.federation.updates import LocalPlan


@dataclass(frozen=True)
class RunOptions:
    """How a run goes.

    Attributes:
        local_epochs: passes of each hospital over its own scans in one round.
        learning_rate, schedule, warmup_rounds: see `fedlung.federation.learning_rate`.
        seed: of the whole run; every hospital and round gets its own from it.
        fraction: share of the hospitals asked in each round.
        quorum: hospitals that must answer for a round to count; None: half of those asked, rounded up.
        deadline_seconds: time that a hospital may take for its work in one round, counted from its start.
        concurrent: hospitals that train at the same time.
        validate_every: rounds between validations; 0: after the last round only.
    """

    rounds: int
    local_epochs: int = 1
    learning_rate: float = 1e-3
    schedule: str = "constant"
    warmup_rounds: int = 0
    seed: int = 0
    fraction: float = 1.0
    quorum: int | None = None
    deadline_seconds: float = 3600.0
    concurrent: int = 2
    validate_every: int = 0

    def __post_init__(self) -> None:
        _check("rounds", self.rounds, self.rounds >= 1, "at least 1")
        _check("local epochs", self.local_epochs, self.local_epochs >= 1, "at least 1")
        _check("learning rate", self.learning_rate, 0 < self.learning_rate <= 10, "in (0, 10]")
        _check("schedule", self.schedule, self.schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}")
        _check("warm-up rounds", self.warmup_rounds, 0 <= self.warmup_rounds < self.rounds, "in 0..rounds-1")
        _check("seed", self.seed, self.seed >= 0, "at least 0")
        _check("fraction", self.fraction, 0 < self.fraction <= 1, "in (0, 1]")
        _check("quorum", self.quorum, self.quorum is None or self.quorum >= 1, "at least 1")
        _check("deadline", self.deadline_seconds, 0 < self.deadline_seconds < 1e7, "a positive number of seconds")
        _check("concurrent", self.concurrent, self.concurrent >= 1, "at least 1")
        _check("validate every", self.validate_every, self.validate_every >= 0, "at least 0")

    def plan(self, round_: int) -> LocalPlan:
        """What a hospital does in ``round_`` (1..rounds)."""
        rate = learning_rate_at(
            round_, self.rounds, self.learning_rate, warmup_rounds=self.warmup_rounds, schedule=self.schedule
        )
        return LocalPlan(rate, self.local_epochs)

    def check_hospitals(self, hospitals: Sequence[str]) -> None:
        """Raises WrongArgument for no hospital, two of one name, or fewer than the quorum."""
        if not hospitals or len(set(hospitals)) < len(hospitals):
            raise WrongArgument("a federation needs at least one hospital, and each once")
        if self.needed(len(hospitals)) > len(hospitals):
            raise WrongArgument(f"quorum is {self.quorum}, but there are {len(hospitals)} hospitals")

    def choose(self, client_ids: Iterable[str], round_: int) -> list[str]:
        """Who is asked in ``round_``, sorted."""
        return sample_clients(
            client_ids, fraction=self.fraction, at_least=self.quorum or 1, seed=self.seed, round_=round_
        )

    def needed(self, asked: int) -> int:
        """Answers that make a round count when ``asked`` hospitals were asked."""
        return self.quorum if self.quorum is not None else max(1, -(-asked // 2))

    def validates(self, round_: int) -> bool:
        return round_ == self.rounds or (self.validate_every > 0 and round_ % self.validate_every == 0)


def _check(name: str, value: object, holds: bool, expected: str) -> None:
    if not holds:
        raise WrongArgument(f"{name} must be {expected}, got {value}")
