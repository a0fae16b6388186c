"""The queue of assessments: versions that vetting passed go in, reports come out.

The rows are the queue. What is wanted is leased; who holds the lease assesses it and stores the
reports. Whoever dies on the way leaves a lease that ends, and it is taken again, though not without
end: what has ended so several times is a doubt in its report.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from registry.domain.events import SYSTEM, EventDraft
from registry.domain.file_formats import role_of
from registry.domain.inspections import Subject as Inspected
from registry.domain.inspections import beside, files_digest
from registry.domain.manifests import Manifest, ManifestFile
from registry.domain.readiness import Assessment, Point, Report, Subject, Weight
from registry.domain.versions import Version
from registry.errors import HallmarkError, StorageError
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.policy import PolicySets
from registry.ports.readiness import Assessor, HinderedError
from registry.services.readiness import subject_of

logger = logging.getLogger(__name__)

#: So long after whoever assesses has died, it is taken again.
LEASE_US = 120 * 1_000_000
RENEW_EVERY_S = 30.0
RETRY_US = 30 * 1_000_000
ATTEMPTS_MAX = 3
#: Versions that are looked at in one go for what they lack.
SWEPT_AT_ONCE = 500
#: Versions of a model with the same files of which an event is written.
TOLD_MAX = 20


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Releases of one subject, ours until the lease ends."""

    assessments: tuple[Assessment, ...]

    @property
    def subject(self) -> Subject:
        return self.assessments[0].subject


@dataclass(frozen=True, kw_only=True)
class _Material:
    """What an assessment goes by."""

    files: Sequence[ManifestFile]
    #: Paths of files in which models keep their tensors.
    data: frozenset[str]
    #: Files of the version that is in production.
    previous: Sequence[ManifestFile]


