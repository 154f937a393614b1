"""What an account may hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedlung.stores.users import ADMIN, STAFF, new_user, normal_display_name, normal_username


def user(**changes: Any) -> object:
    return replace(new_user("dr.li", "Dr Li", "a-secret-hash", STAFF, "hospital_a"), **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "1"},
        {"id": "../" + "a" * 29},
        {"id": "A" * 32},
        {"username": "Dr.Li"},
        {"username": ""},
        {"username": "x" * 65},
        {"username": "dr\u202eli"},
        {"username": "dr\u200bli"},
        {"username": "dr\nli"},
        {"username": "\ud800"},
        {"display_name": " "},
        {"display_name": "x" * 101},
        {"display_name": "line\r\nbreak"},
        {"role": "root"},
        {"role": ADMIN},
        {"hospital_id": None},
        {"hospital_id": "../hospital_b"},
        {"hospital_id": ".."},
        {"hospital_id": "hospital_a\n"},
        {"language": "fr"},
        {"session_epoch": -1},
        {"version": 0},
    ],
)
def test_account_that_makes_no_sense_cannot_be_made(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes if changes != {"role": ADMIN} else {"hospital_id"}))):
        user(**changes)


def test_hash_is_not_shown() -> None:
    assert "a-secret-hash" not in repr(user())
    with pytest.raises(ValueError, match="role") as error:
        user(role="root")
    assert "a-secret-hash" not in str(error.value)


@given(st.text(max_size=70))
def test_normal_form_of_a_normal_form_is_itself(text: str) -> None:
    for normal in (normal_username, normal_display_name):
        try:
            once = normal(text)
        except ValueError:
            continue
        assert normal(once) == once


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("  Admin ", "admin"),
        ("dr   li", "dr li"),
        ("\uff21\uff24\uff2d\uff29\uff2e", "admin"),  # full-width capitals, as Chinese keyboards type them
        ("Stra\u00dfe", "strasse"),
        ("e\u0301va", "\u00e9va"),  # e and a combining accent
        ("李医生", "李医生"),
    ],
)
def test_names_that_look_alike_are_one(typed: str, normal: str) -> None:
    assert normal_username(typed) == normal


def test_display_name_keeps_its_letters() -> None:
    assert normal_display_name("  Dr. LI\u0065\u0301 ") == "Dr. LI\u00e9"
