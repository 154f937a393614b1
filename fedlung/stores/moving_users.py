"""Taking accounts from one store to another: from a file into a Supabase project, and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from fedlung.errors import Conflict, WrongArgument
from fedlung.stores.json_users import JsonUserStore
from fedlung.stores.users import User, UserStore

COUNTED = ("version", "created_at", "updated_at")  # what says nothing about the person


@dataclass(frozen=True)
class Moved:
    """User names by what became of them; ``kept`` are those that are other ones there, and stayed so."""

    added: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


def read_file(path: Path) -> list[User]:
    """The accounts of a file in the form of ``users.json``.

    Raises:
        WrongArgument: there is no such file. UnreadableStore: it is something else.
    """
    if not path.is_file():
        raise WrongArgument(f"there is no file {path}")
    return JsonUserStore(path).all()


def write_file(path: Path, users: Iterable[User]) -> None:
    """A new file in the form of ``users.json``, which only its owner can read.

    Raises:
        WrongArgument: the file exists.
    """
    store = JsonUserStore(path)
    if path.exists() or store.copy.exists():
        raise WrongArgument(f"{path} exists, or its copy {store.copy.name}; choose another name, or move them away")
    store.keep(users)
    store.copy.unlink(missing_ok=True)


def take_in(store: UserStore, users: Iterable[User], *, replaces: bool) -> Moved:
    """Add those who are not there; ``replaces`` says whether those who are there become as given.

    Raises:
        Conflict: somebody else has one of the names; nothing was written then.
    """
    given, there = list(users), {user.id: user for user in store.all()}
    _check_names(given, there.values())
    became: dict[str, list[str]] = {"added": [], "replaced": [], "same": [], "kept": []}
    for user in given:
        known = there.get(user.id)
        if known is None:
            store.add(user)
            became["added"].append(user.username)
        elif _says_the_same(user, known):
            became["same"].append(user.username)
        elif replaces:
            store.replace(replace(user, version=known.version))
            became["replaced"].append(user.username)
        else:
            became["kept"].append(user.username)
    return Moved(**{name: tuple(sorted(people)) for name, people in became.items()})


def _check_names(given: Iterable[User], there: Iterable[User]) -> None:
    owners = {user.username: user.id for user in there}
    taken = sorted(user.username for user in given if owners.get(user.username, user.id) != user.id)
    if taken:
        raise Conflict(f"other people have these user names there: {', '.join(taken)}; nothing was written")


def _says_the_same(one: User, other: User) -> bool:
    return replace(one, **{name: getattr(other, name) for name in COUNTED}) == other
