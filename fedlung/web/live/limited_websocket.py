"""WebSocket connections in threading mode, whose messages have a limit, and whose threads always come back.

It takes the place of python-engineio's own adapter, which reads messages of any size. simple-websocket has a limit,
but wakes its reader a moment before the connection counts as closed: the reader goes back to sleep and would keep its
thread of the server for ever. Here it looks again every few seconds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import simple_websocket
from wsproto.utilities import LocalProtocolError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LOOK_AGAIN_SECONDS = 2.0


class LimitedWebSocket:
    """What an Engine.IO server asks of a WebSocket: called with a request, it hands itself to ``handler``."""

    def __init__(self, handler: Callable[[LimitedWebSocket], Any], server: Any) -> None:
        self._handler = handler
        self._largest = int(server.max_http_buffer_size)
        self._socket: Any = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        self._socket = simple_websocket.Server(environ, max_message_size=self._largest)
        answer = self._handler(self)
        # The connection was taken over: this is how each server is told not to answer on it.
        if self._socket.mode == "gunicorn":
            raise StopIteration
        if self._socket.mode == "werkzeug":
            raise ConnectionError
        return answer

    def send(self, message: str | bytes) -> None:
        """Raises OSError when nobody listens any more."""
        try:
            self._socket.send(message)
        except (simple_websocket.ConnectionClosed, LocalProtocolError) as error:
            raise OSError("the WebSocket is closed") from error

    def wait(self) -> str | bytes | None:
        """The next message; None when the connection has ended."""
        message: str | bytes | None = None
        while message is None:
            try:
                message = self._socket.receive(timeout=LOOK_AGAIN_SECONDS)
            except simple_websocket.ConnectionClosed:
                return None
        return message

    def close(self) -> None:
        # Another thread may end the connection, and close its file, between the look and the word of farewell.
        with contextlib.suppress(simple_websocket.ConnectionClosed, LocalProtocolError, OSError):
            if self._socket.connected:
                self._socket.close()
