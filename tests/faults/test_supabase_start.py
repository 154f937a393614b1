"""How a server starts with accounts in Supabase: what it makes there, and what it refuses in one line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

import app as front
from fedlung.errors import BadSettings, Misconfigured, StoreAway
from fedlung.settings import Settings
from fedlung.stores.json_users import JsonUserStore
from fedlung.stores.users import STAFF, new_user
from tests.supabase_stack import SupabaseStack
from tests.supabase_world import be_patient


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    be_patient(monkeypatch)


def settings(folder: Path, supa: SupabaseStack | None, **more: str) -> Settings:
    there = {"SUPABASE_URL": supa.url, "SUPABASE_SECRET_KEY": supa.secret_key} if supa else {}
    folder.mkdir(exist_ok=True)
    return Settings.from_env(["--data", str(folder)], {**there, **more})


def test_first_start_makes_the_administrator_there(tmp_path: Path, supa: SupabaseStack) -> None:
    made = front.prepare(settings(tmp_path / "data", supa))
    assert [account.username for account in made] == ["admin"]
    assert supa.sql("select username, role, version from users") == "admin|admin|1\n"
    assert front.prepare(settings(tmp_path / "data", supa)) == []
    assert front.prepare(settings(tmp_path / "another server", supa)) == []  # of the same federation
    assert supa.sql("select count(*) from users") == "1\n"


@pytest.mark.parametrize("breaks", ["close_gateway", "kill_database"])
def test_first_start_is_refused_while_supabase_is_away(tmp_path: Path, supa: SupabaseStack, breaks: str) -> None:
    getattr(supa, breaks)()
    with pytest.raises(StoreAway, match="does not answer"):
        front.prepare(settings(tmp_path / "data", supa))
    supa.heal()
    assert len(front.prepare(settings(tmp_path / "data", supa))) == 1


@pytest.mark.parametrize("key", ["publishable_key", "anon_key"])
def test_key_for_browsers_is_refused(tmp_path: Path, supa: SupabaseStack, key: str) -> None:
    with pytest.raises(Misconfigured):
        front.prepare(settings(tmp_path / "data", supa, SUPABASE_SECRET_KEY=getattr(supa, key)))


def test_older_kind_of_key_does(tmp_path: Path, supa: SupabaseStack) -> None:
    assert len(front.prepare(settings(tmp_path / "data", supa, SUPABASE_SECRET_KEY=supa.service_key))) == 1


def test_later_start_goes_on_without_supabase(tmp_path: Path, supa: SupabaseStack) -> None:
    front.prepare(settings(tmp_path / "data", supa))
    supa.close_gateway()
    assert front.prepare(settings(tmp_path / "data", supa)) == []


def test_accounts_of_its_own_stop_the_start(tmp_path: Path, supa: SupabaseStack) -> None:
    front.prepare(settings(tmp_path / "data", None))
    before = (tmp_path / "data" / "users.json").read_bytes()
    with pytest.raises(BadSettings, match="flask --app app users import"):
        front.prepare(settings(tmp_path / "data", supa))
    assert (tmp_path / "data" / "users.json").read_bytes() == before
    assert supa.sql("select count(*) from users") == "0\n"


def test_copy_stops_a_start_without_supabase(tmp_path: Path, supa: SupabaseStack) -> None:
    front.prepare(settings(tmp_path / "data", supa))
    with pytest.raises(BadSettings, match=f"copy of the accounts of {re.escape(supa.url)}"):
        front.prepare(settings(tmp_path / "data", None))


def test_without_supabase_nothing_is_different(tmp_path: Path) -> None:
    assert len(front.prepare(settings(tmp_path / "data", None))) == 1
    users = JsonUserStore(tmp_path / "data" / "users.json")
    user = users.add(new_user("staff_a", "Staff A", "hash", STAFF, "hospital_a"))
    assert users.refusal(user, signing_in=True) == users.refusal(user, signing_in=False) == ""
    assert not list((tmp_path / "data").glob("users.copy.json"))


WRONG: Mapping[str, Mapping[str, str]] = {
    "SUPABASE_URL": {"SUPABASE_URL": "abc.supabase.co", "SUPABASE_SECRET_KEY": "sb_secret_canary"},
    "set both": {"SUPABASE_URL": "https://abc.supabase.co"},
    "or none": {"SUPABASE_SECRET_KEY": "sb_secret_canary"},
    "COPY_MAX_AGE_HOURS": {"FEDLUNG_SUPABASE_COPY_MAX_AGE_HOURS": "0"},
    "BREAK_GLASS": {"FEDLUNG_BREAK_GLASS": " "},
}


@pytest.mark.parametrize("said", WRONG)
def test_settings_that_make_no_sense_are_refused(said: str) -> None:
    with pytest.raises(BadSettings, match=said) as error:
        Settings.from_env([], WRONG[said])
    assert "canary" not in str(error.value)


def test_key_is_not_shown() -> None:
    there = {"SUPABASE_URL": "https://abc.supabase.co/", "SUPABASE_SECRET_KEY": "sb_secret_canary"}
    made = Settings.from_env([], there)
    assert (made.supabase_url, made.supabase_secret_key) == ("https://abc.supabase.co", "sb_secret_canary")
    assert "canary" not in repr(made)
