"""What keeps the bytes and the rows fails, or does not hold what it should."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from registry.errors.base import HallmarkError


@dataclass(eq=False, kw_only=True)
class StorageFullError(HallmarkError):
    status: ClassVar[str] = "RESOURCE_EXHAUSTED"
    reason: ClassVar[str] = "STORAGE_FULL"
    template: ClassVar[str] = (
        "{what}: the server's {store} has no room left ({cause}). Nothing was changed. "
        "Its operator has to free or add space; then retry, what arrived so far is kept."
    )
    what: str
    store: str
    cause: str


@dataclass(eq=False, kw_only=True)
class StorageError(HallmarkError):
    """The store failed in a way that a retry may mend: read-only, I/O error, network."""

    status: ClassVar[str] = "UNAVAILABLE"
    reason: ClassVar[str] = "STORAGE_UNAVAILABLE"
    template: ClassVar[str] = "{what}: the server's {store} failed ({cause}). {fix}"
    what: str
    store: str
    cause: str
    fix: str = "Nothing was changed; retry, and tell its operator if it persists."


@dataclass(eq=False, kw_only=True)
class DamagedTextError(HallmarkError):
    """SQLite keeps any bytes as text, and somebody put some there past the registry."""

    status: ClassVar[str] = "DATA_LOSS"
    reason: ClassVar[str] = "DAMAGED_TEXT"
    template: ClassVar[str] = (
        "The database holds a text that is no UTF-8 ({cause}): it was changed past the registry. "
        "See whether it is the audit log's: hallmark audit verify, and restore from a backup."
    )
    cause: str


@dataclass(eq=False, kw_only=True)
class CorruptBytesError(HallmarkError):
    status: ClassVar[str] = "DATA_LOSS"
    reason: ClassVar[str] = "CORRUPT_BYTES"
    template: ClassVar[str] = (
        "sha256 {sha256}: what is stored is damaged ({problem}). "
        "Restore it from a backup, or push the same file again."
    )
    sha256: str
    problem: str


@dataclass(eq=False, kw_only=True)
class DatabaseUnavailableError(HallmarkError):
    status: ClassVar[str] = "UNAVAILABLE"
    reason: ClassVar[str] = "DATABASE_UNAVAILABLE"
    template: ClassVar[str] = "The database did not answer ({cause}). Nothing was changed; {fix}"
    cause: str
    fix: str = "retry."


@dataclass(eq=False, kw_only=True)
class OutcomeUnknownError(HallmarkError):
    """The connection was lost between sending COMMIT and its answer."""

    status: ClassVar[str] = "UNAVAILABLE"
    reason: ClassVar[str] = "OUTCOME_UNKNOWN"
    template: ClassVar[str] = (
        "The database went away while it stored the change ({cause}), so the change may or may "
        "not have been made. Read what is there now, or repeat the request with its request_id."
    )
    cause: str


@dataclass(eq=False, kw_only=True)
class CheckpointBrokenError(HallmarkError):
    status: ClassVar[str] = "DATA_LOSS"
    reason: ClassVar[str] = "CHECKPOINT_BROKEN"
    template: ClassVar[str] = (
        "The audit log's checkpoints are not intact: checkpoint {number}: {problem}. "
        "Compare with exported checkpoints and restore from a backup."
    )
    number: int
    problem: str


@dataclass(eq=False, kw_only=True)
class AuditBrokenError(HallmarkError):
    status: ClassVar[str] = "DATA_LOSS"
    reason: ClassVar[str] = "AUDIT_BROKEN"
    template: ClassVar[str] = (
        "The audit log is not intact: shard {shard}, event {number}: {problem}. "
        "Compare with an exported checkpoint and restore from a backup."
    )
    shard: int
    number: int
    problem: str
