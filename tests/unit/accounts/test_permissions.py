"""Who may do what, written down a second time: a change of the table has to be meant."""

from __future__ import annotations

import pytest

from fedlung.accounts.permissions import (
    HOMES,
    PERMISSIONS,
    home_of,
    may,
    require_own_hospital,
    sees_hospital,
)
from fedlung.errors import NotFound
from fedlung.stores.users import ADMIN, CLINICIAN, ROLES, STAFF, User, new_user

ADMINISTRATOR = new_user("admin", "Administrator", "", ADMIN, None)
OWNER = new_user("staff_a", "Staff A", "", STAFF, "hospital_a")
COLLEAGUE = new_user("clinician_a", "Clinician A", "", CLINICIAN, "hospital_a")
STRANGER = new_user("staff_b", "Staff B", "", STAFF, "hospital_b")

MAY = {
    ADMIN: {
        "manage_users", "read_audit", "run_training", "promote_models", "download_models", "see_results",
        "add_hospitals",
    },
    STAFF: {"detect_nodules", "read_scans", "upload_scans", "download_models", "see_results"},
    CLINICIAN: {"detect_nodules", "read_scans", "see_results"},
}  # fmt: skip


@pytest.mark.parametrize("user", [ADMINISTRATOR, OWNER, COLLEAGUE])
def test_every_role_may_what_it_may(user: User) -> None:
    assert {permission for permission in PERMISSIONS if may(user, permission)} == MAY[user.role]


@pytest.mark.parametrize(("user", "sees"), [(ADMINISTRATOR, True), (OWNER, True), (COLLEAGUE, True), (STRANGER, False)])
def test_other_hospitals_do_not_exist(user: User, sees: bool) -> None:
    assert sees_hospital(user, "hospital_a") is sees
    if sees:
        require_own_hospital(user, "hospital_a")
    else:
        with pytest.raises(NotFound):
            require_own_hospital(user, "hospital_a")


def test_every_role_has_a_home() -> None:
    assert HOMES.keys() == set(ROLES)
    assert [home_of(role) for role in ROLES] == ["/server", "/client", "/inference"]
