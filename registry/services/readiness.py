"""Readiness: what is known of versions and releases of Triton, and asking about them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from registry.domain.access import Action, Caller
from registry.domain.readiness import Assessment, Subject, TritonRelease
from registry.domain.versions import Verdict, Version
from registry.errors import InvalidFieldError, InvalidStateError, NotFoundError
from registry.names import ReadinessName, VersionName
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.readiness import Assessor
from registry.services.lookups import version_of
from registry.services.vetting_reports import may_see_bytes

#: Releases that an error names.
_SHOWN_MAX = 8


@dataclass(frozen=True, kw_only=True)
class VersionReadiness:
    name: ReadinessName
    assessment: Assessment


class ReadinessService:
    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        assessor: Assessor,
        on_wanted: Callable[[], None],
    ) -> None:
        """`on_wanted` is told when there is something new to assess."""
        self._database = database
        self._clock = clock
        self._assessor = assessor
        self._on_wanted = on_wanted

    @property
    def releases(self) -> Sequence[TritonRelease]:
        """Those that are known, the newest first."""
        return self._assessor.releases

    def get(self, caller: Caller, name: ReadinessName) -> VersionReadiness:
        """What is known of a version and a release."""
        _require_read(caller, name.version)

        def fn(tx: Transaction) -> Assessment | None:
            version = version_of(tx, name.version)
            found = tx.assessments.get(subject_of(version), name.release)
            if found is None or may_see_bytes(caller, version):
                return found
            return _without_bytes(found)

        found = self._database.read(fn)
        if found is None:
            raise NotFoundError(
                kind="report of readiness",
                name=str(name),
                fix=f"Ask for one: hallmark ready {_ref(name.version)} --triton {name.release}",
            )
        return VersionReadiness(name=name, assessment=found)

    def list(self, caller: Caller, name: VersionName) -> Sequence[VersionReadiness]:
        """What is known of a version: of all releases that were asked about, the newest first,
        without reports."""
        _require_read(caller, name)

        def fn(tx: Transaction) -> Sequence[Assessment]:
            return tx.assessments.of(subject_of(version_of(tx, name)))

        return [
            VersionReadiness(
                name=ReadinessName(version=name, release=each.release), assessment=each
            )
            for each in self._database.read(fn)
        ]

    def assess(self, caller: Caller, name: ReadinessName) -> VersionReadiness:
        """Have a version assessed for a release, unless that was done by the tools of today or
        waits; what is known now."""
        _require_read(caller, name.version)
        self._check_release(name.release)
        tools, now_us = self._assessor.tools_digest, self._clock.now_us()

        def fn(tx: Transaction) -> Assessment:
            version = version_of(tx, name.version)
            _require_passed(version)
            subject = subject_of(version)
            tx.assessments.want([(subject, name.release)], tools, now_us)
            known = tx.assessments.get(subject, name.release)
            assert known is not None
            return known if may_see_bytes(caller, version) else _without_bytes(known)

        found = self._database.write(fn, namespace=name.version.model.namespace)
        if found.is_pending:
            self._on_wanted()
        return VersionReadiness(name=name, assessment=found)

    def _check_release(self, release: str) -> None:
        known = [each.name for each in self._assessor.releases]
        if release not in known:
            more = ", ..." if len(known) > _SHOWN_MAX else ""
            raise InvalidFieldError(
                field="name",
                found=f"Triton release {release}",
                expected=f"one that this registry knows: {', '.join(known[:_SHOWN_MAX])}{more}",
                fix="Name one of these. A newer one is known once it stands in "
                "triton-releases.yaml and its ONNX Runtime was measured.",
            )


def subject_of(version: Version) -> Subject:
    return Subject(version.digest, version.model)


def _without_bytes(known: Assessment) -> Assessment:
    """Without the text of the version's own config.pbtxt, for those who may not fetch it."""
    if known.report is None:
        return known
    models = tuple(
        each if each.is_config_generated else dataclasses.replace(each, config="", config_diff="")
        for each in known.report.models
    )
    return dataclasses.replace(known, report=dataclasses.replace(known.report, models=models))


def _require_read(caller: Caller, name: VersionName) -> None:
    caller.require(Action.VERSION_READ, name.model.namespace, str(name))


def _require_passed(version: Version) -> None:
    """Nothing is run that vetting has not passed, not even in a jail."""
    verdict = None if version.vetting is None else version.vetting.verdict
    if verdict is not Verdict.PASS:
        raise InvalidStateError(
            name=version.name,
            action="be assessed",
            found="not vetted yet" if verdict is None else f"of the verdict {verdict.value}",
            allowed="one that vetting has passed",
            fix=f"See what is in the way: hallmark vet status {version.ref}",
        )


def _ref(name: VersionName) -> str:
    return f"{name.model.path}@{name.number}"
