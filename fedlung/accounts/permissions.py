"""Which role may do what, in words; and the rule of hospitals: what belongs to another one does not exist for you."""

from __future__ import annotations

from collections.abc import Mapping

from fedlung.errors import NotFound
from fedlung.stores.users import ADMIN, CLINICIAN, ROLES, STAFF, User

MANAGE_USERS = "manage_users"
ADD_HOSPITALS = "add_hospitals"
READ_AUDIT = "read_audit"
RUN_TRAINING = "run_training"
PROMOTE_MODELS = "promote_models"
DOWNLOAD_MODELS = "download_models"
UPLOAD_SCANS = "upload_scans"
READ_SCANS = "read_scans"
DETECT_NODULES = "detect_nodules"
SEE_RESULTS = "see_results"  # runs and models; of other hospitals only what concerns everybody

PERMISSIONS: Mapping[str, frozenset[str]] = {  # permission -> roles
    MANAGE_USERS: frozenset({ADMIN}),
    ADD_HOSPITALS: frozenset({ADMIN}),
    READ_AUDIT: frozenset({ADMIN}),
    RUN_TRAINING: frozenset({ADMIN}),
    PROMOTE_MODELS: frozenset({ADMIN}),
    DOWNLOAD_MODELS: frozenset({ADMIN, STAFF}),
    UPLOAD_SCANS: frozenset({STAFF}),
    READ_SCANS: frozenset({STAFF, CLINICIAN}),
    DETECT_NODULES: frozenset({STAFF, CLINICIAN}),
    SEE_RESULTS: frozenset(ROLES),
}
HOMES: Mapping[str, str] = {ADMIN: "/server", STAFF: "/client", CLINICIAN: "/inference"}


def may(user: User, permission: str) -> bool:
    return user.role in PERMISSIONS[permission]


def home_of(role: str) -> str:
    """Path of the page on which people of this role begin."""
    return HOMES[role]


def sees_hospital(user: User, hospital_id: str) -> bool:
    """Whether the person may see what belongs to this hospital."""
    return user.role == ADMIN or user.hospital_id == hospital_id


def require_own_hospital(user: User, hospital_id: str) -> None:
    """Let pass who belongs to the hospital, and administrators.

    Raises:
        NotFound: it is another hospital's; the answer does not tell whether the thing exists.
    """
    if not sees_hospital(user, hospital_id):
        raise NotFound("there is no such thing in this hospital")
