"""What the web asks of whoever can train: the fronts do, and ``app.py`` hands them in. Tests bring their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from fedlung.events import Event
from fedlung.web.training.request import RunRequest

OnEvent = Callable[[Event], None]


class RunHandle(Protocol):
    """One run that was begun; its folder is there. All but ``wait`` may be called from any thread, at any time."""

    @property
    def run_id(self) -> str: ...

    def scans_of(self, hospital: str) -> Sequence[str]:
        """Ids of the scans that the hospital trains on, once it is open."""

    def pause(self) -> None:
        """Wait after the round that is under way."""

    def resume(self) -> None:
        """Go on after ``pause``."""

    def stop(self) -> None:
        """End soon; complete rounds are kept."""

    def wait(self) -> Path | None:
        """Open the hospitals and lead the run to its end, in the calling thread; called once.

        How it ended is told by its last events (``TrainingStatus`` and ``RunFinished``), not by an exception. Returns
        the model after the last complete round, a file with its SHA-256 beside it; None before the first round.
        """


class Launcher(Protocol):
    """Begins runs."""

    def begin(self, request: RunRequest, started_by: str, on_event: OnEvent) -> RunHandle:
        """Make the folder of a new run.

        Raises:
            WrongArgument: the request makes no sense.
        """

    def resume(self, run_id: str, on_event: OnEvent) -> RunHandle:
        """Take over an interrupted run, with what its folder says.

        Raises:
            BadRunFolder: it is driven by another process, or cannot be read.
        """
