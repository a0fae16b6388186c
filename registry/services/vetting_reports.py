"""What vetting has to say: how far it is, what it learned of files, and having it done again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.domain.access import REGISTRY_WIDE, Action, Caller
from registry.domain.events import EventDraft
from registry.domain.file_formats import role_of
from registry.domain.inspections import Change, FileResult, Rerun, Subject, VettingRun, files_digest
from registry.domain.manifests import ManifestFile
from registry.domain.pages import Page, PageRequest, decode_token, encode_token, fingerprint
from registry.domain.scopes import model_in
from registry.domain.versions import Verdict, Version, VersionState
from registry.errors import InvalidFieldError, NotFoundError
from registry.names import ModelName, VersionName, VettingRerunName
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.services.lookups import model_of, version_of, whole_manifest
from registry.services.requests import fingerprint as content_of
from registry.services.requests import once

FACTS_PAGE_MAX = 100
#: What is vetted anew with `all`, in the words of a refusal.
ALL_MODELS = "models"
#: Facts that are text of the files themselves, hence bytes as any others.
CONTENT = frozenset(("chat_templates", "config", "metadata"))


@dataclass(frozen=True, kw_only=True)
class VettingStatus:
    version: Version
    #: Whether there is a verdict and nobody has asked for another one.
    done: bool
    #: None while nobody looks at its files.
    run: VettingRun | None


@dataclass(frozen=True, kw_only=True)
class FileFacts:
    file: ManifestFile
    verdict: Verdict
    format: str
    facts: Mapping[str, Any]


class VettingReports:
    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def status(self, caller: Caller, name: VersionName) -> VettingStatus:
        """How far a version is."""
        caller.require(Action.VERSION_READ, name.model.namespace, str(name))

        def fn(tx: Transaction) -> VettingStatus:
            version = version_of(tx, name)
            run = tx.vetting.runs([version.digest]).get(version.digest)
            is_marked = bool(tx.vetting.marks([version.key]))
            waits = version.vetting is None and version.state is VersionState.QUARANTINED
            return VettingStatus(version=version, done=not (is_marked or waits), run=run)

        return self._database.snapshot(fn)

    def facts(
        self, caller: Caller, name: VersionName, *, path: str, page: PageRequest
    ) -> Page[FileFacts]:
        """What was learned of a version's files under the rules of its verdict, by path."""
        caller.require(Action.VERSION_READ, name.model.namespace, str(name))
        of = fingerprint("facts", str(name), path)
        after = decode_token(page.token, of, str)
        limit = min(page.limit(), FACTS_PAGE_MAX)

        def fn(tx: Transaction) -> Page[FileFacts]:
            version = version_of(tx, name)
            files = whole_manifest(tx, version).files
            if path and path not in {file.path for file in files}:
                raise NotFoundError(
                    kind="file",
                    name=path,
                    fix=f"See which there are: hallmark version files {version.ref}",
                )
            behind = "" if after is None else str(after[0])
            wanted = [
                file
                for file in files
                if file.path.encode() > behind.encode() and path in ("", file.path)
            ]
            found = facts_of(tx, caller, version, files, wanted[:limit])
            token = encode_token((wanted[limit - 1].path,), of) if len(wanted) > limit else ""
            return Page(items=tuple(found), next_page_token=token)

        return self._database.snapshot(fn)

    def rerun(self, caller: Caller, scope: str, *, everything: bool, request_id: str = "") -> Rerun:
        """Have versions vetted anew: one, all of a model, or all there are."""
        model, number = _parse_scope(scope, everything=everything)
        namespace = REGISTRY_WIDE if everything else ModelName(path=model).namespace
        caller.require(Action.VETTING_RERUN, namespace, scope or ALL_MODELS)

        def fn(tx: Transaction) -> Rerun:
            now = self._clock.now_us()

            def create() -> tuple[str, Rerun]:
                made = self._begin(tx, caller, model, number, now)
                return made.name, made

            return once(
                tx,
                caller,
                "CreateVettingRerun",
                request_id,
                content_of(scope, everything),
                now_us=now,
                create=create,
                reload=lambda name: _rerun_of(tx, VettingRerunName.parse(name)),
            )

        return self._database.write(fn)

    def _begin(
        self, tx: Transaction, caller: Caller, model: str, number: int, now_us: int
    ) -> Rerun:
        if number:
            version_of(tx, VersionName(model=ModelName(path=model), number=number))
        elif model:
            model_of(tx, ModelName(path=model))
        asked = Rerun(
            number=0,
            model=model,
            version_number=number,
            requester=caller.principal.name,
            create_time_us=now_us,
        )
        made = tx.vetting.add_rerun(asked)
        # What could not be told may be told now.
        tx.vetting.forget_unknown()
        tx.events.append(
            EventDraft(
                action="vetting.rerun",
                resource=scope_of(made) or made.name,
                namespace=ModelName(path=model).namespace if model else "",
                actor=caller.principal.name,
                detail={"rerun": made.name, "versions": made.version_count},
            )
        )
        return made

    def get_rerun(self, caller: Caller, name: VettingRerunName) -> Rerun:
        """One rerun, for those who might have asked for it."""
        return self._database.read(lambda tx: self._readable(tx, caller, name))

    def changes(self, caller: Caller, name: VettingRerunName, page: PageRequest) -> Page[Change]:
        """What it has changed so far, as far as the caller may read it."""
        of = fingerprint("changes", str(name))
        after = decode_token(page.token, of, int)
        limit = page.limit()

        def fn(tx: Transaction) -> Page[Change]:
            rerun = self._readable(tx, caller, name)
            behind = 0 if after is None else int(after[0])
            found = tx.vetting.changes(rerun.number, behind, limit + 1)
            shown = [
                change
                for _, change in found[:limit]
                if caller.may(
                    Action.VERSION_READ,
                    VersionName.parse(change.version).model.namespace,
                    model=model_in(change.version),
                )
            ]
            token = encode_token((found[limit - 1][0],), of) if len(found) > limit else ""
            return Page(items=tuple(shown), next_page_token=token)

        return self._database.snapshot(fn)

    def _readable(self, tx: Transaction, caller: Caller, name: VettingRerunName) -> Rerun:
        found = tx.vetting.rerun(name.number)
        model = None if found is None else found.model or None
        # Whether there is one, and about what, is for those alone who might see it.
        caller.require(
            Action.VETTING_RERUN,
            REGISTRY_WIDE if model is None else ModelName(path=model).namespace,
            str(name),
            scope="where it was asked for",
            model=model,
        )
        return _rerun_of(tx, name)


