"""How gunicorn serves FedLung: for ``python app.py``, and for ``gunicorn`` alone with settings from the environment.

One process, because the run and the live events are in its memory; many threads, because each open browser tab holds
one. Never more workers, and no reload by SIGHUP: for a while two processes would write the same runs.
"""

from __future__ import annotations

import signal
from typing import Any

from fedlung.settings import Settings
from fedlung.web.lifetime import end_with_gunicorn

_settings = Settings.from_env([])

wsgi_app = "app:application()"
bind = _settings.address
workers = 1
worker_class = "fedlung.web.slow_clients.PatientWorker"
threads = _settings.threads
timeout = 120  # without a sign of life of the main thread; a busy machine is not a dead worker
graceful_timeout = 15  # for answers under way; browsers' sockets are closed by the hook below
keepalive = 15  # a program that asks every few seconds must not meet a connection that is being closed
control_socket_disable = True
loglevel = "warning"


def when_ready(server: Any) -> None:
    signal.signal(signal.SIGHUP, lambda number, frame: server.signal(signal.SIGTERM, frame))  # the terminal was closed
    for number in (signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


def post_worker_init(worker: Any) -> None:
    end_with_gunicorn(worker.wsgi)
