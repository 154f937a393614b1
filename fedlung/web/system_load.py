"""How busy this machine is, measured every two seconds by one thread; who asks gets the latest numbers at once."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

import psutil

logger = logging.getLogger(__name__)

SECONDS = 2.0


class MeasuredLoad:
    """``gpu`` answers what there is to say about a GPU, or None; it knows torch, which the web does not."""

    def __init__(self, training_threads: int, gpu: Callable[[], Mapping[str, Any] | None] = lambda: None) -> None:
        self._training_threads = training_threads
        self._gpu = gpu
        self._process = psutil.Process()
        self._closed = threading.Event()
        self._latest = self._measure()
        self._thread = threading.Thread(target=self._run, name="system load", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()

    def latest(self) -> Mapping[str, Any]:
        """What ``GET /api/system`` answers; bytes, and per cent of all cores together."""
        return self._latest

    def _run(self) -> None:
        while not self._closed.wait(SECONDS):
            try:
                self._latest = self._measure()
            except (psutil.Error, OSError, RuntimeError):
                logger.warning("the machine's load could not be measured", exc_info=True)

    def _measure(self) -> Mapping[str, Any]:
        memory = psutil.virtual_memory()
        return {
            "cpu_percent": psutil.cpu_percent(None),  # since the measurement before
            "cores": os.cpu_count() or 1,
            "memory_used_bytes": memory.total - memory.available,
            "memory_total_bytes": memory.total,
            "process_memory_bytes": self._process.memory_info().rss,
            "gpu": self._gpu(),
            "training_threads": self._training_threads,
        }
