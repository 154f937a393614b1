"""A web server's run service without the web, in a process of its own to be killed. Used by ``test_web_run_kills``.

Arguments: the data folder, and ``start`` or the id of a run to resume. Prints a line for every round that is told.
"""

from __future__ import annotations

import fedlung.openmp  # noqa: F401 - for its effect

import sys
import threading
from pathlib import Path

from fedlung.events import Event, RoundFinished, RoundStarted
from fedlung.web.training.local_launcher import LocalLauncher
from fedlung.web.training.request import RunRequest
from tests.small_training import small_engine

ASKED = RunRequest(rounds=3, seed=3, held_out_share=0.5, validate_every=3, strategy="fedavgm")


def tell(event: Event) -> None:
    if isinstance(event, RoundStarted | RoundFinished):
        sys.stdout.write(f"{event.name} {event.round}\n")
        sys.stdout.flush()


def main(data: str, what: str) -> None:
    launcher = LocalLauncher(small_engine(), Path(data), threads=1)
    handle = launcher.begin(ASKED, "admin", tell) if what == "start" else launcher.resume(what, tell)
    thread = threading.Thread(target=handle.wait)
    thread.start()
    thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
