"""A file of accounts is a home or a copy, and nobody takes the one for the other."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fedlung.errors import BadSettings, UnreadableStore
from fedlung.stores.fallback.user_copy import UserCopy, adopt, check_is_home, marker_of
from fedlung.stores.file_signature import file_signature
from fedlung.stores.json_users import JsonUserStore
from fedlung.stores.users import STAFF, User, new_user

URL, OTHER = "https://abc.supabase.co", "https://xyz.supabase.co"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users.json"


def a_user(name: str = "dr.li") -> User:
    return new_user(name, name, "hash", STAFF, "hospital_a")


def test_accounts_of_its_own_are_not_overwritten(path: Path) -> None:
    user = JsonUserStore(path).add(a_user())
    with pytest.raises(BadSettings, match="flask --app app users import"):
        UserCopy(path, URL)
    check_is_home(path)
    assert JsonUserStore(path).all() == [user]
    assert not marker_of(path).exists()


def test_last_good_copy_of_accounts_of_its_own_counts_as_well(path: Path) -> None:
    JsonUserStore(path).add(a_user())
    path.unlink()
    with pytest.raises(BadSettings, match="accounts of its own"):
        UserCopy(path, URL)


def test_copy_is_not_taken_for_a_home(path: Path) -> None:
    UserCopy(path, URL).become([a_user()])
    with pytest.raises(BadSettings, match=r"set SUPABASE_URL .* or remove .*users\.copy\.json"):
        check_is_home(path)
    marker_of(path).unlink()
    check_is_home(path)


def test_copy_of_another_project_is_refused(path: Path) -> None:
    UserCopy(path, OTHER)
    with pytest.raises(BadSettings, match=OTHER):
        UserCopy(path, URL)


def test_accounts_that_were_taken_there_are_a_copy_from_then_on(path: Path) -> None:
    user = JsonUserStore(path).add(a_user())
    adopt(path, URL)
    copy = UserCopy(path, URL)
    assert (copy.accounts.all(), copy.is_complete) == ([user], False)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2}', '{"format": 1, "url": 7}'])
def test_damaged_marker_is_refused(path: Path, content: str) -> None:
    marker_of(path).write_text(content)
    for opens in (lambda: UserCopy(path, URL), lambda: check_is_home(path)):
        with pytest.raises(UnreadableStore, match=r"users\.copy\.json"):
            opens()


def test_files_are_for_the_owner_only(path: Path) -> None:
    copy = UserCopy(path, URL)
    copy.become([a_user()])
    copy.is_like_home()
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


def test_age_counts_from_the_last_look_and_outlives_a_restart(path: Path) -> None:
    copy = UserCopy(path, URL)
    assert copy.age_seconds() == float("inf")
    copy.is_like_home()
    assert copy.age_seconds() < 1
    for hours, age in ((2.0, 7200.0), (-2.0, float("inf"))):  # a time in the future: the clock cannot be believed
        looked = datetime.now(UTC) - timedelta(hours=hours)
        marker_of(path).write_text(json.dumps({**json.loads(marker_of(path).read_text()), "synced_at": str(looked)}))
        assert UserCopy(path, URL).age_seconds() == pytest.approx(age, abs=5)


def test_older_version_does_not_replace_a_newer_one(path: Path) -> None:
    copy, user = UserCopy(path, URL), a_user()
    newer = replace(user, version=2, is_active=False)
    assert copy.put([newer]) == []  # nobody knew them: no session ends
    assert copy.put([user]) == []
    assert copy.accounts.all() == [newer]
    assert copy.become([user]) == [user.id]
    assert copy.accounts.all() == [user]


def test_what_did_not_change_is_not_written(path: Path) -> None:
    copy, user = UserCopy(path, URL), a_user()
    copy.put([user])
    before = file_signature(path)
    assert copy.put([user]) == copy.become([user]) == []
    assert file_signature(path) == before
