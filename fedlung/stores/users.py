"""People who may sign in, and the contract that every store of them keeps.

The contract, proved for each store by ``tests/contract/test_user_stores.py``:

- What `UserStore.add` or `UserStore.replace` returned is on disk (or in the database), and every later read sees it.
- Ids and user names are unique. User names are compared in their normal form (see `normal_username`).
- `UserStore.replace` is a compare-and-swap: of two who read the same version, one wins and the other gets a Conflict.
- Nobody is ever deleted: who leaves is made inactive, so that a name in the audit always means the same person.
- A store that cannot be read says so (UnreadableStore), and is never taken for an empty one.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import ClassVar, Protocol
from uuid import uuid4

from pydantic import ConfigDict

from fedlung.stores.clock import utc_now

ADMIN, STAFF, CLINICIAN = "admin", "staff", "clinician"
ROLES = (ADMIN, STAFF, CLINICIAN)
LANGUAGES = ("en", "zh")
LONGEST_USERNAME, LONGEST_DISPLAY_NAME = 64, 100
HOSPITAL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # it names a folder below the data folder


@dataclass(frozen=True)
class User:
    """One account; a value that does not make sense cannot be made.

    Attributes:
        id: 32 hexadecimal digits, for ever.
        username: in normal form.
        password_hash: see `fedlung.accounts.passwords`; any text but NUL, since a damaged one must only fail to verify.
        hospital_id: None for an administrator, else the hospital that the person belongs to.
        language: en, zh, or empty for that of the browser.
        session_epoch: sessions of an earlier number have ended.
        version: 1, 2, ...; counts what was written.
        created_at, updated_at: UTC, ISO 8601.

    Raises:
        ValueError: a field is wrong; says which and why, never with the password's hash.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # a store must not drop what it cannot read

    id: str
    username: str
    display_name: str
    password_hash: str = field(repr=False)
    role: str
    hospital_id: str | None
    language: str
    is_active: bool
    must_change_password: bool
    session_epoch: int
    version: int
    created_at: str
    updated_at: str

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{32}", self.id):
            raise ValueError(f"id must be 32 hexadecimal digits, got {self.id!r}")
        if normal_username(self.username) != self.username:
            raise ValueError(f"username must be in normal form, got {self.username!r}")
        if normal_display_name(self.display_name) != self.display_name:
            raise ValueError(f"display_name must be in normal form, got {self.display_name!r}")
        if self.role not in ROLES:
            raise ValueError(f"role must be one of {', '.join(ROLES)}, got {self.role!r}")
        if self.language not in ("", *LANGUAGES):
            raise ValueError(f"language must be empty or one of {', '.join(LANGUAGES)}, got {self.language!r}")
        if (self.hospital_id is None) != (self.role == ADMIN):
            raise ValueError(f"hospital_id must be given for everybody but an {ADMIN}, got {self.hospital_id!r}")
        if self.hospital_id is not None and not HOSPITAL_ID.fullmatch(self.hospital_id):
            raise ValueError(f"hospital_id must be letters, digits, - and _, got {self.hospital_id!r}")
        if min(self.version, self.session_epoch + 1) < 1:
            raise ValueError(f"version {self.version} and session_epoch {self.session_epoch} must count upwards")


class UserStore(Protocol):
    """Where accounts are kept; see the top of this module for what all stores promise."""

    def all(self) -> list[User]:
        """Everybody, sorted by user name."""

    def by_id(self, user_id: str) -> User | None: ...

    def by_username(self, username: str) -> User | None:
        """The person of that name, typed in any way that has the same normal form."""

    def add(self, user: User) -> User:
        """Keep a new account.

        Raises:
            Conflict: the id or the user name is taken.
        """

    def replace(self, user: User) -> User:
        """Keep ``user`` in place of the stored account of this id and version; returns it with the next version.

        Raises:
            Conflict: somebody wrote a newer version, or another account has this user name.
            NotFound: there is no such account.
        """

    def refusal(self, user: User, signing_in: bool) -> str:
        """Why this person may not come in (``signing_in``) or go on on the word of this store now; empty when they may.

        A copy of accounts that is too old may hold people whom somebody has shut out meanwhile.
        """


def new_user(username: str, display_name: str, password_hash: str, role: str, hospital_id: str | None) -> User:
    """A new account with its own id; names are brought into normal form.

    Raises:
        ValueError: a field is wrong.
    """
    now = utc_now()
    return User(
        id=uuid4().hex,
        username=normal_username(username),
        display_name=normal_display_name(display_name),
        password_hash=password_hash,
        role=role,
        hospital_id=hospital_id,
        language="",
        is_active=True,
        must_change_password=True,
        session_epoch=0,
        version=1,
        created_at=now,
        updated_at=now,
    )


def normal_username(text: str) -> str:
    """The form in which names are stored and compared: ``" Dr.LI"`` and ``"dr.li"`` are one person.

    Compatible forms and letter case are folded (NFKC, casefold), since names that look alike must not be two people.

    Raises:
        ValueError: empty, longer than 64 characters, or with characters that cannot be seen.
    """
    # Folding may make text that is not in NFKC, whose NFKC can be folded again; twice is enough (Unicode 3.13, D146).
    for _ in range(2):
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return _visible(text, "username", LONGEST_USERNAME)


def normal_display_name(text: str) -> str:
    """``text`` composed (NFC) and without space around it.

    Raises:
        ValueError: empty, longer than 100 characters, or with characters that cannot be seen.
    """
    return _visible(unicodedata.normalize("NFC", text), "display_name", LONGEST_DISPLAY_NAME)


def _visible(text: str, name: str, longest: int) -> str:
    text = re.sub(" +", " ", text.strip())
    # Not printable are controls, line ends, and the marks that turn the direction of writing.
    if not 1 <= len(text) <= longest or not text.isprintable():
        raise ValueError(f"{name} must be 1 to {longest} visible characters, got {text[: longest + 1]!r}")
    return text
