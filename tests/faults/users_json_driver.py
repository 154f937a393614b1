"""Writes accounts without end in a child process, to be killed there. Used by ``test_users_json_kills``.

It says ``<user name> <version>`` after a write is acknowledged, so that the test knows what must not be lost.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

from fedlung.errors import FedLungError
from fedlung.stores.json_users import JsonUserStore
from fedlung.stores.users import STAFF, User, new_user


def acknowledge(user: User) -> None:
    sys.stdout.write(f"{user.username} {user.version}\n")
    sys.stdout.flush()


def main() -> None:
    """Make an account, change every third one, for ever; end with 1 and a line when a write fails."""
    store = JsonUserStore(Path(sys.argv[1]))
    start = len(store.all())
    try:
        for number in count(start):
            user = store.add(new_user(f"person{number}", "肺" * 50, "hash", STAFF, "hospital_a"))
            acknowledge(user)
            if number % 3 == 0:
                acknowledge(store.replace(replace(user, is_active=False)))
    except (FedLungError, OSError) as error:
        sys.stdout.write(f"failed: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
