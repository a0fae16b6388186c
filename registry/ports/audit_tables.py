"""The table of the audit log's checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from registry.domain.checkpoints import StoredCheckpoint


@dataclass(frozen=True, kw_only=True)
class KeyUse:
    """A key, and the first and last checkpoint that it signed."""

    public_key: str
    first: int
    last: int
    first_time_us: int


class Checkpoints(Protocol):
    def insert(self, stored: StoredCheckpoint) -> bool:
        """False where there is one of this number already: somebody else was quicker."""

    def get(self, number: int) -> StoredCheckpoint | None: ...

    def last(self) -> StoredCheckpoint | None: ...

    def list(
        self, after: int, limit: int, *, newest_first: bool = False
    ) -> Sequence[StoredCheckpoint]:
        """By number, behind `after`; without frontiers."""

    def key_uses(self) -> Sequence[KeyUse]:
        """All keys that signed any, by the first that they signed."""
