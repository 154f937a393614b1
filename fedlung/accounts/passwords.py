"""Passwords: the rule for new ones, and how they are kept.

bcrypt reads 72 bytes only and newer versions refuse more, which 25 Chinese characters are already. So bcrypt gets the
SHA-256 of the password, in base64 because some implementations end at a NUL byte. The marker in front tells these
hashes from plain ones of other programs, which still verify and are renewed at the next sign-in.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import unicodedata
from enum import Enum, auto
from functools import cache
from pathlib import Path

import bcrypt

from fedlung.accounts import texts

SHORTEST, LONGEST = 10, 128  # characters; OWASP ASVS 5.0, 6.2.1 and 6.2.9, asks for 8 and 64 at least
LEAST_BESIDE_USERNAME = 6
COST = 12  # 2^12 rounds, a quarter of a second
DEAREST_COST = 16  # a damaged or planted hash must not keep a processor busy for hours
MARKER = "sha256-bcrypt:"
PLAIN = re.compile(r"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
READABLE = "abcdefghjkmnpqrstuvwxyz23456789"  # without what looks alike: i l o 0 1


class Verdict(Enum):
    """What comparing a password with a stored hash says."""

    WRONG = auto()
    RIGHT = auto()
    RIGHT_BUT_OUTDATED = auto()  # hash the password again
    DAMAGED = auto()  # no password fits what is stored


class PasswordHasher:
    """Hashes and compares; every comparison takes as long as any other of the same ``cost``."""

    def __init__(self, cost: int = COST) -> None:
        self.cost = cost
        # Nothing has this hash: it is compared where there is no account, so that the answer takes the same time.
        self._nobody = (bcrypt.gensalt(cost) + b"." * 31).decode()

    def hash(self, password: str) -> str:
        return MARKER + bcrypt.hashpw(_digest(password), bcrypt.gensalt(self.cost)).decode()

    def verify(self, password: str, stored: str | None) -> Verdict:
        """Compare with a stored hash, or with None for the time that it takes."""
        marked = stored is not None and stored.startswith(MARKER)
        known = PLAIN.fullmatch((stored or "").removeprefix(MARKER))
        # Programs that made plain hashes cut at 72 bytes without a word.
        secret = _digest(password) if marked else _bytes(password)[:72]
        matches = _matches(secret, known[0]) if known and 4 <= int(known[1]) <= DEAREST_COST else None
        if known is None or matches is None:
            _matches(secret, self._nobody)
            return Verdict.WRONG if stored is None else Verdict.DAMAGED
        if not matches:
            return Verdict.WRONG
        return Verdict.RIGHT if marked and int(known[1]) == self.cost else Verdict.RIGHT_BUT_OUTDATED


def problem_with(password: str, username: str) -> str | None:
    """Why ``password`` may not be the new one of ``username`` (in normal form), or None when it may."""
    if length(password) < SHORTEST:
        return texts.PASSWORD_TOO_SHORT
    if length(password) > LONGEST:
        return texts.PASSWORD_TOO_LONG
    folded = unicodedata.normalize("NFKC", password).casefold()
    if username in folded and len(folded.replace(username, "")) < LEAST_BESIDE_USERNAME:
        return texts.PASSWORD_LIKE_USERNAME
    if folded in common_passwords():
        return texts.PASSWORD_COMMON
    return None


def length(password: str) -> int:
    """Characters, however the keyboard composed them."""
    return len(unicodedata.normalize("NFC", password))


def temporary_password() -> str:
    """A random password to be read out or typed from paper: 79 bits in four groups."""
    return "-".join("".join(secrets.choice(READABLE) for _ in range(4)) for _ in range(4))


@cache
def common_passwords() -> frozenset[str]:
    """The commonest passwords that are long enough, casefolded."""
    lines = Path(__file__).with_name("common_passwords.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


def _matches(secret: bytes, stored: str) -> bool | None:
    """None, in no time, when ``stored`` is of the right form and yet no hash: not all 22 letters are a salt."""
    try:
        return bcrypt.checkpw(secret, stored.encode())
    except ValueError:
        return None


def _bytes(password: str) -> bytes:
    # The same text typed on two systems may be composed or not; half of a surrogate pair can come through JSON.
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")


def _digest(password: str) -> bytes:
    return base64.b64encode(hashlib.sha256(_bytes(password)).digest())
