"""Browsers that only listen: ``python -m tests.web.listeners URL COUNT COOKIE ...``, a process of their own.

Says ``connected`` when all sockets are open; a line on stdin ends it, with what was heard as one line of JSON.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from datetime import datetime
from itertools import cycle, pairwise
from typing import Any

import socketio


class Listener:
    """One live socket.

    Attributes:
        numbers: of the events that came.
        delays_ms: from the server's stamp to the arrival here, on the same clock; without progress, which is held
            back on purpose.
    """

    def __init__(self, url: str, cookie: str) -> None:
        self.numbers: list[int] = []
        self.delays_ms: list[float] = []
        self._socket = socketio.Client(reconnection=False)
        self._socket.on("*", self._hear)
        self._socket.connect(url, headers={"Cookie": cookie}, transports=["websocket"], wait_timeout=30)

    def _hear(self, name: str, event: dict[str, Any]) -> None:
        self.numbers.append(event["seq"])
        if name not in ("client_progress", "online_users"):
            self.delays_ms.append((time.time() - datetime.fromisoformat(event["time"]).timestamp()) * 1000)

    def holes(self) -> int:
        return sum(after != before + 1 for before, after in pairwise(self.numbers))

    def close(self) -> None:
        self._socket.disconnect()


def main() -> None:
    url, count, *cookies = sys.argv[1:]
    listeners = [Listener(url, cookie) for cookie, _ in zip(cycle(cookies), range(int(count)), strict=False)]
    say("connected")
    sys.stdin.readline()
    holes = sum(listener.holes() for listener in listeners)
    for listener in listeners:
        listener.close()
    delays = [delay for listener in listeners for delay in listener.delays_ms]
    cuts = statistics.quantiles(delays, n=100, method="inclusive") if len(delays) > 1 else [0.0] * 99
    events = sum(len(listener.numbers) for listener in listeners)
    say(json.dumps({"holes": holes, "events": events, "p50_ms": cuts[49], "p99_ms": cuts[98]}))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
