"""The guard of ``conftest.py`` fires, and lets loopback through."""

from __future__ import annotations

import socket
import urllib.request

import pytest

BLOCKED = pytest.fail.Exception
# TEST-NET-1 (RFC 5737): never routed, so that even a broken guard reaches nobody.
OUTSIDE = ("192.0.2.1", 9)


def test_connect_beyond_loopback_is_refused() -> None:
    with socket.socket() as client, pytest.raises(BLOCKED, match=r"192\.0\.2\.1"):
        client.connect(OUTSIDE)


def test_connect_ex_beyond_loopback_is_refused() -> None:
    with socket.socket() as client, pytest.raises(BLOCKED, match=r"192\.0\.2\.1"):
        client.connect_ex(OUTSIDE)


def test_ipv6_beyond_loopback_is_refused() -> None:
    with socket.socket(socket.AF_INET6) as client, pytest.raises(BLOCKED, match="2001:db8::1"):
        client.connect(("2001:db8::1", 9, 0, 0))


def test_name_lookup_and_http_are_refused() -> None:
    with pytest.raises(BLOCKED, match=r"example\.org"):
        socket.getaddrinfo("example.org", 80)
    # urllib turns OSError into URLError; the guard must come through all the same.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(BLOCKED, match=r"example\.org"):
        opener.open("http://example.org", timeout=1)


def test_loopback_works() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("localhost", port), timeout=5) as client:
            client.sendall(b"hello")
            accepted, _ = server.accept()
            with accepted:
                assert accepted.recv(5) == b"hello"
