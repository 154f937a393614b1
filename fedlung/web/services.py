"""What the web application is given: its services, as seen from here. ``app.py`` makes them, tests their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import current_app

if TYPE_CHECKING:
    from fedlung.accounts.accounts import Accounts
    from fedlung.settings import Settings
    from fedlung.stores.audit import AuditLog
    from fedlung.stores.fallback.sync import UserSync
    from fedlung.stores.model_registry import ModelRegistry
    from fedlung.stores.supabase.mirror import Mirror
    from fedlung.stores.users import UserStore
    from fedlung.web.live.hub import Hub
    from fedlung.web.predictions.service import PredictionService
    from fedlung.web.scans.desk import ScanDesk
    from fedlung.web.system_load import MeasuredLoad
    from fedlung.web.training.hospital_cards import HospitalCards
    from fedlung.web.training.service import RunService

SERVICES, SETTINGS = "fedlung", "fedlung_settings"  # keys of app.extensions


@dataclass(frozen=True)
class Services:
    """One of each, shared by all threads."""

    accounts: Accounts
    users: UserStore
    audit: AuditLog
    hospitals: HospitalCards
    runs: RunService
    models: ModelRegistry
    hub: Hub
    scans: ScanDesk
    predictions: PredictionService
    system: MeasuredLoad
    user_sync: UserSync | None = None  # with accounts in Supabase
    mirror: Mirror | None = None  # with records copied there


def services() -> Services:
    """The services of the application that answers this request."""
    return cast("Services", current_app.extensions[SERVICES])


def settings() -> Settings:
    """The settings of the application that answers this request."""
    return cast("Settings", current_app.extensions[SETTINGS])
