"""Texts of environment variables and options as values; each function raises ValueError saying what was expected."""

from __future__ import annotations

import re
from collections.abc import Callable


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    return parse


def one_of(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return parse


def yes_or_no(text: str) -> bool:
    words = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
    if text.lower() not in words:
        raise ValueError("must be yes or no")
    return words[text.lower()]


def some(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text.strip()


def hosts(text: str) -> tuple[str, ...]:
    found = tuple(part.strip().lower().strip("[]") for part in text.split(","))
    wrong = [host for host in found if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host)]
    if wrong:
        raise ValueError(f"must be host names separated by commas, without * and ports; {wrong[0]!r} is not one")
    return found


def origins(text: str) -> tuple[str, ...]:
    # An empty list or * would switch the check of origins off: any page on the web could open our socket.
    found = tuple(part.strip().rstrip("/") for part in text.split(","))
    wrong = [origin for origin in found if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]_-]+", origin)]
    if wrong:
        raise ValueError(f"must be origins such as https://fedlung.example, separated by commas; got {wrong[0]!r}")
    return found


def project_address(text: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]_-]+/?", text):
        raise ValueError("must be an address such as https://abc.supabase.co")
    return text.rstrip("/")
