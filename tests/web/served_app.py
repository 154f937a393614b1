"""The application behind real gunicorn in a process of its own, without torch; lines on stdin are published as events.

    python -m tests.web.served_app --data DIR --port PORT

A line is ``{"name", "payload", "audience"}``; audience is everyone, admins, or a hospital's id. Runs wait in their
first round until they are stopped, and clients that send slowly have one second.
"""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import replace

from flask import Flask

import app as front
from fedlung.accounts.accounts import Accounts
from fedlung.accounts.passwords import PasswordHasher
from fedlung.accounts.throttle import SignInThrottle
from fedlung.settings import Settings
from fedlung.stores.data_lock import DataLock
from fedlung.web import slow_clients
from fedlung.web.lifetime import start
from fedlung.web.live.hub import Hub
from fedlung.web.live.streams import Admins, Audience, Everyone, Hospital
from fedlung.web.log_lines import log_to_stderr
from tests.web.fake_launcher import FakeLauncher

PATIENCE_SECONDS = 1.0


def begin(settings: Settings) -> Flask:
    launcher = FakeLauncher(settings.data / "runs")
    launcher.held = True
    made = front.make_services(settings, launcher)
    accounts = Accounts(made.users, made.audit, PasswordHasher(4), SignInThrottle())
    app = front.create_app(settings, replace(made, accounts=accounts))
    start(app)
    threading.Thread(target=publish_lines, args=(made.hub,), daemon=True).start()
    return app


def publish_lines(hub: Hub) -> None:
    for line in sys.stdin:
        event = json.loads(line)
        hub.publish(event["name"], event["payload"], audience_of(event["audience"]))


def audience_of(word: str) -> Audience:
    return {"everyone": Everyone(), "admins": Admins()}.get(word, Hospital(word))


def main() -> None:
    slow_clients.HEAD_SECONDS = slow_clients.BODY_SECONDS = PATIENCE_SECONDS
    settings = Settings.from_env()
    log_to_stderr(settings.log_level)
    with DataLock(settings.data):
        front.EmbeddedGunicorn(settings, begin).run()


if __name__ == "__main__":
    main()
