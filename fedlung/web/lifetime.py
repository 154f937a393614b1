"""From the first thread of a serving process to its last: starting what runs beside requests, and ending in order."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from flask import Flask

from fedlung.web.live.sockets import live_sockets
from fedlung.web.services import SERVICES, Services

logger = logging.getLogger(__name__)

LAST_EVENTS_SECONDS = 0.2  # for the browsers to hear that the run has stopped
Handler = Callable[[int, FrameType | None], Any]


def start(app: Flask) -> None:
    """Start the background tasks of a built application, in the process that serves it."""
    services: Services = app.extensions[SERVICES]
    services.system.start()
    services.scans.intake.start()
    services.predictions.start()
    live_sockets(app).start()
    if services.user_sync:
        services.user_sync.start()
    if services.mirror:
        services.mirror.start()


def shut_down(app: Flask) -> None:
    """Stop the run (its last complete round is on disk then), tell the browsers, and let them go."""
    services: Services = app.extensions[SERVICES]
    try:
        services.runs.shutdown()
    except Exception:
        logger.exception("the run could not be stopped in order; its last complete round is kept")
    services.scans.intake.close()
    services.predictions.close()
    if services.user_sync:
        services.user_sync.close()
    if services.mirror:
        services.mirror.close()
    sockets = live_sockets(app)
    sockets.socketio.sleep(LAST_EVENTS_SECONDS)
    sockets.close()
    services.system.close()


def end_with_gunicorn(app: Flask) -> None:
    """Shut down on the signals of gunicorn's worker, which otherwise waits for browsers' sockets in vain.

    All of them end in order, as SIGTERM does: a Ctrl-C reaches master and worker alike, and must not cut off a round
    that is just being written.
    """
    stop_accepting = signal.getsignal(signal.SIGTERM)

    def begin(number: int, frame: FrameType | None) -> None:
        # In a thread: the main thread goes on to serve those who are still there.
        threading.Thread(target=shut_down, args=(app,), name="shutdown").start()
        if callable(stop_accepting):
            stop_accepting(signal.SIGTERM, frame)

    _on_first_signal(begin)


def end_at_once(app: Flask) -> None:
    """Shut down on a signal, then leave the process: for the servers that have no end in order of their own."""

    def leave() -> None:
        shut_down(app)
        sockets.socketio.sleep(LAST_EVENTS_SECONDS)
        # Not sys.exit: eventlet's hub would wait for its sockets, and torch's threads must not outlive the interpreter.
        logging.shutdown()
        os._exit(0)

    sockets = live_sockets(app)
    _on_first_signal(lambda number, frame: sockets.socketio.start_background_task(leave))


def _on_first_signal(begin: Handler) -> None:
    begun = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        if not begun.is_set():
            begun.set()
            begin(number, frame)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, handle)
