"""Trains in this process: every sub-folder of the data folder is one hospital.

A run gets its folder when it is asked for, with arguments in the form of the command, so that it is in the history
whatever happens then, and ``python federated_training.py --resume RUN`` can go on with it. What trains is handed in
(`Engine`): the package does not know the fronts, and the web can be tested without torch.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from fedlung import __version__
from fedlung.command_line import Arguments
from fedlung.errors import BadRunFolder, FedLungError, HospitalData, Stopped, WrongArgument
from fedlung.events import FAILED, STOPPED, Event, HospitalStatus
from fedlung.federation.client_threads import in_words
from fedlung.federation.updates import ServerState
from fedlung.federation.weights import Weights
from fedlung.imaging.hospital_folder import hospital_folders
from fedlung.stores.run_arguments import chosen_hospitals, parse_run_arguments, run_options, settle_scans, to_config
from fedlung.stores.run_recorder import RunRecorder
from fedlung.stores.run_thresholds import threshold_metadata
from fedlung.stores.runs import RunFolder, find_run
from fedlung.web.training.launching import OnEvent
from fedlung.web.training.request import RunRequest
from fedlung.web.training.run_json import ASKED

MODEL = "model.pth"
GIVE_UP_SECONDS = 10.0  # for cancelled work: a process that ends in the middle of a torch call can crash
NICENESS = 10

logger = logging.getLogger(__name__)


class Trainer(Protocol):
    @property
    def num_examples(self) -> int: ...


class Client(Protocol):
    """A hospital that is open."""

    @property
    def client_id(self) -> str: ...
    @property
    def trainer(self) -> Trainer: ...


class Threads(Protocol):
    def wait(self, seconds: float) -> None: ...


class Server(Protocol):
    @property
    def state(self) -> ServerState: ...


class Coordinator(Protocol):
    """Leads a run: ``federated_training.FedAvgCoordinator``."""

    @property
    def server(self) -> Server: ...
    @property
    def threads(self) -> Threads: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def stop(self) -> None: ...
    def run(self) -> object: ...


@dataclass(frozen=True)
class Engine:
    """What of ``federated_training`` and torch is needed here.

    Attributes:
        parser: for the arguments of a run.
        open_client: a hospital's folder and the arguments -> the hospital, ready to train.
        open_coordinator: arguments, clients, folder, on_event, prepare_thread -> the coordinator.
        save_model: path, weights and metadata -> a file with its SHA-256 beside it.
        set_threads: processor threads of the calling thread.
    """

    parser: Callable[[], Arguments]
    open_client: Callable[[Path, argparse.Namespace], Client]
    open_coordinator: Callable[[argparse.Namespace, Sequence[Any], RunFolder, OnEvent, Callable[[int], None]], Any]
    save_model: Callable[[Path, Weights, Mapping[str, Any]], object]
    set_threads: Callable[[int], None]


class LocalLauncher:
    """Begins runs on the hospitals below ``data``, with at most ``threads`` processor threads for all of them."""

    def __init__(self, engine: Engine, data: Path, threads: int) -> None:
        self._engine = engine
        # Whole paths: the command that resumes a run may stand in another folder.
        self._data = data.resolve()
        self._threads = threads

    def begin(self, request: RunRequest, started_by: str, on_event: OnEvent) -> LocalRun:
        """Make the folder of a new run. Raises WrongArgument."""
        runs = self._data / "runs"
        arguments = self._arguments(request)
        hospitals = chosen_hospitals(hospital_folders(self._data), arguments)
        run_options(arguments).check_hospitals([folder.name for folder in hospitals])
        config = {"version": __version__, "started_by": started_by, "request": request.model_dump()}

        def config_of(run_id: str) -> dict[str, Any]:
            arguments.out = runs / run_id / MODEL
            return {**config, "arguments": to_config(arguments)}

        folder = RunFolder.create_new(runs, config_of)
        return LocalRun(self._engine, folder, arguments, on_event)

    def resume(self, run_id: str, on_event: OnEvent) -> LocalRun:
        """Go on with what the run's own ``config.json`` says. Raises BadRunFolder."""
        runs = self._data / "runs"
        places = {"runs": runs, "data": self._data, "cache": self._data / "cache", "out": runs / run_id / MODEL}
        given = [f"--{name}={value}" for name, value in {**places, "resume": run_id}.items()]
        try:
            arguments = parse_run_arguments(self._engine.parser(), given)
        except (WrongArgument, SystemExit) as error:
            raise BadRunFolder(f"run {run_id} cannot be resumed: {error}") from None
        return LocalRun(self._engine, RunFolder.open(find_run(runs, run_id)), arguments, on_event)

    def _arguments(self, request: RunRequest) -> argparse.Namespace:
        arguments = self._engine.parser().parse_args([])
        values = {argument: getattr(request, name) for name, argument in ASKED.items()}
        values["hospitals"] = None if request.hospitals is None else sorted(request.hospitals)
        values["strategy_option"] = [[name, value] for name, value in sorted(request.strategy_options.items())]
        count = len(request.hospitals or hospital_folders(self._data))
        values |= {"concurrent": min(count, self._threads), "threads": self._threads, "data": self._data}
        vars(arguments).update(values, runs=self._data / "runs", cache=self._data / "cache")
        return arguments


