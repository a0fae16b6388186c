"""References: aliases, tags, branches and stages, which share one name space per model."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from registry.domain.versions import Version


class ReferenceKind(StrEnum):
    ALIAS = "alias"
    TAG = "tag"
    BRANCH = "branch"
    STAGE = "stage"


@dataclass(frozen=True, kw_only=True)
class Reference:
    model: str
    id: str
    kind: ReferenceKind
    #: Resource name of a version, or of a commit for a branch.
    target: str
    #: The target version's digest; empty for a branch.
    digest: str
    update_time_us: int
    updater: str

    @property
    def name(self) -> str:
        return f"models/{self.model}/references/{self.id}"


@dataclass(frozen=True, kw_only=True)
class Resolved:
    version: Version
    #: None for a number, a digest or a commit.
    kind: ReferenceKind | None
    #: For a stage.
    promotion: int | None = None
    since_time_us: int | None = None
