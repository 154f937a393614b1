"""By which names the server may be addressed: its own, and plain addresses unless the names are set."""

from __future__ import annotations

import socket
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

import app as front
from fedlung.settings import Settings
from fedlung.web.services import Services

FOREIGN = ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "evil.example:5000", "", "[::1", "a b"]


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("path", ["/login", "/static/css/base.css", "/socket.io/?EIO=4&transport=polling", "/nothing"])
def test_a_foreign_name_is_refused_everywhere(stranger: FlaskClient, host: str, path: str) -> None:
    answer = stranger.get(path, headers={"Host": host}, buffered=True)
    assert answer.status_code == 400
    assert "FEDLUNG_TRUSTED_HOSTS" in answer.text


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:5000", "127.0.0.1:80", "[::1]:5000", "192.0.2.7", socket.gethostname()]
)
def test_own_names_and_plain_addresses_are_served(stranger: FlaskClient, host: str) -> None:
    assert stranger.get("/healthz", headers={"Host": host}).status_code == 200


def test_names_that_are_set_are_the_only_ones_besides_this_machine(settings: Settings, services: Services) -> None:
    named = replace(settings, trusted_hosts=("fedlung.example", "192.0.2.7"))
    browser = front.create_app(named, services).test_client()
    served = {"fedlung.example": 200, "192.0.2.7": 200, "127.0.0.1": 200, "192.0.2.8": 400, socket.gethostname(): 400}
    assert {host: browser.get("/healthz", headers={"Host": host}).status_code for host in served} == served


def test_forwarded_headers_count_only_behind_the_proxies_that_are_set(settings: Settings, services: Services) -> None:
    forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}
    assert front.create_app(settings, services).test_client().get("/healthz", headers=forged).status_code == 200
    behind = front.create_app(replace(settings, trusted_proxies=1), services).test_client()
    assert behind.get("/healthz", headers=forged).status_code == 400
