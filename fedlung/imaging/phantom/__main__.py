"""Command: make a demo federation of phantom hospitals."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from fedlung.command_line import Arguments, run_command
from fedlung.imaging.phantom.dataset import write_hospitals


def main(argv: Sequence[str] | None = None) -> None:
    """Write the hospitals; progress goes to stderr, one line per hospital to stdout.

    Raises:
        WrongArgument: see ``write_hospitals``.
    """
    parser = Arguments("python -m fedlung.imaging.phantom", "Make hospitals with generated chest CTs and annotations.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the hospitals")
    parser.add_argument("--hospitals", type=int, default=3, metavar="N", help="how many hospitals")
    parser.add_argument("--scans", type=int, default=8, metavar="N", help="scans of each hospital")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="another seed: other patients, same scanners")
    parser.add_argument("--workers", type=int, default=None, metavar="N", help="processes (default: one per processor)")
    wanted = parser.parse_args(argv)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("phantom scans", total=max(wanted.hospitals * wanted.scans, 1))
        made = write_hospitals(
            wanted.out,
            wanted.hospitals,
            wanted.scans,
            wanted.seed,
            workers=wanted.workers,
            on_scan=lambda hospital, done: progress.update(task, advance=1, description=f"{hospital} scan {done}"),
        )
    for hospital in made:
        sys.stdout.write(f"{hospital.hospital_id}: {hospital.scans} scans, {hospital.nodules} nodules\n")


if __name__ == "__main__":
    sys.exit(run_command(main))
