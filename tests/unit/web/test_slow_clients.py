"""Deadlines of connections, with real sockets: a thread that reads gets an end of file instead of waiting for ever."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fedlung.web.slow_clients import BODY_BYTES_PER_SECOND, BODY_SECONDS, BodyTimeout, Deadlines


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_waiting_reader_gets_an_end_of_file_when_time_is_up(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    clock, got = Clock(), []
    deadlines = Deadlines(clock)
    deadlines.set(ours, 5.0)
    reader = threading.Thread(target=lambda: got.append(ours.recv(10)))
    reader.start()
    clock.now = 4.9
    deadlines.sweep()
    reader.join(0.05)
    assert reader.is_alive()
    clock.now = 5.0
    deadlines.sweep()
    reader.join(5)
    assert got == [b""]
    ours.sendall(b"an answer")  # only reading has ended
    assert theirs.recv(20) == b"an answer"


def test_a_lifted_deadline_does_not_come_back(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    clock = Clock()
    deadlines = Deadlines(clock)
    deadlines.set(ours, 1.0)
    deadlines.lift(ours)
    clock.now = 100.0
    deadlines.sweep()
    theirs.sendall(b"x")
    assert ours.recv(1) == b"x"


def test_a_connection_that_is_gone_does_not_stop_the_sweep(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, _ = pair
    clock = Clock()
    deadlines = Deadlines(clock)
    gone = socket.socket()
    for connection in (gone, ours):
        deadlines.set(connection, 1.0)
    gone.close()
    clock.now = 2.0
    deadlines.sweep()
    assert ours.recv(1) == b""


SIZE = 10 * BODY_BYTES_PER_SECOND


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "100"}, BODY_SECONDS + 100 / BODY_BYTES_PER_SECOND),
        ({"REQUEST_METHOD": "PATCH", "CONTENT_LENGTH": str(SIZE)}, BODY_SECONDS + 10),
        ({"REQUEST_METHOD": "PUT"}, BODY_SECONDS),
        ({"REQUEST_METHOD": "POST", "CONTENT_LENGTH": "-5"}, BODY_SECONDS),
        ({"REQUEST_METHOD": "GET"}, None),
        ({"REQUEST_METHOD": "GET", "HTTP_UPGRADE": "WebSocket"}, None),
    ],
)
def test_the_time_for_a_body_grows_with_its_length(environ: dict[str, Any], seconds: float | None) -> None:
    clock, connection = Clock(), socket.socket()
    deadlines = Deadlines(clock)
    deadlines.set(connection, 1.0)  # as the worker does for the head
    wrapped = BodyTimeout(lambda environ, start_response: [b"done"], deadlines)
    with connection:
        assert list(wrapped({**environ, "gunicorn.socket": connection}, lambda *_: print)) == [b"done"]
        left = deadlines._until.get(connection)
    assert left == seconds


def test_other_servers_have_no_connection_to_watch() -> None:
    wrapped = BodyTimeout(lambda environ, start_response: [b"done"])
    assert list(wrapped({"REQUEST_METHOD": "POST"}, lambda *_: print)) == [b"done"]