class AssessmentQueue:
    """One thread calls `sweep` and `claim`; several may call `assess`."""

    def __init__(
        self, *, database: Database, clock: Clock, assessor: Assessor, policies: PolicySets
    ) -> None:
        self._database = database
        self._clock = clock
        self._assessor = assessor
        self._policies = policies
        #: By which tools and for which releases versions were swept, and how far.
        self._swept: tuple[str, tuple[str, ...]] = ("", ())
        self._after = 0

    def sweep(self) -> bool:
        """Want reports for the releases that policy names, for the next versions that vetting has
        passed; whether there may be more. Once through all of them after a start, and again when
        tools or releases are others."""
        tools = self._assessor.tools_digest
        releases = self._known(self._policies.recent().triton_releases)
        if self._swept != (tools, releases):
            self._swept, self._after = (tools, releases), 0
        if self._after < 0 or not releases:
            return False

        def look(tx: Transaction) -> Sequence[Version]:
            return tx.assessments.passed(self._after, SWEPT_AT_ONCE)

        versions = self._database.read(look)
        if versions:
            self._database.write(lambda tx: self._want(tx, versions, releases, tools))
        is_last = len(versions) < SWEPT_AT_ONCE
        self._after = -1 if is_last else versions[-1].key
        return not is_last

    def passed(self, tx: Transaction, versions: Iterable[Version]) -> None:
        """Vetting passes these in this transaction."""
        releases = self._known(self._policies.active(tx).triton_releases)
        self._want(tx, versions, releases, self._assessor.tools_digest)

    def _want(
        self, tx: Transaction, versions: Iterable[Version], releases: Sequence[str], tools: str
    ) -> None:
        wanted = [(subject_of(each), release) for each in versions for release in releases]
        if wanted:
            tx.assessments.want(wanted, tools, self._clock.now_us())

    def _known(self, releases: Sequence[str]) -> tuple[str, ...]:
        known = {each.name for each in self._assessor.releases}
        return tuple(each for each in releases if each in known)

    def claim(self, limit: int) -> list[Claim]:
        """Lease what waits the longest, at most so many subjects."""
        claims: list[Claim] = []
        while len(claims) < limit:
            found = self._claim_one()
            if not found:
                break
            claims.append(Claim(assessments=tuple(found)))
        return claims

    def _claim_one(self) -> Sequence[Assessment]:
        now_us = self._clock.now_us()
        if not self._database.read(lambda tx: tx.assessments.waits(now_us)):
            # A write each time would take the turn of others for nothing.
            return ()
        return self._database.write(lambda tx: tx.assessments.claim(now_us, now_us + LEASE_US))

    def assess(self, claim: Claim) -> None:
        """Assess what was claimed, and store the reports."""
        worn_out = [each for each in claim.assessments if each.attempts > ATTEMPTS_MAX]
        for each in worn_out:
            self._keep(each, _worn_out(each))
        rest = [each for each in claim.assessments if each not in worn_out]
        if not rest:
            return
        try:
            with self._renewing(rest):
                reports = self._reports(claim.subject, [each.release for each in rest])
        except (HinderedError, StorageError) as error:
            logger.warning("readiness of %s is put off: %s", claim.subject.model, error)
            self._hinder(rest, str(error))
            return
        for each, report in zip(rest, reports, strict=True):
            self._keep(each, report)

    @contextmanager
    def _renewing(self, claimed: Sequence[Assessment]) -> Iterator[None]:
        """Keep the lease as long as this process lives: a large model takes minutes."""
        done = threading.Event()

        def renew(tx: Transaction) -> None:
            until_us = self._clock.now_us() + LEASE_US
            for each in claimed:
                tx.assessments.renew(each, until_us)

        def go_on() -> None:
            while not done.wait(RENEW_EVERY_S):
                try:
                    self._database.write(renew)
                except HallmarkError as error:
                    # The lease is longer than a few of these.
                    logger.warning("a lease is not renewed: %s", error)

        thread = threading.Thread(target=go_on, name="readiness lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _reports(self, subject: Subject, releases: Sequence[str]) -> Sequence[Report]:
        found = self._database.read(lambda tx: self._material(tx, subject))
        if found is None:
            # All versions with these files were deleted since.
            raise HinderedError("no version has these files any more")
        return self._assessor.assess(
            subject.model_id, found.files, releases, found.data, found.previous
        )

    def _material(self, tx: Transaction, subject: Subject) -> _Material | None:
        versions = tx.assessments.versions(subject, 1)
        manifest = tx.manifests.get(subject.digest)
        if manifest is None or not versions or versions[0].vetting is None:
            return None
        data = _data(tx, manifest, versions[0].vetting.rules_digest)
        before = self._in_production(tx, versions[0].model)
        previous = None
        if before is not None and before.digest != subject.digest and before.vetting is not None:
            previous = tx.manifests.get(before.digest)
            if previous is not None:
                data |= _data(tx, previous, before.vetting.rules_digest)
        return _Material(
            files=manifest.files, data=data, previous=previous.files if previous else ()
        )

    def _in_production(self, tx: Transaction, model: str) -> Version | None:
        """What the last of the stages holds."""
        stage = self._policies.active(tx).exclusive_stages[-1]
        period = tx.stages.current(model, stage)
        return tx.versions.by_key(period.version_key) if period else None

    def _keep(self, claimed: Assessment, report: Report) -> None:
        now_us = self._clock.now_us()

        def fn(tx: Transaction) -> bool:
            if not tx.assessments.keep(claimed, report, now_us):
                return False
            for version in tx.assessments.versions(claimed.subject, TOLD_MAX):
                tx.events.append(_assessed(version, report, claimed.wanted))
            return True

        if not self._database.write(fn):
            logger.info("readiness of %s was wanted otherwise since", claimed.subject.model)

    def _hinder(self, claimed: Iterable[Assessment], problem: str) -> None:
        retry_us = self._clock.now_us() + RETRY_US

        def fn(tx: Transaction) -> None:
            for each in claimed:
                tx.assessments.hinder(each, problem, retry_us)

        self._database.write(fn)


def _data(tx: Transaction, manifest: Manifest, rules_digest: str) -> frozenset[str]:
    """Files in which models of the version keep their tensors, as vetting has found."""
    listed = files_digest(manifest.files)
    subjects = {
        file.path: Inspected(file.sha256, role_of(file.path), listed) for file in manifest.files
    }
    results = tx.vetting.results(subjects.values(), rules_digest)
    return frozenset(
        beside_it
        for path, inspected in subjects.items()
        if inspected in results
        for beside_it in beside(path, results[inspected].vouches_for)
    )


def _worn_out(claimed: Assessment) -> Report:
    return Report(
        release=claimed.release,
        onnxruntime="",
        models=(),
        points=(
            Point(
                rule="READY-3",
                weight=Weight.DOUBTS,
                subject="the assessment",
                found=f"ended {ATTEMPTS_MAX} times before it came to a report",
                expected="one that comes to its end",
                fix="The server's log has the details; tell its operator.",
            ),
        ),
    )


def _assessed(version: Version, report: Report, tools_digest: str) -> EventDraft:
    points = report.all_points()
    return EventDraft(
        action="version.assess",
        resource=version.name,
        namespace=version.namespace,
        actor=SYSTEM,
        detail={
            "digest": version.digest,
            "release": report.release,
            "readiness": report.readiness.value,
            "rules": sorted({each.rule for each in points if each.weight is not Weight.REMARK}),
            "tools_digest": tools_digest,
        },
    )
