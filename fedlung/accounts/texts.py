"""Sentences about accounts that a person reads beside a field of a form.

The English sentence is the key of its translation; whoever shows it translates it. ``N_`` marks it for extraction.
"""

from __future__ import annotations


def N_(sentence: str) -> str:
    return sentence


USERNAME_REFUSED = N_("Use 1 to 64 visible characters.")
USERNAME_TAKEN = N_("This user name is taken.")
DISPLAY_NAME_REFUSED = N_("Use 1 to 100 visible characters.")
ROLE_UNKNOWN = N_("Choose one of the roles.")
HOSPITAL_NEEDED = N_("Choose the hospital that this person belongs to.")
LANGUAGE_UNKNOWN = N_("Choose one of the languages.")
LAST_ADMIN = N_(
    "No other active administrator has signed in and chosen a password yet. Until one has, this account stays as it is."
)

PASSWORD_RULE = N_("10 to 128 characters; a sentence is easy to remember. Not the user name, not a common password.")
PASSWORD_TOO_SHORT = N_("Use at least 10 characters.")
PASSWORD_TOO_LONG = N_("Use at most 128 characters.")
PASSWORD_LIKE_USERNAME = N_("This is little more than the user name.")
PASSWORD_COMMON = N_("This is one of the first passwords that an attacker tries.")
PASSWORD_UNCHANGED = N_("The new password has to differ from the present one.")
PASSWORD_WRONG = N_("This is not your present password.")
PASSWORDS_DIFFER = N_("The two new passwords differ.")
