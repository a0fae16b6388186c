"""What keeps a registry from starting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from registry.errors.base import HallmarkError


@dataclass(eq=False, kw_only=True)
class SchemaMismatchError(HallmarkError):
    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "SCHEMA_MISMATCH"
    template: ClassVar[str] = (
        "The database has schema {found}, this release knows up to {expected}. {fix}"
    )
    found: str
    expected: str
    fix: str


@dataclass(eq=False, kw_only=True)
class StartError(HallmarkError):
    """The server cannot start: a port in use, a second server on one file, a wrong setting."""

    status: ClassVar[str] = "FAILED_PRECONDITION"
    reason: ClassVar[str] = "CANNOT_START"
    template: ClassVar[str] = "{what}: {found}. {fix}"
    what: str
    found: str
    fix: str
