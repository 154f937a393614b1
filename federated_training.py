"""Federated training: hospitals train one model together, and no scan leaves a hospital.

The story: a ``FederatedServer`` holds the global model -> it instructs -> each ``FederatedClient`` trains on its own
scans -> the server takes the plausible answers into the model. A ``FedAvgCoordinator`` leads this through the rounds
of a run, with deadlines, a quorum, events and checkpoints; whatever happens, the last complete round is kept.

    python federated_training.py --data DIR --rounds N --out models/federated.pth [--local-epochs E] [--strategy NAME]
    python federated_training.py --resume RUN
"""

from __future__ import annotations

import fedlung.openmp  # noqa: F401 - for its effect

import argparse
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress, TaskID

from fedlung import __version__, events
from fedlung.command_line import Arguments, interrupts_call, make_room_for, run_command
from fedlung.detection.training_options import TrainingOptions, add_training_arguments
from fedlung.errors import FedLungError, RefusedUpdate, Stopped, WrongArgument
from fedlung.events import ClientProgress, Event, RoundFinished, RoundStarted
from fedlung.federation.client_threads import Answered, CameLate, ClientThreads, Failed, Progressed, in_words
from fedlung.federation.local_training import LocalTrainer
from fedlung.federation.measured import Measured, ValidationTally
from fedlung.federation.options import RunOptions
from fedlung.federation.round_tally import RoundTally
from fedlung.federation.sampling import client_seed
from fedlung.federation.strategies import FedAvg, Strategy
from fedlung.federation.updates import ClientUpdate, Instruction, LocalPlan, ServerState
from fedlung.federation.validation import UpdateLimits, check_update, unlike_or_none
from fedlung.federation.weights import Weights, all_finite, delta_between, read_only
from fedlung.imaging.hospital_folder import hospital_folders
from fedlung.stores.checkpoints import save_checkpoint
from fedlung.stores.run_arguments import (
    add_run_arguments,
    chosen_hospitals,
    open_run,
    parse_run_arguments,
    run_options,
    run_strategy,
)
from fedlung.stores.run_checkpoints import restore_last_round, save_round
from fedlung.stores.run_curves import draw_curves
from fedlung.stores.run_recorder import RunRecorder
from fedlung.stores.run_text import round_line, rounds_table
from fedlung.stores.run_thresholds import threshold_line, threshold_metadata
from fedlung.stores.runs import RunFolder
from train_simple_model import ARCHITECTURE, LEARNING_RATE, initial_weights, open_hospital

logger = logging.getLogger(__name__)

# --- a hospital ------------------------------------------------------------------------------------------


