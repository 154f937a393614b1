"""The tables of ``supabase/migrations`` on a real PostgreSQL: what they let in, who sees them, what they count."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from fedlung.errors import InvalidInput, Misconfigured
from fedlung.stores.supabase.connection import Row, SupabaseConnection
from fedlung.stores.supabase.requirements_check import all_sql, as_sql, shortcomings
from fedlung.stores.supabase.tables import TABLES
from fedlung.stores.users import LANGUAGES, ROLES, User
from tests.supabase_stack import MIGRATIONS, SupabaseStack


@pytest.fixture
def connection(supa: SupabaseStack) -> Iterator[SupabaseConnection]:
    made = SupabaseConnection(supa.url, supa.secret_key)
    yield made
    made.close()


@pytest.fixture
def altered(supa: SupabaseStack) -> Iterator[SupabaseStack]:
    """A project whose tables the test may alter; they are made anew afterwards."""
    yield supa
    supa.reset_schema()


def a_row(**changes: object) -> Row:
    row: Row = {"id": "0" * 32, "username": "dr.li", "display_name": "Dr. Li", "role": "staff", "hospital_id": "h_a"}
    return {**row, **changes}


def test_check_finds_nothing_in_a_project_that_is_as_it_should_be(connection: SupabaseConnection) -> None:
    assert shortcomings(connection, MIGRATIONS) == []


def test_program_and_migrations_know_the_same_tables(supa: SupabaseStack) -> None:
    names = supa.sql("select tablename from pg_tables where schemaname = 'public'").split()
    assert set(names) == set(TABLES)
    assert {field.name for field in dataclasses.fields(User)} < set(TABLES["users"].columns)


def test_migrations_may_be_run_again(supa: SupabaseStack, connection: SupabaseConnection) -> None:
    connection.execute(connection.table("users").insert(a_row()))
    supa.sql(all_sql(MIGRATIONS))
    connection.probe()
    assert supa.sql("select count(*) from users").strip() == "1"


DAMAGES = {  # what somebody did in the dashboard -> a word of what is said about it
    "drop table audit": "table audit is missing",
    "drop schema public cascade; create schema public; grant usage on schema public to service_role": "not been made",
    "alter table users drop column session_epoch": "table users lacks session_epoch",
    "alter table sites drop column hospitals, drop column last_seen": "table sites lacks hospitals, last_seen",
    "revoke insert, update on users from service_role": "the server may not insert, update",
    "revoke delete on rounds from service_role": "the server may not delete",
    "revoke all on function fedlung_schema() from service_role": "not been made",
    "alter table users disable row level security": "row level security is off",
    "grant select on users to anon": "table users: anon, which anybody on the web can be, may select",
    "grant all on runs to authenticated": "may delete, insert, select, update",
    "create policy everybody on users using (true)": "policy everybody",
    "alter table rounds drop constraint rounds_pkey": "site_id, run_id, round is not unique",
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_and_its_sql_mends_it(altered: SupabaseStack, damage: str) -> None:
    altered.alter(damage)
    connection = SupabaseConnection(altered.url, altered.secret_key)
    try:
        found = shortcomings(connection, MIGRATIONS)
        assert any(DAMAGES[damage] in lack.problem for lack in found), found
        altered.alter(as_sql(found))
        assert shortcomings(connection, MIGRATIONS) == []
    finally:
        connection.close()


def test_check_with_a_key_of_browsers_or_a_wrong_one_blames_the_key(supa: SupabaseStack) -> None:
    for key in (supa.publishable_key, "sb_secret_of_another"):
        connection = SupabaseConnection(supa.url, key)
        with pytest.raises(Misconfigured, match="SUPABASE_SECRET_KEY"):
            shortcomings(connection, MIGRATIONS)
        connection.close()


def test_browsers_see_and_change_nothing(supa: SupabaseStack, connection: SupabaseConnection) -> None:
    connection.execute(connection.table("users").insert(a_row()))
    stranger = SupabaseConnection(supa.url, supa.anon_key)
    for table in TABLES:
        key = TABLES[table].key[-1]
        for query in (stranger.table(table).select("*"), stranger.table(table).delete().is_(key, "null")):
            with pytest.raises(Misconfigured, match="42501"):
                stranger.execute(query)
    with pytest.raises(Misconfigured):
        stranger.call("fedlung_schema")
    stranger.close()


BAD_USERS = [
    {"username": "Dr.Li"},
    {"username": " dr.li"},
    {"username": "dr  li"},
    {"username": "dr\tli"},
    {"username": "\uff24r.li"},
    {"username": ""},
    {"username": "x" * 65},
    {"display_name": ""},
    {"display_name": "e\u0301"},
    {"role": "king"},
    {"role": "admin"},
    {"hospital_id": None},
    {"hospital_id": "../other"},
    {"language": "fr"},
    {"id": "X" * 32},
    {"version": 0},
    {"session_epoch": -1},
]


@pytest.mark.parametrize("change", BAD_USERS, ids=str)
def test_account_that_the_program_could_not_read_is_not_let_in(connection: SupabaseConnection, change: Row) -> None:
    with pytest.raises(InvalidInput):
        connection.execute(connection.table("users").insert(a_row(**change)))


def test_every_role_and_language_is_let_in(connection: SupabaseConnection) -> None:
    rows = [
        a_row(id=f"{number:032x}", username=f"p{number}", role=role, hospital_id=hospital, language=language)
        for number, (role, language) in enumerate((role, language) for role in ROLES for language in ("", *LANGUAGES))
        for hospital in [None if role == "admin" else "hospital-A_1"]
    ]
    connection.upsert("users", rows, key="id")
    assert len(connection.execute(connection.table("users").select("id"))) == len(rows)


def test_every_change_counts_also_one_in_the_dashboard(supa: SupabaseStack, connection: SupabaseConnection) -> None:
    origin = {"created_at": "2020-01-02T03:04:05.678+00:00", "updated_at": "2020-01-02T03:04:05.678+00:00"}
    (first,) = connection.execute(connection.table("users").insert(a_row(**origin)))
    assert {name: first[name] for name in origin} == origin
    assert first["changed_at"] > "2026"
    supa.sql("update users set is_active = false")
    query = connection.table("users").update({"version": 70, "created_at": "1999-01-01", "is_active": True})
    (last,) = connection.execute(query.eq("version", 2))
    assert (last["version"], last["created_at"]) == (3, origin["created_at"])
    assert last["updated_at"] > "2026"
    assert last["changed_at"] > first["changed_at"]
