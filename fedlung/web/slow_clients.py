"""Clients that send a byte now and then: each would hold a thread of the server for as long as it likes.

gunicorn's threads wait for a request's head and body without a limit. Here every request has a deadline for its head,
and for its body one that grows with the declared length; when it has passed, the reading side of the connection is
closed, and the waiting thread gets an end of file.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from gunicorn.workers.gthread import ThreadWorker

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HEAD_SECONDS = 20.0
BODY_SECONDS = 30.0
BODY_BYTES_PER_SECOND = 20_000  # slower than any hospital's line
SWEEP_SECONDS = 1.0


class Deadlines:
    """Until when each connection may be read; `sweep` closes those that are over."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[socket.socket, float] = {}

    def set(self, connection: socket.socket, seconds: float) -> None:
        with self._lock:
            self._until[connection] = self._clock() + seconds

    def lift(self, connection: socket.socket) -> None:
        with self._lock:
            self._until.pop(connection, None)

    def sweep(self) -> None:
        with self._lock:
            now = self._clock()
            over = [connection for connection, until in self._until.items() if until <= now]
            for connection in over:
                del self._until[connection]
        for connection in over:
            with contextlib.suppress(OSError):  # it has gone by itself
                connection.shutdown(socket.SHUT_RD)

    def watch(self) -> None:
        """Sweep for ever, in a thread of its own."""
        while True:
            self.sweep()
            time.sleep(SWEEP_SECONDS)


DEADLINES = Deadlines()  # one for the process, as gunicorn makes the worker


class PatientWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's threaded worker, with a deadline for the head of a request.

    When the process that watches was killed, it ends at once, as if it had been killed itself: its own way would wait
    for browsers' sockets for ever, and hold the data folder meanwhile.
    """

    def init_process(self) -> None:
        threading.Thread(target=DEADLINES.watch, name="slow clients", daemon=True).start()
        super().init_process()

    def is_parent_alive(self) -> bool:
        if os.getppid() != self.ppid:
            os._exit(1)
        return True

    def handle(self, conn: Any) -> Any:
        DEADLINES.set(conn.sock, HEAD_SECONDS)
        try:
            return super().handle(conn)
        finally:
            DEADLINES.lift(conn.sock)


class BodyTimeout:
    """WSGI wrapper: the head has come, from here on the deadline is that of the body."""

    def __init__(self, wrapped: WSGIApplication, deadlines: Deadlines = DEADLINES) -> None:
        self._wrapped = wrapped
        self._deadlines = deadlines

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        connection = environ.get("gunicorn.socket")
        if connection is not None:
            if environ.get("HTTP_UPGRADE", "").lower() == "websocket" or environ["REQUEST_METHOD"] in ("GET", "HEAD"):
                self._deadlines.lift(connection)
            else:
                length = environ.get("CONTENT_LENGTH") or "0"
                seconds = int(length) / BODY_BYTES_PER_SECOND if length.isdecimal() else 0.0
                self._deadlines.set(connection, BODY_SECONDS + seconds)
        return self._wrapped(environ, start_response)
