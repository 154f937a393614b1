"""Who may open a new live connection, decided before it takes a thread for good.

In threading mode every connection holds one of the server's threads. Without a cap, enough browser tabs (or strangers)
would leave none for pages, and the whole server would hang. A page that is refused asks ``/api/status`` instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from flask import Flask, session

from fedlung.web.live.sockets import LiveSockets, listener_of
from fedlung.web.security_headers import plain_answer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

RETRY_SECONDS = 10


class SessionCap:
    """WSGI wrapper around the socket: new connections only for signed-in people, and only ``cap`` at a time."""

    def __init__(self, wrapped: WSGIApplication, app: Flask, sockets: LiveSockets, cap: int) -> None:
        self._wrapped = wrapped
        self._app = app
        self._sockets = sockets
        self._cap = cap

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if _opens_a_connection(environ):
            if self._sockets.count() >= self._cap:
                retry = {"Retry-After": str(RETRY_SECONDS)}
                return plain_answer(
                    start_response, "503 Service Unavailable", "All live connections are taken.\n", retry
                )
            with self._app.request_context(environ):
                is_known = listener_of(session) is not None
            if not is_known:
                return plain_answer(start_response, "401 Unauthorized", "Please sign in.\n")
        return self._wrapped(environ, start_response)


def _opens_a_connection(environ: WSGIEnvironment) -> bool:
    return environ.get("PATH_INFO", "").startswith("/socket.io") and "sid" not in parse_qs(
        environ.get("QUERY_STRING", "")
    )
