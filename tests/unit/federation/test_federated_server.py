"""The server's own judgement, for answers that come by other ways than our threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from federated_training import FederatedServer
from fedlung.errors import FedLungError, QuorumNotReached, RefusedUpdate
from fedlung.federation.strategies import FedAvg
from fedlung.federation.updates import LocalPlan
from tests.least_squares import an_update, zero_weights


def a_server() -> FederatedServer:
    server = FederatedServer(FedAvg(), zero_weights())
    server.instruct(LocalPlan(0.1, 1), 0, ["hospital_a", "hospital_b"])
    return server


def test_one_answer_each() -> None:
    server = a_server()
    server.accept(an_update("hospital_a"), "hospital_a")
    with pytest.raises(RefusedUpdate, match="has answered already"):
        server.accept(an_update("hospital_a"), "hospital_a")
    server.accept(an_update("hospital_b"), "hospital_b")


def test_uninvited_and_forged_answers_are_refused() -> None:
    server = a_server()
    with pytest.raises(RefusedUpdate, match="it was not asked in this round"):
        server.accept(an_update("hospital_c"), "hospital_c")
    with pytest.raises(RefusedUpdate, match="it answers in the name of hospital_b"):
        server.accept(an_update("hospital_b"), "hospital_a")
    with pytest.raises(RefusedUpdate, match="its answer is not an update but dict"):
        server.accept({}, "hospital_a")  # type: ignore[arg-type]


def test_late_answers_are_refused() -> None:
    server = a_server()
    server.aggregate([an_update("hospital_a")])
    with pytest.raises(RefusedUpdate, match="late answer: its round is closed"):
        server.accept(an_update("hospital_b"), "hospital_b")
    server.instruct(LocalPlan(0.1, 1), 0, ["hospital_b"])
    with pytest.raises(RefusedUpdate, match="late answer: it belongs to round 1, and this is round 2"):
        server.accept(an_update("hospital_b", round_=1), "hospital_b")


def test_weights_sent_out_cannot_be_written_into() -> None:
    server = FederatedServer(FedAvg(), zero_weights())
    instruction = server.instruct(LocalPlan(0.1, 1), 0, ["hospital_a"])
    with pytest.raises(ValueError, match="read-only"):
        instruction.weights["w"][0] = 1.0


def test_an_error_in_the_stream_leaves_the_model() -> None:
    server = a_server()
    before = server.state

    def broken() -> Iterator[Any]:
        yield an_update("hospital_a")
        raise QuorumNotReached("too few")

    with pytest.raises(QuorumNotReached):
        server.aggregate(broken())
    assert server.state is before


def test_a_model_that_became_infinite_is_not_taken() -> None:
    server = FederatedServer(FedAvg(server_learning_rate=10.0), {"w": np.full(2, 3e38, np.float32)})
    before = server.state
    with pytest.raises(FedLungError, match="round 1 made the global model infinite"):
        server.aggregate([an_update(w=np.full(2, 1e38))])
    assert server.state is before
