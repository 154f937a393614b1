"""The application copies its records to Supabase from its start to its end, and says when somebody has to mend that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from fedlung.accounts.first_start import demo_accounts
from fedlung.settings import Settings
from fedlung.stores.fallback.users import FallbackUserStore
from fedlung.stores.supabase import mirror as mirror_module
from fedlung.stores.supabase.mirror import Mirror
from fedlung.web.lifetime import shut_down, start
from fedlung.web.services import Services
from tests.supabase_gateway import wait_until
from tests.supabase_stack import SupabaseStack
from tests.web.conftest import HOSPITALS, PASSWORD, SignedIn

pytestmark = pytest.mark.slow
REFUSED = "not copied to Supabase"
SOON_SECONDS = 20.0


@pytest.fixture
def settings(tmp_path: Path, supa: SupabaseStack) -> Settings:
    for hospital in HOSPITALS:
        (tmp_path / "data" / hospital / "scans").mkdir(parents=True)
    there = {"SUPABASE_URL": supa.url, "SUPABASE_SECRET_KEY": supa.secret_key}
    return Settings.from_env(["--data", str(tmp_path / "data")], there)


@pytest.fixture
def mirror(app: Flask, services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """That of a started application with accounts."""
    monkeypatch.setattr(mirror_module, "LOOK_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(mirror_module, "FIRST_PAUSE_SECONDS", 0.05)
    assert isinstance(services.users, FallbackUserStore)
    assert services.mirror is not None
    services.users.look_at_all()
    demo_accounts(services.users, services.accounts, HOSPITALS, PASSWORD)
    start(app)
    yield services.mirror
    shut_down(app)
    wait_until(lambda: not services.mirror.is_alive, SOON_SECONDS, "the end of the mirror's thread")
    services.users._home._connection.close()


def test_deeds_arrive_and_trouble_is_told_to_administrators(
    mirror: Mirror, signed_in: SignedIn, supa: SupabaseStack
) -> None:
    admin, staff = signed_in("admin"), signed_in("staff_a")
    query = "select count(*) from audit where action = 'sign_in'"
    wait_until(lambda: supa.sql(query).strip() == "2", SOON_SECONDS, "the deeds' arrival")
    assert REFUSED not in admin.get("/audit").text

    supa.alter("revoke insert on audit from service_role")
    try:
        signed_in("clinician_b")
        wait_until(lambda: mirror.status.is_misconfigured, SOON_SECONDS, "noticing")
        assert REFUSED in admin.get("/audit").text
        assert REFUSED not in staff.get("/account").text
    finally:
        supa.alter("grant insert on audit to service_role")
    wait_until(lambda: supa.sql(query).strip() == "3", SOON_SECONDS, "the third deed's arrival")
    wait_until(lambda: REFUSED not in admin.get("/audit").text, SOON_SECONDS, "the banner's end")
