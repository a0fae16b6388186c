"""What a check of a whole registry found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was looked at, and every problem found."""

    problems: tuple[str, ...]
    events: int
    versions: int
    manifests: int
    blobs: int
    #: Of the blobs together.
    size_bytes: int
    #: sha256 of bytes that nothing refers to.
    orphans: tuple[str, ...]
    orphan_bytes: int
    #: How many of the orphans are no longer there.
    removed: int

    @property
    def is_clean(self) -> bool:
        return not self.problems
