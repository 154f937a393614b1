"""What a project's answers mean, on a real one whose parts are broken, frozen and killed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from fedlung.errors import Conflict, FedLungError, InvalidInput, Misconfigured, StoreAway
from fedlung.stores.supabase.connection import CONNECT_SECONDS, PAGE_ROWS, READ_SECONDS, Row, SupabaseConnection
from tests.supabase_stack import SupabaseStack, free_port

A_MOMENT = 0.5  # seconds; "at once" on a machine that is busy


@pytest.fixture
def connection(supa: SupabaseStack) -> Iterator[SupabaseConnection]:
    made = SupabaseConnection(supa.url, supa.secret_key)
    yield made
    made.close()


def a_row(number: int = 0, **changes: object) -> Row:
    row: Row = {"id": f"{number:032x}", "username": f"person{number}", "display_name": "x", "role": "admin"}
    return {**row, **changes}


def probe_with(url: str, key: str) -> None:
    connection = SupabaseConnection(url, key)
    try:
        connection.probe()
    finally:
        connection.close()


@pytest.mark.parametrize("kind", ["secret_key", "service_key"])
def test_both_kinds_of_key_are_let_in(supa: SupabaseStack, kind: str) -> None:
    probe_with(supa.url + "/", getattr(supa, kind))


def test_rows_come_back_as_they_are_stored(connection: SupabaseConnection) -> None:
    stored = connection.execute(connection.table("users").insert(a_row(display_name="马丽 😀 \\ \" ' <b>")))
    assert stored == connection.execute(connection.table("users").select("*"))
    assert stored[0]["display_name"] == "马丽 😀 \\ \" ' <b>"


FAULTS = [("status", 503), ("status", 500), ("status", 429), ("status", 302), ("html502", 0), ("reset", 0)]


@pytest.mark.parametrize(("mode", "status"), FAULTS)
def test_broken_answers_are_an_absence_at_once(
    supa: SupabaseStack, connection: SupabaseConnection, mode: str, status: int
) -> None:
    supa.fault.set(mode, status=status)
    with at_most(A_MOMENT), pytest.raises(StoreAway, match="does not answer"):
        connection.probe()
    supa.fault.set("ok")
    connection.probe()


def test_nothing_is_asked_twice(supa: SupabaseStack, connection: SupabaseConnection) -> None:
    supa.fault.set("status")
    with pytest.raises(StoreAway):
        connection.probe()
    assert len(supa.seen) == 1


@pytest.mark.parametrize("page", [b"<html>please sign in to the hospital's network</html>", b'{"a": 1}', b""])
def test_page_in_place_of_rows_is_an_absence(supa: SupabaseStack, connection: SupabaseConnection, page: bytes) -> None:
    supa.fault.set("answer", status=200, body=page)
    with pytest.raises(StoreAway):
        connection.execute(connection.table("users").select("id"))


@pytest.mark.slow
def test_silence_ends_after_the_time_that_was_given(supa: SupabaseStack, connection: SupabaseConnection) -> None:
    for silence in (lambda: supa.fault.set("hang"), supa.freeze_rest):
        silence()
        with at_most(CONNECT_SECONDS + READ_SECONDS), pytest.raises(StoreAway, match="timed out"):
            connection.probe()
        supa.fault.set("ok")
    supa.thaw_rest()
    connection.probe()


def test_killed_programs_are_absent_and_come_back(supa: SupabaseStack, connection: SupabaseConnection) -> None:
    for kill in (supa.kill_database, supa.kill_rest, supa.close_gateway):
        kill()
        with at_most(A_MOMENT), pytest.raises(StoreAway):
            connection.probe()
        supa.heal()
        connection.probe()


def test_write_whose_answer_was_lost_may_be_repeated(supa: SupabaseStack, connection: SupabaseConnection) -> None:
    supa.fault.set("drop_after", count=1)
    with pytest.raises(StoreAway):
        connection.upsert("users", [a_row()], key="id")
    assert supa.sql("select count(*) from users").strip() == "1"
    connection.upsert("users", [a_row(display_name="y")], key="id")
    assert supa.sql("select count(*), max(display_name) from users").strip() == "1|y"
    connection.upsert("users", [a_row(display_name="z")], key="id", replaces=False)
    assert supa.sql("select display_name from users").strip() == "y"


def test_nobody_at_the_address_is_an_absence(supa: SupabaseStack) -> None:
    with at_most(CONNECT_SECONDS), pytest.raises(StoreAway, match="Connection refused"):
        probe_with(f"http://127.0.0.1:{free_port()}", supa.secret_key)


WRONG_SETTINGS: dict[str, tuple[Callable[[SupabaseStack], tuple[str, str]], str]] = {
    "wrong key": (lambda supa: (supa.url, "sb_secret_of_another"), "does not accept SUPABASE_SECRET_KEY"),
    "publishable key": (lambda supa: (supa.url, supa.publishable_key), "publishable"),
    "older key of browsers": (lambda supa: (supa.url, supa.anon_key), "does not permit"),
    "another path": (lambda supa: (supa.url + "/x", supa.secret_key), "no Supabase project"),
    "no address": (lambda supa: ("nonsense", supa.secret_key), "must be an address"),
    "no key": (lambda supa: (supa.url, ""), "must be an address"),
}


@pytest.mark.parametrize("case", WRONG_SETTINGS)
def test_wrong_settings_are_never_taken_for_an_absence(supa: SupabaseStack, case: str) -> None:
    settings, said = WRONG_SETTINGS[case]
    with pytest.raises(Misconfigured, match=said) as error:
        probe_with(*settings(supa))
    assert supa.secret_key not in str(error.value)


NEWER_CODES = {  # PostgREST 13 and later
    "PGRST205": (404, "Could not find the table 'public.users' in the schema cache", Misconfigured),
    "PGRST303": (401, "JWT expired", Misconfigured),
    "PGRST003": (504, "Timed out acquiring connection from connection pool.", StoreAway),
}


@pytest.mark.parametrize("code", NEWER_CODES)
def test_codes_of_newer_servers(supa: SupabaseStack, connection: SupabaseConnection, code: str) -> None:
    status, message, meaning = NEWER_CODES[code]
    body = {"code": code, "message": message, "details": None, "hint": None}
    supa.fault.set("answer", status=status, body=json.dumps(body).encode())
    with pytest.raises(meaning):
        connection.probe()


def test_refusals_of_the_database(supa: SupabaseStack, connection: SupabaseConnection) -> None:
    table = connection.table
    connection.execute(table("users").insert(a_row()))
    refusals: list[tuple[type[FedLungError], Callable[[], object]]] = [
        (Conflict, lambda: connection.execute(table("users").insert(a_row()))),
        (InvalidInput, lambda: connection.execute(table("users").insert(a_row(1, role="king")))),
        (InvalidInput, lambda: connection.execute(table("users").insert(a_row(1, display_name="\x00")))),
        (Misconfigured, lambda: connection.execute(table("users").delete().eq("id", "x"))),
        (Misconfigured, lambda: connection.execute(table("elsewhere").select("*"))),
        (Misconfigured, lambda: connection.execute(table("users").select("shoe_size"))),
        (Misconfigured, lambda: connection.call("no_such_function")),
    ]
    for meaning, refused in refusals:
        with pytest.raises(meaning) as error:
            refused()
        assert type(error.value) is meaning
    assert supa.sql("select count(*) from users").strip() == "1"


def test_more_rows_than_one_answer_holds(supa: SupabaseStack, connection: SupabaseConnection) -> None:
    count = PAGE_ROWS + PAGE_ROWS // 2
    supa.sql(
        "insert into users (id, username, display_name, role) select lpad(to_hex(n), 32, '0'), 'p' || n, 'x', 'admin'"
        f" from generate_series(1, {count}) n"
    )
    pages = list(connection.pages("users", "id"))
    assert [row["id"] for page in pages for row in page] == [f"{number:032x}" for number in range(1, count + 1)]
    assert list(map(len, pages)) == [PAGE_ROWS, count - PAGE_ROWS]
    some = connection.pages("users", "id", narrow=lambda query: query.gt("id", f"{count - 3:032x}"))
    assert [len(page) for page in some] == [3]


def test_removing_needs_a_filter(connection: SupabaseConnection) -> None:
    with pytest.raises(ValueError, match="filters"):
        connection.remove("rounds", {})


def test_one_connection_serves_many_threads(supa: SupabaseStack, connection: SupabaseConnection) -> None:
    failures: list[Exception] = []

    def ask() -> None:
        try:
            for _ in range(10):
                connection.probe()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(supa.seen) == 80


class at_most:
    """Fails when the block took longer, and half a second for a busy machine."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds + A_MOMENT

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *unused: object) -> None:
        assert time.monotonic() - self._began < self._seconds
