"""What administrators change: new accounts, roles, passwords; and that one administrator always stays."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedlung.accounts import texts
from fedlung.errors import Conflict, InvalidInput, NotFound, NotSignedIn
from fedlung.stores.users import ADMIN, CLINICIAN, STAFF, User
from tests.accounts_world import PASSWORD, World, fields_of

HERE = "192.0.2.1"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_new_account_gets_a_password_that_must_be_changed(world: World) -> None:
    user, password = world.accounts.create_user("admin", " Dr.Wu ", "Dr Wu", CLINICIAN, "hospital_b")
    assert (user.username, user.must_change_password) == ("dr.wu", True)
    assert world.accounts.authenticate("dr.wu", password, HERE) == user
    details = {"role": CLINICIAN, "hospital_id": "hospital_b"}
    assert ("admin", "user_created", "dr.wu", details) in [
        (entry["actor"], entry["action"], entry["target"], entry["details"]) for entry in world.audit.page()
    ]


def test_all_wrong_fields_of_a_new_account_are_named(world: World) -> None:
    assert fields_of(lambda: world.accounts.create_user("admin", "\x00", "", "root", None)) == {
        "username": texts.USERNAME_REFUSED,
        "display_name": texts.DISPLAY_NAME_REFUSED,
        "role": texts.ROLE_UNKNOWN,
    }
    for hospital_id in (None, "", "../hospital_b"):
        assert fields_of(lambda: world.accounts.create_user("admin", "x", "X", STAFF, hospital_id)) == {  # noqa: B023
            "hospital_id": texts.HOSPITAL_NEEDED
        }
    assert len(world.users.all()) == 2


def test_taken_name_is_told_beside_the_field(world: World) -> None:
    fields = fields_of(lambda: world.accounts.create_user("admin", "STAFF_A", "Other", STAFF, "hospital_b"))
    assert fields == {"username": texts.USERNAME_TAKEN}


def test_administrator_belongs_to_no_hospital_whatever_the_form_says(world: World) -> None:
    user, _ = world.accounts.create_user("admin", "admin2", "Second", ADMIN, "hospital_a")
    assert user.hospital_id is None


def test_change_is_in_the_audit_with_old_and_new(world: World) -> None:
    world.update(world.staff, role=CLINICIAN, is_active=False)
    expected = {"role": "staff -> clinician", "is_active": "True -> False"}
    assert world.last_deed() == ("admin", "user_changed", "staff_a", expected)


def test_change_of_an_older_version_is_refused(world: World) -> None:
    world.update(world.staff, is_active=False)
    for deed in (
        lambda: world.update(world.staff, is_active=True),
        lambda: world.accounts.reset_password("admin", world.staff.id, world.staff.version),
    ):
        with pytest.raises(Conflict):
            deed()
    assert not world.stored(world.staff).is_active


def test_nobody_to_change(world: World) -> None:
    nobody = replace(world.staff, id="0" * 32)
    for deed in (
        lambda: world.update(nobody),
        lambda: world.accounts.reset_password("admin", nobody.id, 1),
        lambda: world.accounts.sign_out(nobody.id),
    ):
        with pytest.raises(NotFound):
            deed()


def test_reset_password_signs_in_once_more_to_be_changed(world: World) -> None:
    user, password = world.accounts.reset_password("admin", world.staff.id, world.staff.version)
    assert user.must_change_password
    assert world.accounts.authenticate("staff_a", password, HERE) == user
    with pytest.raises(NotSignedIn):
        world.accounts.authenticate("staff_a", PASSWORD, HERE)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"role": STAFF, "hospital_id": "hospital_a"}, "role"),
        ({"is_active": False}, "is_active"),
    ],
)
def test_last_active_administrator_stays(world: World, changes: dict[str, Any], field: str) -> None:
    second, _ = world.accounts.create_user("admin", "admin2", "Second", ADMIN, None)
    world.update(second, is_active=False)
    assert fields_of(lambda: world.update(world.admin, **changes)) == {field: texts.LAST_ADMIN}
    assert world.stored(world.admin) == world.admin
    world.update(world.stored(second), is_active=True)
    assert not world.update(world.admin, is_active=False).is_active


def test_two_administrators_who_remove_each_other_leave_one(world: World) -> None:
    """Ten pairs; a check before and apart from the write would now and then let both through."""
    for number in range(10):
        first = next(user for user in world.users.all() if user.role == ADMIN and user.is_active)
        second, _ = world.accounts.create_user("admin", f"admin-{number}", "Other", ADMIN, None)
        start, refused = threading.Barrier(2), []

        def remove(user: User, start: threading.Barrier = start, refused: list[Any] = refused) -> None:
            start.wait()
            try:
                world.update(user, is_active=False)
            except InvalidInput as error:
                refused.append(error)

        threads = [threading.Thread(target=remove, args=(user,)) for user in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len([user for user in world.users.all() if user.role == ADMIN and user.is_active]) == 1
        assert len(refused) == 1
