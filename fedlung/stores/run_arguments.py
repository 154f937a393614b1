"""The command-line arguments of a run: into ``config.json`` when it starts, and back when it is resumed."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fedlung import __version__
from fedlung.errors import BadRunFolder, WrongArgument
from fedlung.federation.learning_rate import SCHEDULES
from fedlung.federation.options import RunOptions
from fedlung.federation.strategies import STRATEGIES, Strategy, make_strategy
from fedlung.stores.runs import RunFolder, find_run, read_config

MAY_CHANGE = {"data", "val", "val_every", "out", "runs", "cache", "resume", "deadline", "quorum"}
"""What may be given anew with ``--resume``: it does not change what an undisturbed round computes."""


def add_run_arguments(parser: argparse.ArgumentParser, *, learning_rate: float, cores: int) -> None:
    """The options of `RunOptions`, the strategy, and where things are."""
    parser.add_argument("--data", type=Path, metavar="DIR", help="every sub-folder is one hospital")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of the federation")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the model goes, e.g. models/federated.pth")
    parser.add_argument("--local-epochs", type=int, default=1, metavar="E", help="passes of a hospital in one round")
    parser.add_argument("--strategy", default="fedavg", metavar="NAME", help=f"one of {', '.join(STRATEGIES)}")
    parser.add_argument(
        "--strategy-option", type=_option, action="append", default=[], metavar="NAME=VALUE", help="such as mu=0.1"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same model")
    parser.add_argument("--hospitals", type=_names, metavar="A,B", help="take part (default: all)")
    parser.add_argument("--val", type=Path, metavar="DIR", help="held-out scans, in folders of the hospitals' names")
    parser.add_argument("--held-out", type=float, default=0.0, metavar="F", help="share of own scans kept for judging")
    parser.add_argument(
        "--val-every", type=int, default=0, metavar="N", help="rounds between validations; 0: last only"
    )
    parser.add_argument("--deadline", type=float, default=3600.0, metavar="S", help="seconds a hospital has in a round")
    parser.add_argument("--quorum", type=int, metavar="K", help="answers that make a round count (default: half)")
    parser.add_argument("--fraction", type=float, default=1.0, metavar="F", help="share of hospitals asked in a round")
    parser.add_argument("--learning-rate", type=float, default=learning_rate, metavar="LR", help="peak of the schedule")
    parser.add_argument("--schedule", choices=SCHEDULES, default="cosine", help="of the learning rate, over the rounds")
    parser.add_argument("--warmup-rounds", type=int, default=0, metavar="N", help="rounds of rising learning rate")
    # Twice the cores: three hospitals on two cores are done in 1.5 times the time of one, not in 2.
    parser.add_argument("--concurrent", type=int, default=2 * cores, metavar="N", help="hospitals that train at once")
    parser.add_argument("--threads", type=int, default=cores, metavar="N", help="threads for all hospitals together")
    parser.add_argument("--runs", type=Path, default=Path("data/runs"), metavar="DIR", help="where run folders are")
    parser.add_argument("--resume", metavar="RUN", help="go on with this run (id or folder), with its settings")
    parser.add_argument("--cache", type=Path, default=Path("data/cache"), metavar="DIR", help="for prepared scans")


def parse_run_arguments(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse; with ``--resume`` the run's own arguments are the defaults.

    Raises:
        WrongArgument: a needed argument is missing, there is no such run, or an argument would make another run of it.
        BadRunFolder: the run's ``config.json`` cannot be read.
    """
    arguments = parser.parse_args(argv)
    if arguments.resume is not None:
        asked = read_config(find_run(arguments.runs, arguments.resume)).get("arguments", {})
        parser.set_defaults(**{name: value for name, value in asked.items() if name != "resume"})
        arguments = parser.parse_args(argv)
        given = to_config(arguments)
        for name in sorted(asked.keys() - MAY_CHANGE):
            if given.get(name) != asked[name]:
                raise WrongArgument(
                    f"{_flag(name)} of the resumed run is {asked[name]}, it cannot be {given.get(name)}"
                )
    for name in ("data", "rounds", "out"):
        if getattr(arguments, name) is None:
            raise WrongArgument(f"{_flag(name)} is needed, unless a run is resumed (see --help)")
    return arguments


def to_config(arguments: argparse.Namespace) -> dict[str, Any]:
    """The arguments as plain values for ``config.json``."""
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in sorted(vars(arguments).items())
        if name != "resume"
    }


def run_options(arguments: argparse.Namespace) -> RunOptions:
    """Raises WrongArgument for a value out of range, the strategy's included."""
    run_strategy(arguments)
    if not 0 <= arguments.held_out <= 0.5:
        raise WrongArgument(f"held-out must be from 0 to 0.5, got {arguments.held_out:g}")
    if arguments.val is not None and not arguments.val.is_dir():
        raise WrongArgument(f"--val: {arguments.val} is not a folder")
    return RunOptions(
        rounds=arguments.rounds,
        local_epochs=arguments.local_epochs,
        learning_rate=arguments.learning_rate,
        schedule=arguments.schedule,
        warmup_rounds=arguments.warmup_rounds,
        seed=arguments.seed,
        fraction=arguments.fraction,
        quorum=arguments.quorum,
        deadline_seconds=arguments.deadline,
        concurrent=arguments.concurrent,
        validate_every=arguments.val_every,
    )


def run_strategy(arguments: argparse.Namespace) -> Strategy:
    """Raises WrongArgument for an unknown name or parameter, or one out of range."""
    return make_strategy(arguments.strategy, dict(arguments.strategy_option))


def chosen_hospitals(folders: Sequence[Path], arguments: argparse.Namespace) -> list[Path]:
    """The folders of ``--hospitals``, or all.

    Raises:
        WrongArgument: a name that is not there; lists those that are.
    """
    known = {path.name: path for path in folders}
    wanted = known if arguments.hospitals is None else arguments.hospitals
    for name in wanted:
        if name not in known:
            raise WrongArgument(f"--hospitals: there is no {name} in {arguments.data}; there is {', '.join(known)}")
    return [known[name] for name in wanted]


def open_run(arguments: argparse.Namespace, scans: Mapping[str, int]) -> RunFolder:
    """A new run folder, or the one to resume; ``scans`` counts the scans of each hospital.

    Raises:
        BadRunFolder: the hospitals of the resumed run have other scans now, or it cannot be opened.
    """
    if arguments.resume is None:
        config = {"version": __version__, "arguments": to_config(arguments), "scans": dict(scans)}
        return RunFolder.create_new(arguments.runs, lambda run_id: config)
    folder = RunFolder.open(find_run(arguments.runs, arguments.resume))
    try:
        settle_scans(folder, scans)
    except BaseException:
        folder.close()
        raise
    return folder


def settle_scans(folder: RunFolder, scans: Mapping[str, int]) -> None:
    """Note who takes part with how many scans; or compare, where the run knows it already.

    Raises:
        BadRunFolder: the hospitals have other scans now.
    """
    config = folder.config
    before = config.get("scans")
    if before is None:
        arguments = {**config.get("arguments", {}), "hospitals": sorted(scans)}
        folder.add_to_config({"arguments": arguments, "scans": dict(scans)})
    elif before != scans:
        raise BadRunFolder(f"run {folder.run_id} began with the scans {before}, and now there are {dict(scans)}")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _names(text: str) -> list[str]:
    return sorted({name.strip() for name in text.split(",") if name.strip()})


def _option(text: str) -> list[str | float]:
    name, _, value = text.partition("=")
    return [name, float(value)]
