"""One account, changed on both sides: a field of one side alone is that side's, beyond that less is more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedlung.stores.fallback.merging import merge
from fedlung.stores.users import ADMIN, CLINICIAN, ROLES, STAFF, User, new_user

BASE = replace(new_user("dr.li", "Dr. Li", "old hash", STAFF, "hospital_a"), version=3, session_epoch=5)
PLACES = [(ADMIN, None), (STAFF, "hospital_a"), (STAFF, "hospital_b"), (CLINICIAN, "hospital_a")]

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], set[str]]] = {
    # what: (changed here, changed there, what holds, what was decided against us)
    "different fields": ({"language": "zh"}, {"display_name": "Li"}, {"language": "zh", "display_name": "Li"}, set()),
    "the same field": ({"language": "zh"}, {"language": "en"}, {"language": "en"}, {"language"}),
    "the same way": ({"language": "zh"}, {"language": "zh"}, {"language": "zh"}, set()),
    "password here": ({"password_hash": "new"}, {"language": "zh"}, {"password_hash": "new"}, set()),
    "password on both sides": ({"password_hash": "a"}, {"password_hash": "b"}, {"password_hash": "b"}, {"password"}),
    "inactive here": ({"is_active": False}, {"language": "zh"}, {"is_active": False}, set()),
    "inactive there": ({"language": "zh"}, {"is_active": False}, {"is_active": False}, set()),
    "lower here": (
        {"role": CLINICIAN},
        {"language": "zh"},
        {"role": CLINICIAN, "hospital_id": "hospital_a"},
        set(),
    ),
    "lower here, higher there": (
        {"role": CLINICIAN},
        {"role": ADMIN, "hospital_id": None},
        {"role": CLINICIAN, "hospital_id": "hospital_a"},
        set(),
    ),
    "higher here": ({"role": ADMIN, "hospital_id": None}, {"language": "zh"}, {"role": STAFF}, {"role"}),
    "higher there": ({"language": "zh"}, {"role": ADMIN, "hospital_id": None}, {"role": ADMIN}, set()),
    "two hospitals": ({"hospital_id": "b"}, {"hospital_id": "c"}, {"hospital_id": "c"}, {"role"}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_holds(case: str) -> None:
    here, there, holds, decided = CASES[case]
    merged = merge(BASE, replace(BASE, **here), replace(BASE, version=9, **there))
    assert {name: getattr(merged.user, name) for name in holds} == holds
    assert set(merged.decided) == decided
    assert (merged.user.id, merged.user.version) == (BASE.id, 9)


def test_account_that_was_made_active_here_stays_inactive() -> None:
    base = replace(BASE, is_active=False)
    merged = merge(base, replace(base, is_active=True), replace(base, language="zh"))
    assert (merged.user.is_active, set(merged.decided)) == (False, {"is_active"})


def sides() -> st.SearchStrategy[User]:
    places, hashes = st.sampled_from(PLACES), st.sampled_from(["old hash", "a", "b"])
    return st.builds(
        lambda place, active, hash_, epoch: replace(
            BASE, role=place[0], hospital_id=place[1], is_active=active, password_hash=hash_, session_epoch=epoch
        ),
        places,
        st.booleans(),
        hashes,
        st.integers(0, 9),
    )


@given(sides(), sides(), sides())
def test_a_change_made_here_never_gives_more_than_supabase_gives(base: User, ours: User, theirs: User) -> None:
    merged = merge(base, ours, theirs)
    assert ROLES.index(merged.user.role) >= ROLES.index(theirs.role)
    assert merged.user.is_active <= theirs.is_active
    assert merged.user.session_epoch > max(ours.session_epoch, theirs.session_epoch)
    if ours == base:
        assert merged.user == replace(theirs, session_epoch=merged.user.session_epoch)
    if ours.is_active < base.is_active:
        assert not merged.user.is_active
    assert not any("hash" in text for text in merged.decided.values())