class LocalRun:
    """One run; see `fedlung.web.training.launching.RunHandle`."""

    def __init__(self, engine: Engine, folder: RunFolder, arguments: argparse.Namespace, on_event: OnEvent) -> None:
        self.run_id = folder.run_id
        self._engine = engine
        self._folder = folder
        self._arguments = arguments
        self._on_event = on_event
        self._lock = threading.Lock()
        self._coordinator: Coordinator | None = None
        self._is_paused = self._is_stopping = False
        self._scans: dict[str, Sequence[str]] = {}

    def scans_of(self, hospital: str) -> Sequence[str]:
        return self._scans.get(hospital, ())

    def pause(self) -> None:
        with self._lock:
            self._is_paused = True
            if self._coordinator is not None:
                self._coordinator.pause()

    def resume(self) -> None:
        with self._lock:
            self._is_paused = False
            if self._coordinator is not None:
                self._coordinator.resume()

    def stop(self) -> None:
        with self._lock:
            self._is_stopping = True
            if self._coordinator is not None:
                self._coordinator.stop()

    def wait(self) -> Path | None:
        """Open the hospitals, lead the run to its end, and return the model after its last complete round."""
        with self._folder:
            coordinator = self._open()
            if coordinator is None:
                return None
            try:
                coordinator.run()
            except FedLungError as error:  # also Stopped; told by the last events
                logger.info("run %s ended early: %s", self.run_id, error)
            except Exception:
                logger.exception("run %s failed", self.run_id)
            finally:
                coordinator.threads.wait(GIVE_UP_SECONDS)
            return self._save(coordinator.server.state)

    def _open(self) -> Coordinator | None:
        """The coordinator, or None with the reason told."""
        recorder = RunRecorder(self._folder, self._arguments.rounds, self._on_event)
        complete = (self._folder.last_complete_round() or {}).get("round", 0)
        try:
            clients = self._open_clients(recorder.tell)
            settle_scans(self._folder, {client.client_id: client.trainer.num_examples for client in clients})
            prepare = partial(_work_in_the_background, self._engine.set_threads)
            with self._lock:
                self._stop_or_go_on()
                made: Coordinator = self._engine.open_coordinator(
                    self._arguments, clients, self._folder, self._on_event, prepare
                )
                self._coordinator = made
                if self._is_paused:
                    made.pause()
            return made
        except Stopped as error:
            recorder.end(STOPPED, complete, str(error))
        except FedLungError as error:
            recorder.end(FAILED, complete, str(error))
        except Exception as error:
            logger.exception("the hospitals of run %s could not be opened", self.run_id)
            recorder.end(FAILED, complete, in_words(error))
        return None

    def _open_clients(self, tell: Callable[[Event], None]) -> list[Client]:
        """Those hospitals that can be opened, if they are enough.

        Raises:
            HospitalData: too few can; says why each cannot.
        """
        _work_in_the_background(self._engine.set_threads, self._arguments.threads)
        folders = chosen_hospitals(hospital_folders(self._arguments.data), self._arguments)
        clients, refused = [], {}
        for folder in folders:
            self._stop_or_go_on()
            tell(HospitalStatus(self.run_id, folder.name, "opening"))
            try:
                client = self._engine.open_client(folder, self._arguments)
            except (FedLungError, OSError, MemoryError) as error:
                logger.warning("run %s: %s cannot be opened: %s", self.run_id, folder.name, in_words(error))
                refused[folder.name] = in_words(error).replace(f"{folder}/", "")  # pages need not know where it is
                tell(HospitalStatus(self.run_id, folder.name, "left_out", 0, refused[folder.name]))
                continue
            clients.append(client)
            # Not every kind of local training knows scans; those that are held out are not among them.
            self._scans[folder.name] = tuple(getattr(client.trainer, "series_uids", ()))
            tell(HospitalStatus(self.run_id, folder.name, "ready", client.trainer.num_examples))
        needed = run_options(self._arguments).needed(len(folders))
        if len(clients) < needed:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
            raise HospitalData(
                f"{len(clients)} of {len(folders)} hospitals can be opened, {needed} are needed: {reasons}"
            )
        return clients

    def _stop_or_go_on(self) -> None:
        if self._is_stopping:
            raise Stopped(f"stopped before the first hospital trained; go on with --resume {self._folder.path}")

    def _save(self, state: ServerState) -> Path | None:
        """The model as a file of its own; who downloads it must not learn from it who else took part."""
        if state.round != (self._folder.last_complete_round() or {}).get("round", 0) or state.round == 0:
            return None  # stopped on its way back past a damaged checkpoint: its card would be of a later round
        path = self._folder.path / MODEL
        scans = self._folder.config.get("scans") or {}
        metadata = {"run_id": self.run_id, "round": state.round, "rounds": self._arguments.rounds}
        metadata |= {"strategy": self._arguments.strategy, "num_hospitals": len(scans), "version": __version__}
        metadata |= threshold_metadata(self._folder.rounds(), state.round)
        self._engine.save_model(path, state.weights, metadata)
        return path


def _work_in_the_background(set_threads: Callable[[int], None], threads: int) -> None:
    """In a thread that computes: pages come first."""
    set_threads(threads)
    if sys.platform == "linux":  # where a number of a thread stands for that thread alone
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
