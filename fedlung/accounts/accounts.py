"""The rules of accounts: signing in, passwords, and what administrators change. Every deed goes into the audit.

A session carries the account's ``session_epoch``. Signing out, a new password, another role or hospital, and making an
account inactive count it up, which ends every session of that person; `Accounts.on_sessions_ended` tells those who
hold open connections.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from fedlung.accounts import texts
from fedlung.accounts.field_rules import (
    hospital_for,
    normal_username_or_empty,
    wrong_display_name,
    wrong_language,
    wrong_place,
    wrong_username,
)
from fedlung.accounts.passwords import LONGEST, PasswordHasher, Verdict, length, problem_with, temporary_password
from fedlung.accounts.throttle import SignInThrottle
from fedlung.errors import Conflict, FedLungError, InvalidInput, NotFound, NotSignedIn
from fedlung.stores.audit import Action, AuditLog
from fedlung.stores.users import ADMIN, User, UserStore, new_user, normal_display_name

logger = logging.getLogger(__name__)

TRIES = 5  # of a change that does not depend on what others change meanwhile
AUDITED = ("display_name", "role", "hospital_id", "is_active")


class Accounts:
    """Rules over a store of accounts; safe for many threads of the one process that serves."""

    def __init__(self, users: UserStore, audit: AuditLog, hasher: PasswordHasher, throttle: SignInThrottle) -> None:
        self.on_sessions_ended: list[Callable[[str], None]] = []
        self._users = users
        self._audit = audit
        self._hasher = hasher
        self._throttle = throttle
        self._admin_lock = threading.Lock()  # two administrators must not remove each other at the same moment

    def authenticate(self, username: str, password: str, address: str, device: str = "") -> User:
        """The active account of this name and password. All refusals look alike, and take as long.

        ``device`` names a browser in which this person signed in before (see `SignInThrottle`), if it is one.

        Raises:
            NotSignedIn: unknown name, wrong password, an inactive account, or a store that does not vouch for it now.
            InvalidInput: a password that nobody can have.
            TooManyTries: wait first.
        """
        if length(password) > LONGEST:
            raise InvalidInput("a password is too long", {"password": texts.PASSWORD_TOO_LONG})
        name = normal_username_or_empty(username)
        self._throttle.admit(name, address, device)
        user = self._users.by_username(name)
        verdict = self._hasher.verify(password, user.password_hash if user else None)
        reason = _why_refused(user, verdict) or (self._users.refusal(user, signing_in=True) if user else "")
        if user is None or reason:
            actor = user.username if user else ""
            self._audit.append(actor, Action.SIGN_IN_REFUSED, actor, {"reason": reason, "address": address})
            raise NotSignedIn("the user name or the password is wrong")
        self._throttle.succeeded(name, address, device)
        if verdict is Verdict.RIGHT_BUT_OUTDATED:
            user = self._with_renewed_hash(user, password)
        self._audit.append(user.username, Action.SIGN_IN, user.username, {"address": address}, user.hospital_id or "")
        return user

    def sign_out(self, user_id: str) -> None:
        """End every session of this person."""
        user = self._change(user_id, lambda user: replace(user, session_epoch=user.session_epoch + 1))
        self._tell_sessions_ended(user)
        self._audit.append(user.username, Action.SIGN_OUT, user.username, hospital_id=user.hospital_id or "")

    def change_password(self, user_id: str, current: str, new: str) -> User:
        """The person's own change; ends every session, so the caller signs the present one in again.

        Raises:
            InvalidInput: ``current_password`` is wrong, or ``new_password`` breaks the rule.
            TooManyTries: wait first.
        """
        user = self.find(user_id)
        problem = texts.PASSWORD_UNCHANGED if new == current else problem_with(new, user.username)
        if problem:
            raise InvalidInput("the new password is refused", {"new_password": problem})
        own_session = f"session of {user.id}"  # nobody else's tries are counted here
        self._throttle.admit(user.username, "", own_session)
        if self._hasher.verify(current, user.password_hash) in (Verdict.WRONG, Verdict.DAMAGED):
            raise InvalidInput("the present password is wrong", {"current_password": texts.PASSWORD_WRONG})
        self._throttle.succeeded(user.username, "", own_session)
        changed = self._with_password(user, new, must_change=False)
        self._audit.append(user.username, Action.PASSWORD_CHANGED, user.username, hospital_id=user.hospital_id or "")
        return changed

    def change_profile(self, user_id: str, display_name: str, language: str) -> User:
        """The person's own change of what others see, and of the language (empty: as the browser says).

        Raises:
            InvalidInput: says which field and why.
        """
        errors = wrong_display_name(display_name) | wrong_language(language)
        if errors:
            raise InvalidInput("the profile is refused", errors)
        name = normal_display_name(display_name)
        user = self._change(user_id, lambda user: replace(user, display_name=name, language=language))
        self._audit.append(user.username, Action.PROFILE_CHANGED, user.username, hospital_id=user.hospital_id or "")
        return user

    def create_user(
        self,
        by: str,
        username: str,
        display_name: str,
        role: str,
        hospital_id: str | None,
        password: str | None = None,
    ) -> tuple[User, str]:
        """A new account and its password: a random one that has to be changed, unless one is given (for a demo).

        Raises:
            InvalidInput: says which fields and why; a name that is taken included.
        """
        hospital_id = hospital_for(role, hospital_id)
        errors = wrong_username(username) | wrong_display_name(display_name) | wrong_place(role, hospital_id)
        if errors:
            raise InvalidInput("the account is refused", errors)
        known = password or temporary_password()
        user = new_user(username, display_name, self._hasher.hash(known), role, hospital_id)
        try:
            user = self._users.add(replace(user, must_change_password=password is None))
        except Conflict as error:
            raise InvalidInput(str(error), {"username": texts.USERNAME_TAKEN}) from None
        details = {"role": role, "hospital_id": hospital_id}
        self._audit.append(by, Action.USER_CREATED, user.username, details, hospital_id or "")
        return user, known

    def update_user(
        self,
        by: str,
        user_id: str,
        version: int,
        *,
        display_name: str,
        role: str,
        hospital_id: str | None,
        is_active: bool,
    ) -> User:
        """An administrator's change of the account as it was in ``version``; the name and the password stay.

        Raises:
            InvalidInput: says which fields and why; no administrator who can come in would be left included.
            Conflict: somebody changed the account meanwhile.
            NotFound: there is no such account.
        """
        hospital_id = hospital_for(role, hospital_id)
        errors = wrong_display_name(display_name) | wrong_place(role, hospital_id)
        if errors:
            raise InvalidInput("the change is refused", errors)
        with self._admin_lock:
            before = self._find_version(user_id, version)
            place = {"role": role, "hospital_id": hospital_id, "is_active": is_active}
            ends = any(getattr(before, name) != value for name, value in place.items())
            after = replace(
                before,
                display_name=normal_display_name(display_name),
                role=role,
                hospital_id=hospital_id,
                is_active=is_active,
                session_epoch=before.session_epoch + ends,
            )
            if not _is_active_admin(after):
                self._check_another_admin(before, "is_active" if role == ADMIN else "role")
            written = self._users.replace(after)
        if ends:
            self._tell_sessions_ended(written)
        self._audit.append(by, Action.USER_CHANGED, written.username, _changes(before, written), hospital_id or "")
        return written

    def reset_password(self, by: str, user_id: str, version: int, *, is_rescue: bool = False) -> tuple[User, str]:
        """Give the account a random password that has to be changed; ends every session of it.

        ``is_rescue``: by who holds the server, for whom no administrator has to be left.

        Raises:
            InvalidInput: no administrator who can come in would be left.
            Conflict: somebody changed the account meanwhile.
            NotFound: there is no such account.
        """
        password = temporary_password()
        with self._admin_lock:
            before = self._find_version(user_id, version)
            if not is_rescue:
                self._check_another_admin(before, "is_active")
            user = self._with_password(before, password, must_change=True)
        self._audit.append(by, Action.PASSWORD_RESET, user.username, hospital_id=user.hospital_id or "")
        return user, password

    def set_password(self, by: str, user_id: str, password: str) -> User:
        """Make ``password`` the account's own, with no question asked: for a demo. Does nothing when it is already."""
        user = self.find(user_id)
        verdict = self._hasher.verify(password, user.password_hash)
        if verdict is Verdict.RIGHT and not user.must_change_password:
            return user
        user = self._with_password(user, password, must_change=False)
        self._audit.append(by, Action.PASSWORD_RESET, user.username, hospital_id=user.hospital_id or "")
        return user

    def find(self, user_id: str) -> User:
        """The account of this id.

        Raises:
            NotFound: there is no such account.
        """
        user = self._users.by_id(user_id)
        if user is None:
            raise NotFound("there is no such account")
        return user

    def _find_version(self, user_id: str, version: int) -> User:
        user = self.find(user_id)
        if user.version != version:
            raise Conflict(f"{user.username}: version {version} was replaced by {user.version}")
        return user

    def _check_another_admin(self, user: User, field: str) -> None:
        """Who still has the first password may never come: it may be lost, or have gone to a wrong address."""
        others = (other for other in self._users.all() if other.id != user.id)
        can_come_in = (_is_active_admin(other) and not other.must_change_password for other in others)
        if _is_active_admin(user) and not any(can_come_in):
            raise InvalidInput("no administrator who can come in would be left", {field: texts.LAST_ADMIN})

    def _with_password(self, user: User, password: str, must_change: bool) -> User:
        changed = self._users.replace(
            replace(
                user,
                password_hash=self._hasher.hash(password),
                must_change_password=must_change,
                session_epoch=user.session_epoch + 1,
            )
        )
        self._tell_sessions_ended(changed)
        return changed

    def _with_renewed_hash(self, user: User, password: str) -> User:
        try:
            return self._users.replace(replace(user, password_hash=self._hasher.hash(password)))
        except (FedLungError, OSError) as error:  # the next sign-in tries again
            logger.warning("the password of %s could not be hashed anew: %s", user.username, error)
            return user

    def _change(self, user_id: str, change: Callable[[User], User]) -> User:
        """Make a change that holds whatever others change at the same moment."""
        for _ in range(TRIES - 1):
            try:
                return self._users.replace(change(self.find(user_id)))
            except Conflict:
                continue
        return self._users.replace(change(self.find(user_id)))

    def _tell_sessions_ended(self, user: User) -> None:
        for listener in self.on_sessions_ended:
            try:
                listener(user.id)
            except Exception:  # the sessions have ended whatever a listener does
                logger.exception("a listener failed when the sessions of %s ended", user.username)


def _why_refused(user: User | None, verdict: Verdict) -> str:
    """For the audit; empty when the person may come in."""
    if user is None:
        return "unknown user name"
    if verdict is Verdict.DAMAGED:
        logger.warning("the stored password of %s is damaged: an administrator has to reset it", user.username)
        return "damaged hash"
    if verdict is Verdict.WRONG:
        return "wrong password"
    return "" if user.is_active else "inactive"


def _changes(before: User, after: User) -> Mapping[str, Any]:
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in AUDITED}
    return {name: f"{old} -> {new}" for name, (old, new) in pairs.items() if old != new}


def _is_active_admin(user: User) -> bool:
    return user.is_active and user.role == ADMIN
