"""What is known about a scan at one time: its findings, by whom and when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from fedlung.errors import UnreadableStore

Kind = Literal["nodule", "ignore"]
KINDS = ("nodule", "ignore")
ORIGINS = ("table", "click", "csv", "xml", "prediction")


@dataclass(frozen=True)
class ScanFinding:
    """One finding in a scan.

    Attributes:
        id: 32 hexadecimal digits, the same through all versions.
        kind: "nodule", or "ignore": neither taught nor judged.
        center_xyz_mm: world mm, LPS.
        diameter_mm: more than 0; -1 for one to ignore that was never measured (LUNA16's excluded findings).
        origin: how it came, one of `ORIGINS`.
        author, time: who made or changed it last, and when (UTC, ISO 8601); empty for rows of a table.
    """

    id: str
    kind: Kind
    center_xyz_mm: tuple[float, float, float]
    diameter_mm: float
    origin: str
    author: str = ""
    time: str = ""
    comment: str = ""

    def says_the_same(self, other: ScanFinding) -> bool:
        """Whoever made it, and when."""
        return replace(self, author="", time="") == replace(other, author="", time="")


@dataclass(frozen=True)
class AnnotationVersion:
    """What is known about a scan at one time.

    Attributes:
        version: 1, 2, ...; 0 for a scan of which nothing was saved and nothing stands in the tables.
        is_read: somebody has read the whole scan, so that where no finding is, there is none.
    """

    version: int = 0
    author: str = ""
    time: str = ""
    origin: str = ""
    is_read: bool = False
    findings: tuple[ScanFinding, ...] = field(default=())

    @property
    def nodules(self) -> int:
        return sum(finding.kind == "nodule" for finding in self.findings)

    @property
    def is_complete(self) -> bool:
        """Annotated, or declared read and without nodules: it can be trained on."""
        return self.is_read or bool(self.findings)


@dataclass(frozen=True)
class Change:
    """What is to be saved after version ``base``."""

    base: int
    findings: tuple[ScanFinding, ...]
    is_read: bool


def read_version(path: Path) -> AnnotationVersion:
    """Raises UnreadableStore."""
    try:
        content = json.loads(path.read_bytes())
        findings = tuple(_finding(each) for each in content["findings"])
        told = {name: content[name] for name in ("version", "author", "time", "origin", "is_read")}
        return AnnotationVersion(**told, findings=findings)
    except (OSError, ValueError, KeyError, TypeError) as error:
        where = "/".join(path.parts[-3:])
        raise UnreadableStore(f"{where} cannot be read and was left as it is: {type(error).__name__}") from None


def _finding(content: Mapping[str, Any]) -> ScanFinding:
    x, y, z = (float(value) for value in content["center_xyz_mm"])
    return ScanFinding(**{**content, "center_xyz_mm": (x, y, z), "diameter_mm": float(content["diameter_mm"])})
