"""How long a run was under way, from its own events: without pauses, and without the time when nobody drove it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from fedlung.events import FAILED, FINISHED, PAUSED, RUNNING, STOPPED

Record = Mapping[str, Any]
ENDED = (FINISHED, STOPPED, FAILED)
PLAIN_NOTICE = ("notice", "", None)  # about no hospital


def worked_seconds(events: Sequence[Record]) -> float | None:
    """Sum over the processes that drove the run, each from its first event to its last; None without events.

    A process that was killed wrote no end: its last event counts as it, so nothing of the gap before a resume is
    work. What it had done since that event is not counted either.
    """
    timed = [event for event in events if time_of(event) is not None]
    if not timed:
        return None
    return sum(sum(_worked(process)) for process in _processes(timed))


def lasted_seconds(created: str, events: Sequence[Record]) -> float | None:
    """From the start of the run to its last event, whatever lies between; None when a time is missing."""
    start = time_of({"time": created})
    times = [time for event in events if (time := time_of(event)) is not None]
    return max(0.0, (times[-1] - start).total_seconds()) if times and start is not None else None


def time_of(record: Record) -> datetime | None:
    """None for a time that is missing or no time; one without a zone is UTC."""
    try:
        time = datetime.fromisoformat(str(record.get("time", "")))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _worked(process: Sequence[Record]) -> Iterator[float]:
    """Seconds between the events of one process, none of them while it was paused or after its end."""
    is_idle = False
    for event, following in pairwise(process):
        state = _state(event)
        is_idle = state in (PAUSED, *ENDED) or (is_idle and state != RUNNING)
        if not is_idle:
            seconds = (_time(following) - _time(event)).total_seconds()
            yield max(0.0, seconds)  # a clock that was set back


def _processes(events: Iterable[Record]) -> list[list[Record]]:
    """The events of each process that drove the run, in order; most runs have one."""
    processes: list[list[Record]] = [[]]
    state = ""  # that the present process told last
    for event in events:
        process = processes[-1]
        if _begins_anew(process, state, event):
            own = _notices_at_the_end(process) if _state(event) == RUNNING else 0
            processes.append(process[len(process) - own :])
            del process[len(process) - own :]
            state = ""
        processes[-1].append(event)
        state = _state(event) or state
    return processes


def _begins_anew(process: Sequence[Record], state: str, event: Record) -> bool:
    """Whether ``event`` cannot be of the process that wrote the ones before."""
    kind = event.get("event")
    if state in ENDED:
        return kind in ("training_status", "hospital_status") or _told(event) == PLAIN_NOTICE
    if _state(event) == RUNNING:
        return state == RUNNING
    # Hospitals are opened once, before the training runs.
    return kind == "hospital_status" and (bool(state) or _told(event) in map(_told, process))


def _notices_at_the_end(process: Sequence[Record]) -> int:
    """How many of its last events are notices about no hospital: of damaged checkpoints, which a resume writes before
    it says that it runs."""
    count = 0
    while count < len(process) and _told(process[-1 - count]) == PLAIN_NOTICE:
        count += 1
    return count


def _told(event: Record) -> tuple[Any, Any, Any]:
    return event.get("event"), event.get("hospital"), event.get("state")


def _state(event: Record) -> str:
    return str(event.get("state", "")) if event.get("event") == "training_status" else ""


def _time(event: Record) -> datetime:
    time = time_of(event)
    assert time is not None, "only events with a time come here"
    return time
