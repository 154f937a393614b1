"""What happens in a training run, as frozen values: the same events feed the page, the history and the audit.

``name`` is the name of the socket event (DESIGN section 4). ``time`` and ``seq`` are added by whoever records or
emits an event, so that an event made in a test or in another process is the same value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

QUEUED, RUNNING, PAUSED = "queued", "running", "paused"
FINISHED, STOPPED, FAILED = "finished", "stopped", "failed"


@dataclass(frozen=True)
class Event:
    """Root of the events of one run; ``run_id`` says which."""

    name: ClassVar[str]
    run_id: str

    def to_json(self) -> dict[str, Any]:
        """The fields and ``event``, the name, as plain values for ``json.dumps``."""
        return {"event": self.name, **asdict(self)}


@dataclass(frozen=True)
class TrainingStatus(Event):
    """The run changed its state; ``round`` is the last complete one."""

    name = "training_status"
    state: str
    round: int
    rounds: int
    reason: str = ""


@dataclass(frozen=True)
class HospitalStatus(Event):
    """Before the first round: a hospital is ``opening``, ``ready`` with so many scans, or ``left_out`` (reason)."""

    name = "hospital_status"
    hospital: str
    state: str
    scans: int = 0
    reason: str = ""


@dataclass(frozen=True)
class RoundStarted(Event):
    """Round ``round`` of ``rounds`` was sent to ``hospitals``."""

    name = "round_started"
    round: int
    rounds: int
    hospitals: tuple[str, ...]
    learning_rate: float


@dataclass(frozen=True)
class ClientProgress(Event):
    """One hospital in one round; ``state`` is training, done, or with a ``reason`` in words dropped or late."""

    name = "client_progress"
    round: int
    hospital: str
    state: str
    fraction: float = 0.0
    reason: str = ""


@dataclass(frozen=True)
class HospitalResult:
    """What one hospital's accepted update said about itself; ``num_examples`` counts scans."""

    hospital: str
    num_examples: int
    seconds: float
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RoundFinished(Event):
    """A complete round. ``metrics`` are means over the accepted hospitals, weighted by scans; ``seconds`` are those
    of training and aggregation, without validation.

    ``dropped`` maps a hospital that was left out to the reason; ``validation`` maps a hospital to what it measured
    with the new global model on its own held-out scans. ``validation_pooled`` says what all of them together mean for
    the thresholds (see `fedlung.federation.operating_points.pooled_validation`); empty without a validation.
    """

    name = "round_finished"
    round: int
    rounds: int
    num_examples: int
    seconds: float
    learning_rate: float
    metrics: Mapping[str, float]
    hospitals: tuple[HospitalResult, ...]
    dropped: Mapping[str, str] = field(default_factory=dict)
    validation: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    validation_pooled: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFinished(Event):
    """The run ended as finished, stopped or failed; ``round`` is the last complete one."""

    name = "run_finished"
    state: str
    round: int
    rounds: int
    reason: str = ""


@dataclass(frozen=True)
class Notice(Event):
    """Something a person should read although the run goes on."""

    name = "notice"
    message: str
    hospital: str = ""
