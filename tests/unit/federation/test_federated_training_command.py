"""The command from its arguments to its files, with least-squares hospitals in place of the network's."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import federated_training
from fedlung.errors import HospitalData
from fedlung.stores.checkpoints import load_checkpoint
from fedlung.stores.runs import read_config, read_events, read_rounds
from tests.least_squares import ARCHITECTURE, LeastSquaresTrainer, bits, hospitals, zero_weights
from tests.troubled_federation import raise_out_of_memory, troubled

DONE, FAILED, WRONG = 0, 1, 2
Command = Callable[..., int]


@pytest.fixture
def trainers() -> dict[str, LeastSquaresTrainer]:
    return hospitals(batch=8)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trainers: dict[str, LeastSquaresTrainer]) -> Command:
    """Calls ``main`` on tmp_path/data, where every hospital has a folder."""

    def open_hospital(folder: Path, *, validation: Path | None, **arguments: Any) -> LeastSquaresTrainer:
        if not (folder / "scans").is_dir():
            raise HospitalData(f"hospital {folder.name}: no scan in {folder / 'scans'}")
        trainers[folder.name].validation = () if validation is None else (validation,)
        return trainers[folder.name]

    monkeypatch.setattr(federated_training, "open_hospital", open_hospital)
    monkeypatch.setattr(federated_training, "initial_weights", lambda seed: zero_weights(np.float32))
    monkeypatch.setattr(federated_training, "ARCHITECTURE", ARCHITECTURE)
    for name in trainers:
        (tmp_path / "data" / name / "scans").mkdir(parents=True)

    def call(*arguments: object, data: bool = True) -> int:
        places = ["--runs", tmp_path / "data" / "runs", "--cache", tmp_path / "data" / "cache"]
        if data:
            places += ["--data", tmp_path / "data", "--out", tmp_path / "models" / "federated.pth"]
        return federated_training.main([str(argument) for argument in [*places, *arguments]])

    return call


def runs(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "data" / "runs").iterdir())


def test_a_run_from_folders_to_model(command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "val" / "hospital_b").mkdir(parents=True)
    arguments = ["--rounds", 3, "--val", tmp_path / "val", "--strategy", "fedprox", "--strategy-option", "mu=0.5"]
    assert command(*arguments) == DONE
    (run,) = runs(tmp_path)
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert captured.err == ""
    assert [line.split()[:2] for line in lines[:3]] == [["round", f"{number}/3"] for number in (1, 2, 3)]
    assert "hospital_a 40 scans" in lines[0]
    assert "validation: hospital_b loss" in lines[2]
    assert lines[-2:] == [f"model: {tmp_path}/models/federated.pth", f"run: {run} (with curves.png)"]

    model = load_checkpoint(tmp_path / "models" / "federated.pth", expected_architecture=ARCHITECTURE)
    last = load_checkpoint(run / "round_0003.pth", expected_architecture=ARCHITECTURE)
    assert bits(model.weights) == bits(last.weights)
    assert model.metadata["run_id"] == run.name
    assert model.metadata["scans"] == {"hospital_a": 40, "hospital_b": 80, "hospital_c": 20, "hospital_d": 60}
    assert (run / "curves.png").stat().st_size > 1000
    assert read_config(run)["arguments"]["strategy_option"] == [["mu", 0.5]]
    assert read_rounds(run)[-1]["validation"].keys() == {"hospital_b"}


def test_same_seed_same_model_and_other_seed_another(command: Command, tmp_path: Path) -> None:
    digests = []
    for seed in (1, 1, 2):
        assert command("--rounds", 2, "--seed", seed) == DONE
        model = load_checkpoint(tmp_path / "models" / "federated.pth", expected_architecture=ARCHITECTURE)
        digests.append(bits(model.weights))
    assert digests[0] == digests[1] != digests[2]


def test_chosen_hospitals_take_part(command: Command, tmp_path: Path) -> None:
    assert command("--rounds", 1, "--hospitals", "hospital_c, hospital_a") == DONE
    (run,) = runs(tmp_path)
    assert [result["hospital"] for result in read_rounds(run)[-1]["hospitals"]] == ["hospital_a", "hospital_c"]


def test_failed_run_says_why_and_is_resumed_with_its_own_settings(
    command: Command, tmp_path: Path, trainers: dict[str, LeastSquaresTrainer], capsys: pytest.CaptureFixture[str]
) -> None:
    settings = ["--rounds", 3, "--seed", 4, "--strategy", "fedavgm", "--learning-rate", 0.01]
    assert command(*settings) == DONE
    (first,) = runs(tmp_path)
    capsys.readouterr()

    honest = dict(trainers)
    trainers |= {name: troubled(honest[name], raise_out_of_memory, (2,)) for name in ("hospital_a", "hospital_b")}
    assert command(*settings, "--quorum", 3) == FAILED
    last_line = capsys.readouterr().err.splitlines()[-1]
    assert last_line.startswith("round 2: 2 of 4 hospitals answered, 3 are needed; the model is that of round 1;")
    (second,) = set(runs(tmp_path)) - {first}

    trainers |= honest
    assert command("--resume", second.name, data=False) == DONE
    assert [record["round"] for record in read_rounds(second)] == [0, 1, 2, 3]
    ends = [load_checkpoint(run / "round_0003.pth", expected_architecture=ARCHITECTURE) for run in (first, second)]
    assert bits(ends[0].weights) == bits(ends[1].weights)
    assert command("--resume", second, data=False) == DONE  # nothing is left to do


def test_a_resumed_run_keeps_what_made_it(
    command: Command, tmp_path: Path, trainers: dict[str, LeastSquaresTrainer], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--rounds", 1) == DONE
    (run,) = runs(tmp_path)
    capsys.readouterr()
    assert command("--resume", run.name, "--seed", 3, data=False) == WRONG
    assert capsys.readouterr().err == "--seed of the resumed run is 0, it cannot be 3\n"
    trainers["hospital_a"] = LeastSquaresTrainer(trainers["hospital_a"].x[1:], trainers["hospital_a"].y[1:])
    assert command("--resume", run.name, data=False) == FAILED
    assert "'hospital_a': 40" in capsys.readouterr().err
    assert command("--resume", "nothing", data=False) == WRONG
    assert capsys.readouterr().err.endswith(f"there is {run.name}\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_in_order_and_says_how_to_go_on(
    command: Command,
    tmp_path: Path,
    trainers: dict[str, LeastSquaresTrainer],
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    main_thread = threading.main_thread().ident
    assert main_thread is not None

    def interrupt(result: Any) -> Any:
        signal.pthread_kill(main_thread, number)
        return result

    before = signal.getsignal(number)
    trainers["hospital_c"] = troubled(trainers["hospital_c"], interrupt, when=(2,))
    assert command("--rounds", 3, "--concurrent", 1) == FAILED
    assert signal.getsignal(number) is before
    (run,) = runs(tmp_path)
    assert capsys.readouterr().err == f"stopped: round 1 of 3 is kept; go on with --resume {run}\n"
    assert read_events(run)[-1]["state"] == "stopped"
    assert command("--resume", run.name, data=False) == DONE


WRONGS = {
    "no rounds": (["--out", "x.pth"], "--rounds is needed, unless a run is resumed (see --help)"),
    "zero rounds": (["--rounds", 0], "rounds must be at least 1, got 0"),
    "unknown strategy": (
        ["--rounds", 1, "--strategy", "x"],
        "strategy must be one of fedavg, fedprox, fedavgm, got 'x'",
    ),
    "unknown hospital": (
        ["--rounds", 1, "--hospitals", "hospital_x"],
        "--hospitals: there is no hospital_x in {tmp}/data; there is hospital_a, hospital_b, hospital_c, hospital_d",
    ),
    "no validation folder": (["--rounds", 1, "--val", "/nowhere"], "--val: /nowhere is not a folder"),
    "nothing to validate": (["--rounds", 1, "--val", "{tmp}"], "--val: {tmp} has no folder of a hospital's name"),
    "held out": (["--rounds", 1, "--held-out", 0.6], "held-out must be from 0 to 0.5, got 0.6"),
    "quorum": (["--rounds", 1, "--quorum", 5], "quorum is 5, but there are 4 hospitals"),
    "no data": (["--rounds", 1, "--data", "/nowhere"], "/nowhere is not a folder"),
}


@pytest.mark.parametrize(("arguments", "sentence"), WRONGS.values(), ids=WRONGS.keys())
def test_wrong_arguments_are_one_line_and_leave_nothing(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[object], sentence: str
) -> None:
    assert command(*(str(argument).format(tmp=tmp_path) for argument in arguments)) == WRONG
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", sentence.format(tmp=tmp_path) + "\n")
    assert not (tmp_path / "data" / "runs").exists() or not runs(tmp_path)


def test_a_hospital_without_scans_is_named(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data" / "hospital_e").mkdir()
    (tmp_path / "data" / "hospital_e" / "annotations.csv").touch()
    assert command("--rounds", 1) == FAILED
    assert "hospital_e" in capsys.readouterr().err


def test_config_is_what_was_asked(command: Command, tmp_path: Path) -> None:
    assert command("--rounds", 1, "--patch", 32) == DONE
    config = json.loads((runs(tmp_path)[0] / "config.json").read_text())
    assert config["arguments"]["patch"] == 32
    assert "resume" not in config["arguments"]
