"""What git tracks: nothing large, nothing secret, nothing that belongs to a hospital."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MAX_BYTES = 1_000_000
MAX_MODEL_BYTES = 10_000_000  # of a shipped model: a few MB
SECRETS = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----"
    rb"|\bAKIA[0-9A-Z]{16}\b"  # AWS access key
    rb"|\bsb_secret_[A-Za-z0-9_-]{20,}"  # Supabase secret key
    rb"|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}"  # a signed JSON web token
)
PRIVATE = re.compile(
    r"users[\w.]*\.json.*|\.env(\..*)?|data/(?!README\.md$).*|models/(?!README\.md$|pretrained/).*|.*\.(pem|key|p12)"
)


def tracked_files() -> list[str]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    return [name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_nothing_large_is_tracked() -> None:
    def limit(name: str) -> int:
        return MAX_MODEL_BYTES if name.startswith("models/pretrained/") else MAX_BYTES

    assert [name for name in tracked_files() if (ROOT / name).stat().st_size > limit(name)] == []


def test_no_secret_is_tracked() -> None:
    assert [name for name in tracked_files() if SECRETS.search((ROOT / name).read_bytes())] == []


def test_nothing_private_is_tracked() -> None:
    assert [name for name in tracked_files() if PRIVATE.fullmatch(name)] == []


# Written in two halves, so that this file does not find itself.
PLANTED_SECRETS = [
    b"-----BEGIN RSA PRIVATE" + b" KEY-----",
    b"-----BEGIN PRIVATE" + b" KEY-----",
    b"key = 'AKIA" + b"ABCDEFGHIJKLMNOP'",
    b"SUPABASE_SECRET_KEY=sb_secret_" + b"0123456789abcdefghijkl",
    b"eyJhbGciOiJIUzI1NiJ9" + b".eyJyb2xlIjoic2VydmljZSJ9." + b"a" * 43,
]


@pytest.mark.parametrize("content", PLANTED_SECRETS)
def test_planted_secret_is_found(content: bytes) -> None:
    assert SECRETS.search(b"x\n" + content + b"\n")


@pytest.mark.parametrize(
    ("name", "private"),
    [
        ("users.json", True),
        ("users.json.bak", True),
        ("users.outbox.json", True),
        ("data/hospital_a/scans/1.2.3.mhd", True),
        ("models/federated.pth", True),
        ("certs/site.key", True),
        ("data/README.md", False),
        ("models/pretrained/phantom.pth", False),
        ("fedlung/stores/users.py", False),
        ("docs/data.md", False),
    ],
)
def test_private_names(name: str, private: bool) -> None:
    assert bool(PRIVATE.fullmatch(name)) is private
