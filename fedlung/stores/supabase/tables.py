"""The tables of `supabase/migrations`, as far as the program relies on them; a test compares the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

READ_ADD = ("select", "insert")
READ_ADD_CHANGE = (*READ_ADD, "update")


@dataclass(frozen=True)
class Table:
    """What one table has to offer.

    Attributes:
        columns: those that the program reads or writes.
        key: what makes a row unique; rows are written again by it.
        rights: of the role of the server's key, ``service_role``.
    """

    columns: tuple[str, ...]
    key: tuple[str, ...] = ("id",)
    rights: tuple[str, ...] = READ_ADD_CHANGE

    @property
    def is_append_only(self) -> bool:
        return "update" not in self.rights


def _columns(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TABLES: Mapping[str, Table] = {
    "users": Table(
        _columns(
            "id username display_name password_hash role hospital_id language is_active must_change_password"
            " session_epoch version created_at updated_at changed_at"
        )
    ),
    "sites": Table(_columns("id program_version hospitals last_seen")),
    "runs": Table(
        _columns("site_id id state reason round rounds started ended started_by arguments scans left_out note"),
        ("site_id", "id"),
    ),
    "rounds": Table(
        _columns("site_id run_id round time num_examples seconds metrics hospitals dropped validation"),
        ("site_id", "run_id", "round"),
        (*READ_ADD_CHANGE, "delete"),
    ),
    "models": Table(_columns("site_id id sha256 size_bytes made card"), ("site_id", "id")),
    "promotions": Table(_columns("id site_id model_id sha256 promoted_by time"), rights=READ_ADD),
    "audit": Table(_columns("id site_id seq time actor action target hospital_id details"), rights=READ_ADD),
    "annotation_sets": Table(
        _columns("id site_id hospital_id scan_key annotation_version author time origin is_read nodules ignored"),
        rights=READ_ADD,
    ),
}
