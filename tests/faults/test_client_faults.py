"""One hospital's trouble is its own: it is left out, named with the reason, and the round goes on without it."""

from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from federated_training import FedAvgCoordinator, FederatedClient, FederatedServer
from fedlung.errors import BadRunFolder, QuorumNotReached, WrongArgument
from fedlung.events import FAILED, FINISHED, RUNNING
from fedlung.federation.mark_counts import count_marks
from fedlung.federation.measured import Measured
from fedlung.federation.operating_points import pooled_validation
from fedlung.federation.options import RunOptions
from fedlung.federation.strategies import FedAvg
from fedlung.federation.updates import LocalPlan
from fedlung.federation.weights import Weights
from fedlung.stores.checkpoints import load_checkpoint
from fedlung.stores.runs import RunFolder, read_events, read_rounds
from tests.least_squares import ARCHITECTURE, LeastSquaresTrainer, Result, Watch, bits, hospitals, zero_weights
from tests.troubled_federation import LONG, a_coordinator, raise_out_of_memory, troubled, with_count, with_w

TROUBLES = {
    "raises": (raise_out_of_memory, "RuntimeError: CUDA error: out of memory"),
    "nan": (with_w(lambda w: w * np.nan), "delta of w holds NaN or infinite values"),
    "infinite": (with_w(lambda w: w + np.inf), "delta of w holds NaN or infinite values"),
    "huge": (with_w(lambda w: w + 1e6), "delta of w changes a weight by 1e+06; at most 100 is plausible"),
    "wrong shape": (with_w(lambda w: w[:3]), "local model of w must have shape (5,), got (3,)"),
    "broadcastable shape": (with_w(lambda w: w[:1]), "local model of w must have shape (5,), got (1,)"),
    "no array": (with_w(list), "local model of w must be a float32 or float64 array, got list"),
    "no weights": (lambda result: replace(result, weights={}), "local model lacks array b"),
    "too many examples": (with_count(10**12), "num_examples must be in 1..80, got 1000000000000"),
    "negative examples": (with_count(-1), "num_examples must be in 1..80, got -1"),
    "nan examples": (with_count(float("nan")), "num_examples must be a whole number, got nan"),
    "nothing": (lambda result: None, "AttributeError: 'NoneType' object has no attribute 'weights'"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunFolder]:
    with RunFolder.create(tmp_path, "run-1", {}) as created:
        yield created


@pytest.mark.parametrize(("trouble", "reason"), TROUBLES.values(), ids=TROUBLES.keys())
def test_trouble_is_left_out_and_named(
    folder: RunFolder,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    trouble: Callable[[Result], Result],
    reason: str,
) -> None:
    """In round 2 hospital_b is in trouble; round 2 equals a round of the honest ones, and b is back in round 3."""
    trainers = hospitals(batch=8)
    trainers["hospital_b"] = troubled(trainers["hospital_b"], trouble, when=(2,))
    watch = Watch()
    with caplog.at_level(logging.WARNING):
        state = a_coordinator(folder, trainers, watch).run()

    assert [event.dropped for event in watch.named("round_finished")] == [{}, {"hospital_b": reason}, {}]
    dropped = [event for event in watch.named("client_progress") if event.state == "dropped"]
    assert [(event.round, event.hospital, event.reason) for event in dropped] == [(2, "hospital_b", reason)]
    assert f"round 2: hospital_b is left out: {reason}" in caplog.messages
    assert bits(state.weights) == bits(honest_twin(trainers))
    assert [len(record["hospitals"]) for record in read_rounds(folder.path)[1:]] == [4, 3, 4]


def honest_twin(trainers: Mapping[str, LeastSquaresTrainer]) -> Weights:
    """Three rounds by hand, in which nobody asks hospital_b in round 2."""
    server = FederatedServer(FedAvg(), zero_weights(np.float32))
    clients = [FederatedClient(name, LeastSquaresTrainer(t.x, t.y, t.batch)) for name, t in trainers.items()]
    for round_ in (1, 2, 3):
        instruction = server.instruct(LocalPlan(0.02, 4), 0, trainers)
        asked = [client for client in clients if round_ != 2 or client.client_id != "hospital_b"]
        server.aggregate(client.train(instruction) for client in asked)
    return server.state.weights


def test_hanging_hospital_is_skipped_and_comes_back(folder: RunFolder) -> None:
    release = threading.Event()

    def hang(result: Result) -> Result:
        assert release.wait(LONG)
        return result

    def release_after_round_2(event: Any) -> None:
        watch(event)
        if event.name == "round_finished" and event.round == 2:
            release.set()
            coordinator.threads.wait(LONG)

    trainers = hospitals()
    trainers["hospital_a"] = troubled(trainers["hospital_a"], hang, when=(1,))
    watch = Watch()
    coordinator = a_coordinator(folder, trainers, release_after_round_2, deadline_seconds=0.2)
    coordinator.run()

    assert [event.dropped for event in watch.named("round_finished")] == [
        {"hospital_a": "no answer within 0.2 s"},
        {"hospital_a": "still busy with round 1"},
        {},
    ]
    notices = [event.message for event in watch.named("notice")]
    assert notices == ["hospital_a came to the end of round 1 too late; its answer is refused"]
    told = [event for event in watch.named("client_progress") if event.hospital == "hospital_a"]
    assert [(event.round, event.state) for event in told if event.state != "training"] == [
        (1, "late"),
        (2, "dropped"),
        (3, "done"),
    ]
    assert next((event.state, event.fraction) for event in told) == ("training", 0.0)  # it is heard when it begins


def test_quorum_fails_model_stays_and_the_run_can_be_resumed(folder: RunFolder) -> None:
    trainers = hospitals()
    for name in ("hospital_a", "hospital_b", "hospital_c"):
        trainers[name] = troubled(trainers[name], raise_out_of_memory, when=(2,))
    watch = Watch()
    coordinator = a_coordinator(folder, trainers, watch)
    with pytest.raises(QuorumNotReached, match=r"^round 2: 1 of 4 hospitals answered, 2 are needed; the model is that"):
        coordinator.run()

    assert coordinator.server.state.round == 1
    record = folder.last_complete_round()
    assert record is not None
    assert record["round"] == 1
    kept = load_checkpoint(folder.checkpoint_path(1), expected_architecture=ARCHITECTURE)
    assert bits(kept.weights) == bits(coordinator.server.state.weights)
    assert [event.state for event in watch.named("training_status")] == [RUNNING, FAILED]
    end = watch.named("run_finished")[-1]
    assert (end.state, end.round) == (FAILED, 1)
    assert "hospital_c (RuntimeError: CUDA error: out of memory)" in end.reason

    state = a_coordinator(folder, trainers, watch).run()  # in their third call they are well again
    assert state.round == 3
    assert watch.named("run_finished")[-1].state == FINISHED


def test_everybody_fails_in_the_first_round(folder: RunFolder) -> None:
    trainers = {name: troubled(trainer, raise_out_of_memory, (1,)) for name, trainer in hospitals().items()}
    with pytest.raises(QuorumNotReached, match="round 1: 0 of 4 hospitals answered"):
        a_coordinator(folder, trainers).run()
    assert bits(a_coordinator(folder, trainers).server.state.weights) == bits(zero_weights(np.float32))
    assert a_coordinator(folder, trainers).run().round == 3


def test_disturbed_validation_disturbs_no_round(folder: RunFolder) -> None:
    class Blind(LeastSquaresTrainer):
        def evaluate(self, weights: Weights) -> Measured:
            raise RuntimeError("no validation scans")

    trainers = hospitals()
    trainers["hospital_a"] = Blind(trainers["hospital_a"].x, trainers["hospital_a"].y)
    watch = Watch()
    state = a_coordinator(folder, trainers, watch).run()
    last = watch.named("round_finished")[-1]
    assert sorted(last.validation) == ["hospital_b", "hospital_c", "hospital_d"]
    assert last.validation["hospital_d"] == {"loss": trainers["hospital_d"].loss(state.weights)}
    assert watch.named("notice")[0].hospital == "hospital_a"


def test_counts_that_cannot_be_are_refused_with_their_metrics(folder: RunFolder) -> None:
    counts = count_marks(np.array([0.9, 0.4]), np.array([True, False]), num_scans=3, num_nodules=4)

    @dataclass
    class Counting(LeastSquaresTrainer):
        answer: Any = None

        def evaluate(self, weights: Weights) -> Any:
            return self.answer

    answers = [
        Measured({"loss": 0.5}, counts),
        Measured({"loss": 0.0}, replace(counts, num_scans=10**9)),
        Measured({"loss": 0.0}, replace(counts, false_marks=(math.nan,))),  # type: ignore[arg-type]
        {"loss": 0.0},
    ]
    trainers = {
        name: Counting(trainer.x, trainer.y, answer=answer)
        for (name, trainer), answer in zip(hospitals().items(), answers, strict=True)
    }
    watch = Watch()
    assert a_coordinator(folder, trainers, watch, rounds=1).run().round == 1
    (last,) = watch.named("round_finished")
    assert last.validation == {"hospital_a": {"loss": 0.5}}
    assert last.validation_pooled == pooled_validation([counts])
    told = {notice.hospital: notice.message for notice in watch.named("notice")}
    assert told.keys() == {"hospital_b", "hospital_c", "hospital_d"}
    assert told["hospital_b"].startswith("hospital_b did not validate: num_scans must be a whole number from 1 to ")
    assert len(json.dumps(last.to_json()["validation_pooled"])) < 1500, "no vectors of counts in events"


def test_a_watcher_that_fails_disturbs_no_round(folder: RunFolder, caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: Any) -> None:
        raise ValueError("the page is gone")

    assert a_coordinator(folder, hospitals(), broken).run().round == 3
    assert "an event could not be shown: round_finished" in caplog.messages


def test_what_is_told_is_recorded(folder: RunFolder) -> None:
    watch = Watch()
    a_coordinator(folder, hospitals(), watch).run()
    recorded = read_events(folder.path)
    assert [record["seq"] for record in recorded] == list(range(1, len(recorded) + 1))
    told = [event for event in watch.events if getattr(event, "state", "") != "training"]
    assert [record["event"] for record in recorded] == [event.name for event in told]
    assert [record["round"] for record in read_rounds(folder.path)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("names", "options", "sentence"),
    [
        ([], {}, "a federation needs at least one hospital, and each once"),
        (["a", "a"], {}, "a federation needs at least one hospital, and each once"),
        (["a", "b"], {"quorum": 3}, "quorum is 3, but there are 2 hospitals"),
    ],
)
def test_impossible_federations_are_refused(
    folder: RunFolder, names: list[str], options: dict[str, Any], sentence: str
) -> None:
    trainer = hospitals()["hospital_a"]
    clients = [FederatedClient(name, trainer) for name in names]
    server = FederatedServer(FedAvg(), zero_weights())
    with pytest.raises(WrongArgument, match=sentence):
        FedAvgCoordinator(server, clients, RunOptions(1, **options), folder=folder, architecture=ARCHITECTURE)


def test_one_run_is_driven_once(folder: RunFolder) -> None:
    with pytest.raises(BadRunFolder, match=r"run run-1 is being driven by process \d+"):
        RunFolder.open(folder.path)
