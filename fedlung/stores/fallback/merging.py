"""One account that was changed here and in Supabase while they were apart: what holds afterwards.

A field that one side alone changed is that side's. Beyond that the side that gives less wins: an account that was
changed on both sides never gets more than it had from a change made here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fedlung.stores.users import ROLES, User

FREE = ("username", "display_name", "language")


@dataclass(frozen=True)
class Merged:
    """``user`` has the version of Supabase's row; ``decided`` says which wishes were not fulfilled, for the audit."""

    user: User
    decided: Mapping[str, str]


def merge(base: User, ours: User, theirs: User) -> Merged:
    """``base`` is what ``ours`` was made from, ``theirs`` is Supabase's row of now."""
    decided: dict[str, str] = {}
    fields: dict[str, Any] = {}
    for name in FREE:
        old, here, there = (getattr(user, name) for user in (base, ours, theirs))
        fields[name] = here if there == old else there
        if here not in (old, fields[name]):
            decided[name] = "Supabase's is kept"
    fields |= _password(base, ours, theirs, decided)
    fields |= _place(base, ours, theirs, decided)
    fields["is_active"] = theirs.is_active and (ours.is_active or ours.is_active == base.is_active)
    if fields["is_active"] != ours.is_active != base.is_active:
        decided["is_active"] = "stays inactive"
    # Whoever is signed in proves again who they are.
    fields["session_epoch"] = max(ours.session_epoch, theirs.session_epoch) + 1
    return Merged(replace(theirs, **fields), decided)


def _password(base: User, ours: User, theirs: User, decided: dict[str, str]) -> Mapping[str, Any]:
    changed_here = ours.password_hash != base.password_hash
    changed_there = theirs.password_hash != base.password_hash
    if changed_here and changed_there:
        decided["password"] = "Supabase's is kept"
    kept = ours if changed_here and not changed_there else theirs
    return {"password_hash": kept.password_hash, "must_change_password": kept.must_change_password}


def _place(base: User, ours: User, theirs: User, decided: dict[str, str]) -> Mapping[str, Any]:
    """Role and hospital, which belong together."""
    changed_here = (ours.role, ours.hospital_id) != (base.role, base.hospital_id)
    # ROLES begins with the one that may most.
    gives_less = ROLES.index(ours.role) > ROLES.index(theirs.role)
    kept = ours if changed_here and gives_less else theirs
    if changed_here and (kept.role, kept.hospital_id) != (ours.role, ours.hospital_id):
        decided["role"] = f"{kept.role} of {kept.hospital_id or 'no hospital'} is kept"
    return {"role": kept.role, "hospital_id": kept.hospital_id}
