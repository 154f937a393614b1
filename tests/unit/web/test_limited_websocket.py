"""The end of a WebSocket that two threads bring about at the same time."""

from __future__ import annotations

import contextlib
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from wsproto.frame_protocol import FrameProtocol

from fedlung.web.live.limited_websocket import LimitedWebSocket

HANDSHAKE = {
    "REQUEST_METHOD": "GET",
    "PATH_INFO": "/",
    "QUERY_STRING": "",
    "HTTP_HOST": "localhost",
    "HTTP_CONNECTION": "Upgrade",
    "HTTP_UPGRADE": "websocket",
    "HTTP_SEC_WEBSOCKET_VERSION": "13",
    "HTTP_SEC_WEBSOCKET_KEY": "dGhlIHNhbXBsZSBub25jZQ==",
}


CLOSE_FRAME = bytes(FrameProtocol(client=True, extensions=[]).close())


@pytest.mark.parametrize("farewell", [b"", CLOSE_FRAME], ids=["none", "close frame"])
def test_closing_after_the_reading_thread_has_ended_the_connection(farewell: bytes) -> None:
    ours, theirs = socket.socketpair()
    theirs.settimeout(10)
    request: dict[str, Any] = {"werkzeug.socket": ours, **HANDSHAKE}
    ends = []

    def handler(websocket: LimitedWebSocket) -> None:
        theirs.recv(4096)  # the connection is accepted
        theirs.sendall(farewell)
        theirs.close()
        connection = websocket._socket
        connection.thread.join(timeout=10)
        connection.connected = True  # what this thread still believed a moment ago
        websocket.close()
        ends.append(websocket)

    with contextlib.suppress(ConnectionError):  # how a server is told that the connection was taken over
        LimitedWebSocket(handler, SimpleNamespace(max_http_buffer_size=1000))(request, lambda *_: None)  # type: ignore[arg-type]
    assert len(ends) == 1
