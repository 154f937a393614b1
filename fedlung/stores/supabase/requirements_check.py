"""What a Supabase project lacks before FedLung can live in it, each with the SQL that mends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedlung.errors import Misconfigured
from fedlung.stores.supabase.connection import SupabaseConnection
from fedlung.stores.supabase.tables import TABLES, Table

SCHEMA_FUNCTION = "fedlung_schema"
STRANGERS = ("anon", "authenticated")  # the roles of browsers
Report = Mapping[str, Any]


@dataclass(frozen=True)
class Shortcoming:
    """``problem`` in a sentence; ``sql`` mends it, and is empty where SQL is no help."""

    problem: str
    sql: str


def shortcomings(connection: SupabaseConnection, migrations: Path) -> list[Shortcoming]:
    """What the project lacks; ``migrations`` is the folder of FedLung's SQL files. Reads only.

    Raises:
        StoreAway: nobody answers. Misconfigured: the address or the key is wrong, which SQL cannot mend.
    """
    everything = all_sql(migrations)
    try:
        report = connection.call(SCHEMA_FUNCTION)
    except Misconfigured as error:
        if _may_be_mended_by_sql(error):
            # Without that function nothing else can be known. All of the files may be run again.
            return [Shortcoming(f"the tables have not been made, or not all of them ({error})", everything)]
        raise
    if not isinstance(report, Mapping):
        return [Shortcoming(f"public.{SCHEMA_FUNCTION}() is not FedLung's own", everything)]
    return [lack for name, table in TABLES.items() for lack in _of_table(name, table, report.get(name), everything)]


def all_sql(migrations: Path) -> str:
    """Every migration in order, as one text to paste.

    Raises:
        Misconfigured: the program's own files are not there.
    """
    files = sorted(migrations.glob("*.sql"))
    if not files:
        raise Misconfigured(f"{migrations} holds no migrations; they come with the program")
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def as_sql(found: list[Shortcoming]) -> str:
    """One text to paste into the SQL editor, each statement once, with its reason above it."""
    reasons: dict[str, list[str]] = {}
    for lack in found:
        reasons.setdefault(lack.sql, []).append(lack.problem)
    return "\n\n".join(
        "\n".join([*(f"-- {problem}" for problem in problems), sql]) for sql, problems in reasons.items() if sql
    )


def _may_be_mended_by_sql(error: Misconfigured) -> bool:
    """A missing function (PGRST202, 42883 before it knew) or right (42501), in contrast to a key or an address."""
    return any(f"({code})" in str(error) for code in ("PGRST202", "42883", "42501"))


def _of_table(name: str, table: Table, found: Report | None, everything: str) -> Iterator[Shortcoming]:
    if found is None:
        yield Shortcoming(f"table {name} is missing", everything)
        return
    if missing := [column for column in table.columns if column not in found["columns"]]:
        yield Shortcoming(f"table {name} lacks {', '.join(missing)}", _columns_sql(name, missing, everything))
    if sorted(table.key) not in found["unique"]:
        keys = ", ".join(table.key)
        yield Shortcoming(f"table {name}: {keys} is not unique", f"alter table public.{name} add unique ({keys});")
    rights = found["rights"]
    if lacking := [right for right in table.rights if right not in rights.get("service_role", ())]:
        what = ", ".join(lacking)
        yield Shortcoming(f"table {name}: the server may not {what}", f"grant {what} on public.{name} to service_role;")
    if not found["row_security"]:
        sql = f"alter table public.{name} enable row level security;"
        yield Shortcoming(f"table {name}: row level security is off", sql)
    for role in STRANGERS:
        if rights.get(role):
            yield Shortcoming(
                f"table {name}: {role}, which anybody on the web can be, may {', '.join(rights[role])}",
                f"revoke all on public.{name} from {role};",
            )
    for policy in found["policies"]:
        quoted = policy.replace('"', '""')
        sql = f'drop policy "{quoted}" on public.{name};'
        yield Shortcoming(f"table {name}: policy {policy} lets others than the server in", sql)


def _columns_sql(name: str, columns: list[str], everything: str) -> str:
    """The columns as they stand in the migrations: one line each, in the block of their table."""
    _, _, block = everything.partition(f"create table if not exists public.{name} (")
    lines = (line.partition("--")[0].strip().rstrip(",") for line in block.partition("\n);")[0].splitlines())
    definitions = {line.split()[0]: line for line in lines if line}
    return "\n".join(f"alter table public.{name} add column {definitions[column]};" for column in columns)
