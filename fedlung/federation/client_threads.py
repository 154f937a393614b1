"""Hospitals at work in native threads, and one thread that hears what becomes of them.

Every thread only puts messages into a queue; the caller of `ClientThreads.ask` reads them. So events, files and the
model are touched by one thread, and a hospital that hangs can hold nothing but its own thread.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fedlung.errors import FedLungError, Stopped

Task = Callable[[Callable[[float], None], Callable[[], bool]], Any]
"""``(on_progress, should_stop) -> answer``; it should come to an end soon after ``should_stop()`` is true."""

PROGRESS_STEP = 0.02
"""A hospital is heard at most this often, as a share of its work: 50 messages a round."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Progressed:
    client_id: str
    fraction: float


@dataclass(frozen=True)
class Answered:
    client_id: str
    answer: Any
    seconds: float


@dataclass(frozen=True)
class Failed:
    """No answer from this client, with the reason in words; ``late``: its deadline has passed."""

    client_id: str
    reason: str
    late: bool = False


@dataclass(frozen=True)
class CameLate:
    """A client came to an end of ``work`` that was already closed; ``answer`` is None if it failed."""

    client_id: str
    work: str
    answer: Any


Message = Progressed | Answered | Failed | CameLate


@dataclass(eq=False)
class _Job:
    client_id: str
    work: str
    task: Task
    messages: queue.SimpleQueue[_Message]
    cancelled: threading.Event = field(default_factory=threading.Event)
    started: float = field(default_factory=time.monotonic)
    told: float = -PROGRESS_STEP  # so that 0, the beginning of the work, is heard

    def run(self, prepare: Callable[[], None] | None) -> None:
        try:
            if prepare is not None:
                prepare()
            answer = self.task(self.progress, self.cancelled.is_set)
        # Whatever a trainer raises, SystemExit included, is this client's failure and nobody else's.
        except BaseException as error:
            logger.debug("%s: %s failed", self.client_id, self.work, exc_info=True)
            self.messages.put((self, Failed(self.client_id, in_words(error))))
        else:
            self.messages.put((self, Answered(self.client_id, answer, time.monotonic() - self.started)))

    def progress(self, fraction: float) -> None:
        if fraction >= self.told + PROGRESS_STEP and not self.cancelled.is_set():
            self.told = fraction
            self.messages.put((self, Progressed(self.client_id, min(1.0, fraction))))


_Message = tuple[_Job, Progressed | Answered | Failed] | None


class ClientThreads:
    """Runs at most ``concurrent`` tasks at a time, one a client; ``prepare`` is called first in each thread."""

    def __init__(self, concurrent: int, prepare: Callable[[], None] | None = None) -> None:
        self._concurrent = concurrent
        self._prepare = prepare
        self._messages: queue.SimpleQueue[_Message] = queue.SimpleQueue()
        self._busy: dict[str, tuple[_Job, threading.Thread]] = {}
        self._interrupted = threading.Event()

    def ask(self, work: str, tasks: Mapping[str, Task], deadline_seconds: float) -> Iterator[Message]:
        """Start the tasks in order and yield what happens until each has answered or failed.

        ``work`` names the tasks for messages ("round 3"). A client that is overdue is told to stop and counts as
        failed; until its thread has come to an end it is busy, and fails at once when it is asked again.

        Raises:
            Stopped: `interrupt` was called; the tasks are told to stop.
        """
        yield from self._late_messages()
        waiting = dict(tasks)
        for client_id in [client_id for client_id in tasks if client_id in self._busy]:
            del waiting[client_id]
            yield Failed(client_id, f"still busy with {self._busy[client_id][0].work}")
        open_jobs: dict[str, _Job] = {}
        try:
            while waiting or open_jobs:
                if self._interrupted.is_set():
                    raise Stopped("the work was stopped")
                while waiting and len(open_jobs) < self._concurrent:
                    client_id = next(iter(waiting))
                    open_jobs[client_id] = self._start(client_id, work, waiting.pop(client_id))
                yield from self._hear(open_jobs, deadline_seconds)
        finally:
            for job in open_jobs.values():
                job.cancelled.set()

    def interrupt(self) -> None:
        """End `ask`, now and in future. May be called from any thread and from a signal handler."""
        self._interrupted.set()
        self._messages.put(None)

    def wait(self, seconds: float) -> None:
        """Give cancelled work so much time to come to an end."""
        until = time.monotonic() + seconds
        for _, thread in self._busy.values():
            thread.join(max(0.0, until - time.monotonic()))

    def _start(self, client_id: str, work: str, task: Task) -> _Job:
        job = _Job(client_id, work, task, self._messages)
        # daemon: a hospital that hangs for ever must not keep the process from ending.
        thread = threading.Thread(target=job.run, args=(self._prepare,), name=f"{client_id}, {work}", daemon=True)
        self._busy[client_id] = (job, thread)
        thread.start()
        return job

    def _hear(self, open_jobs: dict[str, _Job], deadline_seconds: float) -> Iterator[Message]:
        """Wait for one message, an interruption or the next deadline."""
        first_due = min(job.started for job in open_jobs.values()) + deadline_seconds
        try:
            entry = self._messages.get(timeout=max(0.0, first_due - time.monotonic()))
        except queue.Empty:
            entry = None
        if entry is not None:
            yield from self._sort(*entry, open_jobs)
        for job in [job for job in open_jobs.values() if time.monotonic() - job.started > deadline_seconds]:
            job.cancelled.set()
            del open_jobs[job.client_id]
            yield Failed(job.client_id, f"no answer within {deadline_seconds:g} s", late=True)

    def _sort(
        self, job: _Job, message: Progressed | Answered | Failed, open_jobs: dict[str, _Job]
    ) -> Iterator[Message]:
        is_open = open_jobs.get(job.client_id) is job
        if isinstance(message, Progressed):
            if is_open:
                yield message
            return
        del self._busy[job.client_id]
        if is_open:
            del open_jobs[job.client_id]
            yield message
        else:
            yield CameLate(job.client_id, job.work, message.answer if isinstance(message, Answered) else None)

    def _late_messages(self) -> Iterator[Message]:
        while True:
            try:
                entry = self._messages.get_nowait()
            except queue.Empty:
                return
            if entry is not None:
                yield from self._sort(*entry, {})


def in_words(error: BaseException) -> str:
    """The sentence of one of our errors; kind and first line of any other."""
    lines = str(error).splitlines() or [""]
    return str(error) if isinstance(error, FedLungError) else f"{type(error).__name__}: {lines[0]:.200}".rstrip(": ")
