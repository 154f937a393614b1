"""One tree of errors. Each class has a stable ``code``; messages are one plain sentence for a person.

Library code raises these and never exits the process; only a ``main()`` turns them into an exit code
(see ``fedlung.command_line``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class FedLungError(Exception):
    """Root of the tree: work failed for a reason that a person can read and act on."""

    code: ClassVar[str] = "failed"


class WrongArgument(FedLungError):
    """What the caller asked for makes no sense (missing folder, unknown name): exit code 2."""

    code = "wrong_argument"


class BadScan(FedLungError):
    """A CT file that is refused, with the field or property that is wrong."""

    code = "bad_scan"


class BadAnnotations(FedLungError):
    """An annotation table that is refused, with the row and column that is wrong."""

    code = "bad_annotations"


class HospitalData(FedLungError):
    """A hospital's folder from which nothing can be trained."""

    code = "hospital_data"


class BadCheckpoint(FedLungError):
    """A model file that is damaged, unsafe or not ours."""

    code = "bad_checkpoint"


class ArchitectureMismatch(BadCheckpoint):
    """A sound model file of another network architecture."""

    code = "architecture_mismatch"


class RefusedUpdate(FedLungError):
    """A hospital's update that may not enter the global model (NaN, wrong shape, stale round...)."""

    code = "refused_update"


class QuorumNotReached(FedLungError):
    """Too few hospitals answered for a round to count."""

    code = "quorum_not_reached"


class BadRunFolder(FedLungError):
    """A run folder that cannot be read or resumed."""

    code = "bad_run_folder"


class Stopped(FedLungError):
    """The work was interrupted by a person; what was finished is kept."""

    code = "stopped"


class NotSignedIn(FedLungError):
    """Nobody is signed in, or the session has ended."""

    code = "not_signed_in"


class NotAllowed(FedLungError):
    """The person who is signed in may not do this."""

    code = "not_allowed"


class NotFound(FedLungError):
    """There is no such thing, or it belongs to another hospital: the two look alike on purpose."""

    code = "not_found"


class Conflict(FedLungError):
    """Somebody was quicker: the thing was changed, exists already, or is busy."""

    code = "conflict"


class InvalidInput(FedLungError):
    """A form or a request with values that are refused; ``fields`` maps a field to what is wrong with it."""

    code = "invalid_input"

    def __init__(self, message: str = "", fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})


class TooManyTries(FedLungError):
    """Too many attempts in a short time; ``retry_after_seconds`` says when the next one counts."""

    code = "too_many_tries"

    def __init__(self, message: str = "", retry_after_seconds: float = 60) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class OverQuota(FedLungError):
    """The hospital's share of the disk is used up; nothing was written."""

    code = "over_quota"


class NoSpace(FedLungError):
    """The disk is full, or would be below the reserve that is kept free; nothing was written, or it was removed."""

    code = "no_space"


class ChecksumMismatch(FedLungError):
    """Bytes arrived other than they were sent; they were thrown away."""

    code = "checksum_mismatch"


class UnreadableStore(FedLungError):
    """A file of accounts or records that cannot be read; it is kept as it is, never overwritten."""

    code = "unreadable_store"


class StoreAway(FedLungError):
    """A database that does not answer, or not in time; what was asked for may have been done all the same."""

    code = "store_away"


class Misconfigured(FedLungError):
    """A database that answers and refuses (key, permission, missing table); the message says how to mend it."""

    code = "misconfigured"


class DataInUse(FedLungError):
    """Another process works with this data folder; says which."""

    code = "data_in_use"


class BadSettings(WrongArgument):
    """A setting (environment variable or option) that is refused: exit code 2."""

    code = "bad_settings"