def scope_of(rerun: Rerun) -> str:
    """`models/...`, `models/.../versions/{n}`, or empty for all."""
    if not rerun.model:
        return ""
    model = ModelName(path=rerun.model)
    if not rerun.version_number:
        return str(model)
    return str(VersionName(model=model, number=rerun.version_number))


def _parse_scope(scope: str, *, everything: bool) -> tuple[str, int]:
    """Path of a model and number of a version, each empty or 0 for all."""
    if everything == bool(scope):
        raise InvalidFieldError(
            field="scope",
            found=scope or "nothing",
            expected="a model, a version, or nothing and all=true",
            fix="Name what is to be vetted anew, or say all=true without a scope.",
        )
    if everything:
        return "", 0
    if "/versions/" in scope:
        version = VersionName.parse(scope, field="scope")
        return version.model.path, version.number
    return ModelName.parse(scope, field="scope").path, 0


def _rerun_of(tx: Transaction, name: VettingRerunName) -> Rerun:
    found = tx.vetting.rerun(name.number)
    if found is None:
        raise NotFoundError(kind="rerun of vetting", name=str(name), fix="Check its number.")
    return found


def may_see_bytes(caller: Caller, version: Version) -> bool:
    """Whether they may be shown what is text of the files themselves."""
    is_open = version.state is VersionState.RELEASED and not version.terms_digest
    return is_open and caller.may(Action.VERSION_FETCH, version.namespace, model=version.model)


def facts_of(
    tx: Transaction,
    caller: Caller,
    version: Version,
    files: tuple[ManifestFile, ...],
    wanted: list[ManifestFile],
) -> list[FileFacts]:
    """What was learned of some of a version's files under the rules of its verdict. Parts of the
    files themselves are for those alone who may fetch them, once they are released."""
    if version.vetting is None:
        return []
    may_see = may_see_bytes(caller, version)

    def shown(facts: Mapping[str, Any]) -> Mapping[str, Any]:
        return facts if may_see else {k: v for k, v in facts.items() if k not in CONTENT}

    listed = files_digest(files)
    subjects = {file.path: Subject(file.sha256, role_of(file.path), listed) for file in wanted}
    known: Mapping[Subject, FileResult] = tx.vetting.results(
        set(subjects.values()), version.vetting.rules_digest, facts=True
    )
    return [
        FileFacts(
            file=file, verdict=result.verdict, format=result.format, facts=shown(result.facts)
        )
        for file in wanted
        if (result := known.get(subjects[file.path])) is not None
    ]
