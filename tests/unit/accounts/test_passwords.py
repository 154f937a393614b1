"""Passwords: long, Chinese and odd ones work; damaged hashes fail like wrong passwords; the rule says why."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedlung.accounts import passwords, texts
from fedlung.accounts.passwords import MARKER, PasswordHasher, Verdict, problem_with, temporary_password

HASHER = PasswordHasher(cost=4)

WORKING = {
    "72 bytes": "x" * 72,
    "73 bytes": "x" * 73,
    "26 Chinese characters": "肺" * 26,
    "128 emoji": "😀" * 128,
    "NUL in the middle": "before\x00after",
    "half a surrogate pair": "x\ud800y",
    "spaces around": "  a sentence with room  ",
}


@pytest.mark.parametrize("password", WORKING.values(), ids=WORKING.keys())
def test_every_character_counts(password: str) -> None:
    stored = HASHER.hash(password)
    assert HASHER.verify(password, stored) is Verdict.RIGHT
    for other in (password[:-1], password + password[-1], password[:-1] + "!", password.swapcase() + "\x00"):
        assert HASHER.verify(other, stored) is Verdict.WRONG


def test_composed_and_decomposed_letters_are_the_same_password() -> None:
    assert HASHER.verify("cafe\u0301-Zu\u0308rich", HASHER.hash("caf\u00e9-Z\u00fcrich")) is Verdict.RIGHT


def test_equal_passwords_have_different_hashes() -> None:
    assert HASHER.hash("a good sentence") != HASHER.hash("a good sentence")


@pytest.mark.parametrize("prefix", [b"2a", b"2b"])
def test_plain_hash_of_another_program_verifies_and_is_outdated(prefix: bytes) -> None:
    plain = bcrypt.hashpw(b"an old password", bcrypt.gensalt(4, prefix)).decode()
    assert HASHER.verify("an old password", plain) is Verdict.RIGHT_BUT_OUTDATED
    assert HASHER.verify("another password", plain) is Verdict.WRONG


def test_plain_hash_of_a_long_password_verifies_as_it_was_made() -> None:
    """Older bcrypt cut at 72 bytes in silence; 26 Chinese characters are 78."""
    plain = bcrypt.hashpw(("肺" * 26).encode()[:72], bcrypt.gensalt(4)).decode()
    assert HASHER.verify("肺" * 26, plain) is Verdict.RIGHT_BUT_OUTDATED


def test_hash_of_another_cost_is_outdated() -> None:
    assert (
        HASHER.verify("a good sentence", PasswordHasher(cost=5).hash("a good sentence")) is Verdict.RIGHT_BUT_OUTDATED
    )


def test_digest_without_marker_is_no_password() -> None:
    """Who reads a hash's digest must not be able to use it as a password of a plain hash, or the other way round."""
    stored = HASHER.hash("a good sentence")
    assert HASHER.verify("a good sentence", stored.removeprefix(MARKER)) is Verdict.WRONG


DAMAGED = {
    "empty": "",
    "text": "correct horse",
    "marker only": MARKER,
    "marker twice": MARKER + MARKER + "$2b$04$" + "." * 53,
    "cut": "$2b$04$" + "." * 52,
    "too long": "$2b$04$" + "." * 54,
    "line end": "$2b$04$" + "." * 53 + "\n",
    "wrong alphabet": "$2b$04$" + "!" * 53,
    "other scheme": "$argon2id$v=19$m=65536,t=3,p=4$x$y",
    "hours of work": "$2b$31$" + "." * 53,
    "no work": "$2b$00$" + "." * 53,
    "Chinese digits": "$2b$\uff10\uff14$" + "." * 53,
    "no salt": "$2b$04$" + "." * 21 + "a" + "." * 31,  # the last letter of 22 has four bits too many
    "NUL": "\x00",
}


@pytest.mark.parametrize("stored", DAMAGED.values(), ids=DAMAGED.keys())
@pytest.mark.parametrize("marker", ["", MARKER])
def test_damaged_hash_fits_no_password(stored: str, marker: str) -> None:
    assert HASHER.verify("a good sentence", marker + stored) is Verdict.DAMAGED


@given(st.one_of(st.text(max_size=80), st.from_regex(r"\$2[abxy]?\$0[45]\$[./A-Za-z0-9]{52,54}", fullmatch=True)))
def test_no_stored_text_breaks_the_comparison(stored: str) -> None:
    assert HASHER.verify("x", stored) in (Verdict.DAMAGED, Verdict.WRONG)


def test_nobody_takes_as_long_as_somebody() -> None:
    """Medians of an unknown account, a wrong password and a damaged hash; cost 8, because 4 drowns in noise."""
    hasher = PasswordHasher(cost=8)
    stored = hasher.hash("a good sentence")

    def seconds(of: str | None) -> float:
        times = []
        for _ in range(15):
            started = time.thread_time()
            hasher.verify("a wrong sentence", of)
            times.append(time.thread_time() - started)
        return median(times)

    known = seconds(stored)
    for other in (None, "damaged", MARKER + DAMAGED["no salt"]):
        assert seconds(other) == pytest.approx(known, rel=0.2)


def test_default_cost_is_what_the_documents_promise() -> None:
    assert PasswordHasher().hash("a good sentence").startswith(MARKER + "$2b$12$")


REFUSED = {
    "": texts.PASSWORD_TOO_SHORT,
    "x" * 9: texts.PASSWORD_TOO_SHORT,
    "e\u0301" * 9: texts.PASSWORD_TOO_SHORT,  # 18 code points, 9 characters
    "x" * 129: texts.PASSWORD_TOO_LONG,
    "xiaoming.wang": texts.PASSWORD_LIKE_USERNAME,
    "Xiaoming.Wang1": texts.PASSWORD_LIKE_USERNAME,
    "\uff38iaoming.wang12345": texts.PASSWORD_LIKE_USERNAME,  # a full-width X
    "Password123": texts.PASSWORD_COMMON,
    "1q2w3e4r5t": texts.PASSWORD_COMMON,
    "correct horse battery staple": texts.PASSWORD_COMMON,
}


@pytest.mark.parametrize(("password", "problem"), REFUSED.items())
def test_rule_says_what_is_wrong(password: str, problem: str) -> None:
    assert problem_with(password, "xiaoming.wang") == problem


@pytest.mark.parametrize(
    "password", ["j" * 4 + "!" * 6, "肺结节检测系统登录口令", "x y " * 32, "xiaoming.wang likes tea", "e\u0301" * 10]
)
def test_rule_lets_pass(password: str) -> None:
    assert problem_with(password, "xiaoming.wang") is None


def test_sentences_name_the_limits_that_hold() -> None:
    assert str(passwords.SHORTEST) in texts.PASSWORD_TOO_SHORT
    assert str(passwords.LONGEST) in texts.PASSWORD_TOO_LONG
    assert f"{passwords.SHORTEST} to {passwords.LONGEST} " in texts.PASSWORD_RULE


def test_list_of_common_passwords_holds_what_the_length_lets_through() -> None:
    listed = passwords.common_passwords()
    assert len(listed) >= 200
    assert all(len(line) >= passwords.SHORTEST and line == line.casefold().strip() for line in listed)
    lines = (Path(passwords.__file__).parent / "common_passwords.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(set(lines))


def test_temporary_passwords_keep_the_rule_and_are_random() -> None:
    made = {temporary_password() for _ in range(200)}
    assert len(made) == 200
    assert all(problem_with(password, "admin") is None for password in made)
    assert not set("".join(made)) & set("il1o0")
