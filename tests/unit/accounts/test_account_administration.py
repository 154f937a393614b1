"""What administrators change: new accounts, roles, passwords; and that one administrator always stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fedlung.accounts import texts
from fedlung.errors import Conflict, InvalidInput, NotFound, NotSignedIn
from fedlung.stores.users import ADMIN, CLINICIAN, STAFF, User
from tests.accounts_world import PASSWORD, World, fields_of
from tests.at_once import run_together

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
def test_last_administrator_who_can_come_in_stays(world: World, changes: dict[str, Any], field: str) -> None:
    second, temporary = world.accounts.create_user("admin", "admin2", "Second", ADMIN, None)
    for _ in ("with a password that nobody has used", "inactive"):
        assert fields_of(lambda: world.update(world.admin, **changes)) == {field: texts.LAST_ADMIN}
        assert world.stored(world.admin) == world.admin
        second = world.update(world.stored(second), is_active=not second.is_active)
    assert second.is_active
    world.accounts.change_password(second.id, temporary, PASSWORD)
    assert not world.update(world.admin, is_active=False).is_active


def test_an_administrator_who_never_came_may_be_removed(world: World) -> None:
    second, _ = world.accounts.create_user("admin", "admin2", "Second", ADMIN, None)
    assert not world.update(second, is_active=False).is_active


def test_password_of_the_last_administrator_is_not_taken_away(world: World) -> None:
    """Neither by the page, where a reset of the own one would end the session that is to show it."""
    world.accounts.create_user("admin", "admin2", "Second", ADMIN, None)
    version = world.admin.version
    reset = world.accounts.reset_password
    assert fields_of(lambda: reset("admin", world.admin.id, version)) == {"is_active": texts.LAST_ADMIN}
    assert world.stored(world.admin) == world.admin
    assert reset("command line", world.admin.id, version, is_rescue=True)[0].must_change_password


def together(*deeds: Callable[[], object]) -> list[InvalidInput]:
    """What they are refused with, done at the same moment."""
    refused = []

    def do(number: int) -> None:
        try:
            deeds[number]()
        except InvalidInput as error:
            refused.append(error)

    run_together(do, len(deeds))
    return refused


def who_can_come_in(world: World) -> list[User]:
    admins = [user for user in world.users.all() if user.role == ADMIN and user.is_active]
    return [user for user in admins if not user.must_change_password]


@pytest.mark.parametrize("second_deed", ["disable", "reset password"])
def test_two_administrators_who_remove_each_other_leave_one(world: World, second_deed: str) -> None:
    """Ten pairs; a check before and apart from the write would now and then let both through."""
    for number in range(10):
        (first,) = who_can_come_in(world)
        second, _ = world.accounts.create_user("admin", f"admin-{number}", "Other", ADMIN, None, PASSWORD)
        deeds = {
            "disable": partial(world.update, first, is_active=False),
            "reset password": partial(world.accounts.reset_password, second.username, first.id, first.version),
        }
        refused = together(partial(world.update, second, is_active=False), deeds[second_deed])
        assert len(who_can_come_in(world)) == 1
        assert len(refused) == 1


def test_a_newcomer_does_not_count_in_the_race_either(world: World) -> None:
    for number in range(10):
        newcomer, _ = world.accounts.create_user("admin", f"admin-{number}", "Other", ADMIN, None)
        refused = together(
            partial(world.update, newcomer, is_active=False), partial(world.update, world.admin, is_active=False)
        )
        assert (who_can_come_in(world), len(refused)) == ([world.admin], 1)