class FederatedClient:
    """One hospital: its trainer, and the client half of the strategy. Only updates and numbers come out."""

    def __init__(
        self, client_id: str, trainer: LocalTrainer, strategy: Strategy | None = None, *, validates: bool = False
    ) -> None:
        self.client_id = client_id
        self.trainer = trainer
        self.strategy = strategy or FedAvg()
        self.validates = validates

    def train(
        self,
        instruction: Instruction,
        on_progress: Callable[[float], None] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> ClientUpdate:
        """Train the global weights by the instruction's plan, and answer with the difference.

        Raises:
            RefusedUpdate: the trainer gave back other arrays than it got.
        """
        started = time.perf_counter()
        if on_progress is not None:
            on_progress(0.0)
        result = self.trainer.train(
            instruction.weights,
            learning_rate=instruction.plan.learning_rate,
            epochs=instruction.plan.local_epochs,
            seed=client_seed(instruction.seed, instruction.round, self.client_id),
            correct_gradient=self.strategy.correct_gradient,
            on_progress=on_progress,
            should_stop=should_stop,
        )
        unlike = unlike_or_none(result.weights, instruction.weights, "local model")
        if unlike is not None:
            raise RefusedUpdate(unlike)
        return ClientUpdate(
            self.client_id,
            instruction.round,
            delta_between(result.weights, instruction.weights),
            result.num_examples,
            result.metrics,
            time.perf_counter() - started,
        )

    def evaluate(self, weights: Weights) -> Measured:
        """What the hospital measures with ``weights`` on its held-out scans."""
        return self.trainer.evaluate(weights)


# --- the server ------------------------------------------------------------------------------------------


class FederatedServer:
    """Holds the global model; instructs, accepts or refuses answers, aggregates. ``state`` is replaced, not changed."""

    def __init__(self, strategy: Strategy, weights: Weights, limits: UpdateLimits | None = None) -> None:
        self.strategy = strategy
        self.state = strategy.init(weights)
        self._limits = limits or UpdateLimits()
        self._instruction: Instruction | None = None
        self._awaited: set[str] = set()

    def instruct(self, plan: LocalPlan, seed: int, client_ids: Iterable[str]) -> Instruction:
        """Open the next round for these clients. The weights are shared, therefore read-only."""
        instruction = self.strategy.instruct(self.state, plan, seed)
        self._instruction = Instruction(instruction.round, read_only(instruction.weights), plan, seed)
        self._awaited = set(client_ids)
        return self._instruction

    def accept(self, update: ClientUpdate, sender: str) -> None:
        """Accept the one answer of ``sender`` to the open round.

        Raises:
            RefusedUpdate: not awaited (late, twice, uninvited, in another's name), or not plausible.
        """
        if not isinstance(update, ClientUpdate):
            raise RefusedUpdate(f"its answer is not an update but {type(update).__name__}")
        if self._instruction is None:
            raise RefusedUpdate("late answer: its round is closed")
        check_update(update, self._instruction, self._limits)
        if update.client_id != sender:
            raise RefusedUpdate(f"it answers in the name of {update.client_id}")
        if sender not in self._awaited:
            raise RefusedUpdate("it was not asked in this round, or has answered already")
        self._awaited.remove(sender)

    def aggregate(self, updates: Iterable[ClientUpdate]) -> ServerState:
        """Take accepted updates, one at a time, into the model. Whatever is raised, the model stays as it was."""
        state = self.strategy.aggregate(self.state, updates)
        if not all_finite(state.weights):
            raise FedLungError(f"round {state.round} made the global model infinite; lower the server's learning rate")
        self.state = state
        self._instruction = None
        return state


# --- the rounds ------------------------------------------------------------------------------------------


class FedAvgCoordinator:
    """Leads a run: chooses clients, waits for them, records, and keeps every complete round.

    A client that raises, takes longer than the deadline, or answers something implausible is left out of the round,
    with the reason in the log, the event and the run folder. A run folder with complete rounds is continued.
    Events are told from the thread that calls `run`; `pause`, `resume` and `stop` may be called from any thread.
    """

    def __init__(
        self,
        server: FederatedServer,
        clients: Sequence[FederatedClient],
        options: RunOptions,
        *,
        folder: RunFolder,
        architecture: Mapping[str, Any],
        on_event: Callable[[Event], None] | None = None,
        prepare_thread: Callable[[], None] | None = None,
    ) -> None:
        """``prepare_thread`` is called first in every client's thread.

        Raises:
            WrongArgument: no clients, two of one name, or fewer than the quorum.
        """
        options.check_hospitals([client.client_id for client in clients])
        self.server = server
        self.clients = {client.client_id: client for client in clients}
        self.options = options
        self.folder = folder
        self._architecture = architecture
        self._recorder = RunRecorder(folder, options.rounds, on_event)
        self.threads = ClientThreads(options.concurrent, prepare_thread)
        self._going = threading.Event()
        self._going.set()
        self._stopping = threading.Event()
        self._complete = 0

    def pause(self) -> None:
        """Wait after the round that is under way."""
        self._going.clear()

    def resume(self) -> None:
        self._going.set()

    def stop(self) -> None:
        """End now; the round under way is given up, complete ones are kept. Safe in a signal handler."""
        self._stopping.set()
        self.threads.interrupt()
        self._going.set()

    def run(self) -> ServerState:
        """Run the rounds that are missing and return the final state.

        Raises:
            Stopped: `stop` was called.
            QuorumNotReached: too few hospitals answered in a round. As after every error, the run can be resumed.
        """
        try:
            self._begin()
            while self._complete < self.options.rounds:
                self._wait_or_stop()
                self._one_round()
        except (Stopped, KeyboardInterrupt):
            kept = f"round {self._complete} of {self.options.rounds} is kept"
            reason = f"stopped: {kept}; go on with --resume {self.folder.path}"
            self._recorder.end(events.STOPPED, self._complete, reason)
            raise Stopped(reason) from None
        except Exception as error:
            self._recorder.end(events.FAILED, self._complete, in_words(error))
            raise
        self._recorder.end(events.FINISHED, self._complete)
        return self.server.state

    def _begin(self) -> None:
        state, damaged = restore_last_round(self.folder, self._architecture, self.server.state.weights)
        if state is None:
            save_round(self.folder, self.server.state, self._architecture, {"rounds": self.options.rounds})
        else:
            self.server.state = state
        self._complete = self.server.state.round
        for sentence in damaged:
            self._recorder.notice(sentence)
        self._recorder.status(events.RUNNING, self._complete)

    def _wait_or_stop(self) -> None:
        if not self._going.is_set():
            self._recorder.status(events.PAUSED, self._complete)
            self._going.wait()
            self._recorder.status(events.RUNNING, self._complete)
        if self._stopping.is_set():
            raise Stopped("the run was stopped")

    def _one_round(self) -> None:
        number, rounds, started = self.server.state.round + 1, self.options.rounds, time.monotonic()
        chosen, plan, tally = self.options.choose(self.clients, number), self.options.plan(number), RoundTally()
        self._recorder.tell(RoundStarted(self.folder.run_id, number, rounds, tuple(chosen), plan.learning_rate))
        instruction = self.server.instruct(plan, self.options.seed, chosen)
        state = self.server.aggregate(self._accepted(instruction, chosen, tally))
        seconds = round(time.monotonic() - started, 3)
        validated = self._validate(state) if self.options.validates(number) else ValidationTally()
        finished = RoundFinished(
            self.folder.run_id,
            number,
            rounds,
            seconds=seconds,
            learning_rate=plan.learning_rate,
            **validated.summary(),
            **tally.summary(),
        )
        save_round(self.folder, state, self._architecture, finished.to_json())
        self._complete = number
        self._recorder.tell(finished)

    def _accepted(self, instruction: Instruction, chosen: Sequence[str], tally: RoundTally) -> Iterator[ClientUpdate]:
        """The plausible answers as they arrive; a stream, so that no more than one is held.

        Raises:
            QuorumNotReached: in the end there were too few.
        """
        tasks = {client_id: partial(self.clients[client_id].train, instruction) for client_id in chosen}
        for message in self.threads.ask(f"round {instruction.round}", tasks, self.options.deadline_seconds):
            if isinstance(message, Progressed):
                self._recorder.progress(instruction.round, message.client_id, "training", message.fraction)
            elif isinstance(message, CameLate):
                self._recorder.came_late(message.client_id, message.work)
            elif (reason := self._refusal_or_none(message)) is not None:
                tally.drop(message.client_id, reason)
                state = "late" if isinstance(message, Failed) and message.late else "dropped"
                self._recorder.progress(instruction.round, message.client_id, state, reason=reason)
            elif isinstance(message, Answered):
                tally.accept(message.answer, message.seconds)
                self._recorder.progress(instruction.round, message.client_id, "done", 1.0)
                yield message.answer
        tally.require(self.options.needed(len(chosen)), instruction.round)

    def _refusal_or_none(self, message: Answered | Failed) -> str | None:
        if isinstance(message, Failed):
            return message.reason
        try:
            self.server.accept(message.answer, message.client_id)
        except RefusedUpdate as error:
            return str(error)
        return None

    def _validate(self, state: ServerState) -> ValidationTally:
        """What the hospitals measure with the new model on their held-out scans; one that fails is left out."""
        weights = read_only(state.weights)
        tasks = {
            client_id: lambda on_progress, should_stop, client=client: client.evaluate(weights)
            for client_id, client in sorted(self.clients.items())
            if client.validates
        }
        tally = ValidationTally()
        for message in self.threads.ask(f"validation {state.round}", tasks, self.options.deadline_seconds):
            reason = None
            if isinstance(message, Answered):
                reason = tally.refusal_or_none(message.client_id, message.answer)
            elif isinstance(message, Failed):
                reason = message.reason
            elif isinstance(message, CameLate):
                self._recorder.came_late(message.client_id, message.work)
            if reason is not None:
                self._recorder.notice(f"{message.client_id} did not validate: {reason}", message.client_id)
        return tally


# --- the command -----------------------------------------------------------------------------------------


class _Screen:
    """Progress bars on a terminal, and one line for every complete round."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        # On a terminal, stdout is redirected past the bars; a pipe gets its lines as they are.
        self.progress = Progress(
            console=console, transient=True, disable=not console.is_terminal, redirect_stdout=sys.stdout.isatty()
        )
        self._bars: dict[str, TaskID] = {}

    def show(self, event: Event) -> None:
        if isinstance(event, RoundStarted):
            title = f"round {event.round}/{event.rounds}"
            self._bars = {name: self.progress.add_task(f"{title} {name}", total=1.0) for name in event.hospitals}
        elif isinstance(event, ClientProgress):
            self.progress.update(self._bars[event.hospital], completed=event.fraction)
        elif isinstance(event, RoundFinished):
            for bar in self._bars.values():
                self.progress.remove_task(bar)
            print(round_line(event.to_json()), flush=True)  # noqa: T201 - the output of the command


def run_parser() -> Arguments:
    """The arguments of a run. What starts one in another way fills in the same names."""
    parser = Arguments("federated_training.py", "Train one model across hospitals; no scan leaves its hospital.")
    add_run_arguments(parser, learning_rate=LEARNING_RATE, cores=os.cpu_count() or 1)
    add_training_arguments(parser)
    return parser


def open_coordinator(
    arguments: argparse.Namespace,
    clients: Sequence[FederatedClient],
    folder: RunFolder,
    on_event: Callable[[Event], None],
    prepare_thread: Callable[[int], None] = torch.set_num_threads,
) -> FedAvgCoordinator:
    """Leads the run of ``arguments``; ``prepare_thread`` gets each hospital thread's share of processor threads."""
    scans = {client.client_id: client.trainer.num_examples for client in clients}
    threads = max(1, arguments.threads // min(arguments.concurrent, len(clients)))
    return FedAvgCoordinator(
        FederatedServer(run_strategy(arguments), initial_weights(arguments.seed), UpdateLimits(declared=scans)),
        clients,
        run_options(arguments),
        folder=folder,
        architecture=ARCHITECTURE,
        on_event=on_event,
        prepare_thread=partial(prepare_thread, threads),
    )


def _train(argv: Sequence[str] | None) -> None:
    arguments = parse_run_arguments(run_parser(), argv)
    options = run_options(arguments)
    make_room_for(arguments.out)
    clients = _open_clients(arguments)
    scans = {client.client_id: client.trainer.num_examples for client in clients}
    options.check_hospitals(list(scans))
    screen = _Screen()
    with open_run(arguments, scans) as folder:
        coordinator = open_coordinator(arguments, clients, folder, screen.show)
        try:
            with screen.progress, interrupts_call(coordinator.stop):
                state = coordinator.run()
        finally:
            coordinator.threads.wait(seconds=10)  # a process that ends in the middle of a torch call can crash
        _finish(folder, state, arguments, scans)


def _finish(folder: RunFolder, state: ServerState, arguments: argparse.Namespace, scans: Mapping[str, int]) -> None:
    """The model as a file of its own, the table and the curves."""
    metadata = {"run_id": folder.run_id, "rounds": state.round, "strategy": arguments.strategy, "scans": dict(scans)}
    metadata |= {"seed": arguments.seed, "local_epochs": arguments.local_epochs, "version": __version__}
    metadata |= threshold_metadata(folder.rounds(), state.round)
    save_checkpoint(arguments.out, weights=state.weights, architecture=ARCHITECTURE, metadata=metadata)
    draw_curves(folder.rounds(), folder.path / "curves.png")
    lines = [rounds_table(folder.rounds()), threshold_line(metadata)]
    lines += [f"model: {arguments.out}", f"run: {folder.path} (with curves.png)"]
    print("\n".join(lines))  # noqa: T201 - the result of the command


def open_client(folder: Path, arguments: argparse.Namespace) -> FederatedClient:
    """The hospital in ``folder`` as a client of the run; raises as `open_hospital` does."""
    beside = arguments.val / folder.name if arguments.val is not None else None
    trainer = open_hospital(
        folder,
        cache=arguments.cache,
        options=TrainingOptions.from_arguments(arguments),
        report=logger.warning,
        validation=beside if beside is not None and beside.is_dir() else None,
        held_out_share=arguments.held_out,
    )
    return FederatedClient(folder.name, trainer, run_strategy(arguments), validates=len(trainer.validation) > 0)


def _open_clients(arguments: argparse.Namespace) -> list[FederatedClient]:
    """Raises WrongArgument for folders or names that are not there, HospitalData for one without scans."""
    folders = chosen_hospitals(hospital_folders(arguments.data), arguments)
    clients = [open_client(folder, arguments) for folder in folders]
    if arguments.val is not None and not any(client.validates for client in clients):
        raise WrongArgument(f"--val: {arguments.val} has no folder of a hospital's name")
    return clients


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    return run_command(_train, argv)


if __name__ == "__main__":
    sys.exit(main())
