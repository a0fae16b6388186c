"""The tables of vetting; see `database.py`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from registry.domain.access import Reach
from registry.domain.inspections import Change, FileResult, Rerun, Subject, VettingRun
from registry.domain.traits import TraitQuery
from registry.domain.versions import Version
from registry.names import VersionName


class VettingTables(Protocol):
    # -- results
    def results(
        self, subjects: Collection[Subject], rules_digest: str, *, facts: bool = False
    ) -> Mapping[Subject, FileResult]:
        """What is known under these rules, by what was asked for: a result that depends on the
        bytes alone answers for any list of files, one that does not for its own. Without facts
        unless asked for."""

    def keep(self, result: FileResult) -> None:
        """Store a result. One that is there for this subject and these rules is replaced."""

    def forget(self, subjects: Collection[Subject], rules_digest: str) -> None:
        """Forget what `results` would answer for these."""

    def forget_unknown(self) -> None:
        """Forget all results that say unknown: what was in the way of looking at the file may be
        gone."""

    def forget_unread(self) -> None:
        """Forget all results of bytes that could not be read as what they are: bytes that were
        missing or damaged may lie there again."""

    def search(
        self, reach: Reach, query: TraitQuery, before: int | None, limit: int
    ) -> Sequence[Version]:
        """Versions within reach whose files have all of the traits, by what is known under the
        rules of their verdicts; the newest first by key, below the key `before`."""

    # -- runs
    def runs(self, digests: Collection[str]) -> Mapping[str, VettingRun]:
        """Those that there are, by digest; of several under different rules, the latest."""

    def begin(self, run: VettingRun) -> VettingRun:
        """Store a run; one that is there under these rules gets one more attempt and its new
        times and figures. As it then stands."""

    def advance(
        self, digest: str, rules_digest: str, *, files: int, size_bytes: int, path: str, now_us: int
    ) -> None:
        """So much more is done, and `path` is next."""

    def hinder(self, digest: str, rules_digest: str, problem: str, now_us: int) -> None:
        """Note what is in the way of a run, until it is begun again."""

    def waiting(self, digest: str, limit: int) -> Sequence[VersionName]:
        """Versions with these files that wait for their first verdict, oldest first."""

    def doubted(self, after: int, limit: int) -> Sequence[Version]:
        """Versions that are RELEASED, or were YANKED from there, of which vetting says something
        else than pass, by key, behind the key `after`."""

    def end(self, digests: Collection[str]) -> None:
        """Forget runs, under whatever rules."""

    # -- reruns
    def add_rerun(self, rerun: Rerun) -> Rerun:
        """The stored value with its number. Marks the versions that it is about and counts them:
        all that have a verdict, whatever their state, but those that were recalled. A version that
        an earlier rerun has marked is then the later one's."""

    def rerun(self, number: int) -> Rerun | None: ...

    def reruns(self, before: int, limit: int) -> Sequence[Rerun]:
        """Newest first, with numbers below `before`."""

    def marked(self, limit: int, *, but: Collection[int] = ()) -> Sequence[tuple[Version, int]]:
        """Versions that a rerun has marked, with its number, by key; but for some by key."""

    def marks(self, keys: Collection[int]) -> Mapping[int, int]:
        """Of these versions, by key, the numbers of the reruns that have marked them."""

    def unmark(self, changes: Mapping[tuple[int, int], Change | None], now_us: int) -> None:
        """By key of a version and number of a rerun, what the new verdict changed. They count as
        done in their rerun, which ends with the last of them; versions that this rerun does not
        mark any more are passed over."""

    def changes(self, rerun: int, after: int, limit: int) -> Sequence[tuple[int, Change]]:
        """What a rerun has changed so far, by key of the version, behind the key `after`."""
