"""The table of assessments; see `database.py`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from registry.domain.readiness import Assessment, Report, Subject
from registry.domain.versions import Version


class Assessments(Protocol):
    def get(self, subject: Subject, release: str) -> Assessment | None:
        """With its report."""

    def of(self, subject: Subject) -> Sequence[Assessment]:
        """Of all releases that were asked about, the newest release first, without reports."""

    def want(self, wanted: Iterable[tuple[Subject, str]], tools_digest: str, now_us: int) -> None:
        """Have these subjects and releases assessed by these tools. What has such a report, or
        waits for one, is left as it is."""

    def waits(self, now_us: int) -> bool:
        """Whether there is something to claim."""

    def claim(self, now_us: int, until_us: int) -> Sequence[Assessment]:
        """What waits the longest and is nobody's: all releases of one subject, which are then the
        caller's until that time, with one more attempt each. Empty where nothing waits."""

    def renew(self, claimed: Assessment, until_us: int) -> None:
        """What was claimed is the caller's until then, unless somebody else has claimed it
        since."""

    def keep(self, claimed: Assessment, report: Report, now_us: int) -> bool:
        """Store a report of what was claimed, made by the tools that it wanted. False, and nothing
        stored, where somebody else has claimed it since."""

    def hinder(self, claimed: Assessment, problem: str, retry_us: int) -> None:
        """Note what is in the way of what was claimed; it waits until then, with one attempt
        less."""

    def passed(self, after: int, limit: int) -> Sequence[Version]:
        """Versions that vetting has passed and that may still go to a stage, by key, behind the key
        `after`."""

    def versions(self, subject: Subject, limit: int) -> Sequence[Version]:
        """Versions of the model that have these files, by key."""

    def ready(self, subjects: Collection[Subject]) -> Mapping[Subject, tuple[str, ...]]:
        """For which releases each of these was found ready, sorted; those with none are left
        out."""
