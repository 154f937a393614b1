"""What stands in front of PostgREST at Supabase: checks the key, maps it to a role. Here it also breaks on demand.

Faults: ``status`` and ``html502`` answer something else, ``hang`` never answers, ``reset`` cuts the connection,
``slow`` waits before it forwards, ``drop_after`` forwards and then cuts: the write has happened, the client does not
know. ``answer`` gives a body of your own, such as an error of a newer PostgREST.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import http.server
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus

PREFIX = "/rest/v1"
NOT_FORWARDED = ("host", "connection", "content-length", "apikey")
NOT_RETURNED = ("transfer-encoding", "connection", "content-length", "date", "server")
LONGEST_HANG_SECONDS = 600.0
KEY_YEARS = 10


class Fault:
    """What happens to the next requests; ``match`` is part of ``"METHOD /path"``, ``count`` how many are hit."""

    def __init__(self) -> None:
        self.set("ok")

    def set(
        self,
        mode: str,
        *,
        status: int = 503,
        body: bytes = b'{"message":"injected","code":"XX"}',
        delay_seconds: float = 0.0,
        match: str = "",
        count: int | None = None,
    ) -> None:
        self.mode, self.status, self.body, self.delay_seconds = mode, status, body, delay_seconds
        self.match, self.count = match, count

    def take(self, request: str) -> str:
        """The fault of this request: ``"GET /rest/v1/users?select=id"``."""
        if self.match not in request:
            return "ok"
        if self.count is not None:
            if self.count <= 0:
                return "ok"
            self.count -= 1
        return self.mode


class Gateway(http.server.ThreadingHTTPServer):
    """Serves PostgREST on ``upstream_port`` as ``/rest/v1``; ``tokens`` maps an API key to a role's JWT."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(
        self, port: int, upstream_port: int, tokens: Mapping[str, str], fault: Fault, seen: list[tuple[str, str]]
    ) -> None:
        self.upstream_port, self.tokens, self.fault, self.seen = upstream_port, tokens, fault, seen
        self.released = threading.Event()
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that went away are part of the game."""

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # type: ignore[override]
        self._open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        """Stop, and cut every connection: nothing listens on the port any more."""
        self.released.set()
        self.shutdown()
        self._thread.join()
        self.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Gateway
    _upstream: http.client.HTTPConnection | None = None

    def log_message(self, *args: object) -> None:
        pass

    def finish(self) -> None:
        self._hang_up()
        with contextlib.suppress(OSError):  # cut by a fault
            super().finish()

    def _handle(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size) if size else None
        request, fault = f"{self.command} {self.path}", self.server.fault
        mode = fault.take(request)
        self.server.seen.append((request, mode))
        if mode == "hang":
            self.server.released.wait(fault.delay_seconds or LONGEST_HANG_SECONDS)
            self.close_connection = True
        elif mode == "reset":
            # A linger time of zero turns the close into a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._cut()
        elif mode in ("status", "answer"):
            self._reply(fault.status, fault.body)
        elif mode == "html502":
            self._reply(HTTPStatus.BAD_GATEWAY, b"<html><h1>502 Bad Gateway</h1></html>", "text/html")
        else:
            if mode == "slow":
                self.server.released.wait(fault.delay_seconds)
            self._forward(body, answers=mode != "drop_after")

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = do_OPTIONS = _handle

    def _forward(self, body: bytes | None, *, answers: bool) -> None:
        if not self.path.startswith(PREFIX):
            return self._reply(HTTPStatus.NOT_FOUND, b'{"message":"no Route matched with those values"}')
        key = self.headers.get("apikey", "")
        token = self.server.tokens.get(key)
        if token is None:
            return self._reply(HTTPStatus.UNAUTHORIZED, b'{"message":"Invalid API key"}')
        headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_FORWARDED}
        if self.headers.get("Authorization", "") in ("", f"Bearer {key}"):
            headers["Authorization"] = f"Bearer {token}"
        got = self._ask("/" + self.path[len(PREFIX) :].lstrip("/"), body, headers)
        if got is None:
            return self._reply(HTTPStatus.SERVICE_UNAVAILABLE, b'{"message":"name resolution failed"}')
        if not answers:
            return self._cut()
        answer, content = got
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in NOT_RETURNED]
        self._send(answer.status, content, kept)
        return None

    def _ask(
        self, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes] | None:
        repeatable = self.command in ("GET", "HEAD")
        if not repeatable:
            self._hang_up()  # a kept connection may be that of a PostgREST which was killed since
        for is_last in (not repeatable, True):
            try:
                if self._upstream is None:
                    self._upstream = http.client.HTTPConnection("127.0.0.1", self.server.upstream_port, timeout=60)
                self._upstream.request(self.command, path, body, dict(headers))
                answer = self._upstream.getresponse()
                return answer, answer.read()
            except (OSError, http.client.HTTPException):
                self._hang_up()
                if is_last:
                    break
        return None

    def _reply(self, status: int, content: bytes, kind: str = "application/json") -> None:
        self._send(status, content, [("Content-Type", kind)])

    def _send(self, status: int, content: bytes, headers: Iterable[tuple[str, str]]) -> None:
        has_body = status != HTTPStatus.NO_CONTENT
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if has_body:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if has_body and self.command != "HEAD":
            self.wfile.write(content)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _hang_up(self) -> None:
        if self._upstream is not None:
            self._upstream.close()
            self._upstream = None


def signed_token(secret: str, role: str) -> str:
    """A JSON web token (HS256, RFC 7519) as Supabase makes its older keys."""

    def encoded(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    now = int(time.time())
    head = encoded(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    claims = {"iss": "supabase", "role": role, "iat": now - 60, "exp": now + KEY_YEARS * 365 * 86400}
    signed = f"{head}.{encoded(json.dumps(claims).encode())}"
    return f"{signed}.{encoded(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))}"


def wait_until(is_true: Callable[[], object], seconds: float, what: str) -> None:
    """Poll ``is_true()``; raises TimeoutError naming ``what``."""
    end = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not happen within {seconds} s")
        time.sleep(0.02)
