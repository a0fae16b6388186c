"""References: resolve names to versions; set and delete aliases, tags and branches."""

from __future__ import annotations

import dataclasses

from registry.domain.access import Action, Caller
from registry.domain.models import Model
from registry.domain.pages import Page, PageRequest, decode_token, fingerprint, page_of
from registry.domain.promotions import StagePeriod
from registry.domain.references import Reference, ReferenceKind, Resolved
from registry.domain.versions import Version, VersionState
from registry.errors import (
    AlreadyExistsError,
    AmbiguousReferenceError,
    InvalidFieldError,
    InvalidStateError,
    NotFoundError,
    TargetMovedError,
)
from registry.names import (
    CommitId,
    CommitName,
    ModelName,
    ReferenceName,
    RefName,
    Selector,
    VersionDigest,
    VersionName,
    VersionNumber,
    check_ref_name,
    parse_selector,
)
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction
from registry.ports.policy import PolicySets
from registry.services.commits import check_not_main, commit_at
from registry.services.grace import with_grace
from registry.services.lookups import event, model_of, version_of
from registry.services.remembered import Remembered
from registry.services.specs import metadata_bytes, shown_to

#: As `expected_target`: the reference must not exist.
NONE = "none"


class ReferenceService:
    def __init__(self, *, database: Database, clock: Clock, policies: PolicySets) -> None:
        self._database = database
        self._clock = clock
        self._policies = policies
        # The same in all sets.
        stages = policies.recent()
        self._exclusive = frozenset(stages.exclusive_stages)
        self._stages = (*stages.exclusive_stages, *stages.label_stages)
        self._resolved: Remembered[tuple[str, str], Resolved] = Remembered(
            database, size_bytes=lambda found: metadata_bytes(found.version)
        )

    def resolve(self, caller: Caller, model: ModelName, reference: str) -> Resolved:
        """The version that a number, digest, commit or name means, all seen at one moment."""
        caller.require(Action.VERSION_READ, model.namespace, str(model))
        found = self._resolved.get(
            (model.path, reference), lambda: self._resolve(model, parse_selector(reference))
        )
        shown = shown_to(caller, found.version)
        return found if shown is found.version else dataclasses.replace(found, version=shown)

    def _resolve(self, model: ModelName, selector: Selector) -> Resolved:
        if isinstance(selector, RefName):
            return self._resolve_name(model, selector.name)
        # A number is one statement; the others may take several.
        read = self._database.read
        if not isinstance(selector, VersionNumber):
            read = self._database.snapshot
        version = read(lambda tx: self._with_grace(tx, _exact(tx, model, selector)))
        return Resolved(version=version, kind=None)

    def get(self, caller: Caller, name: ReferenceName) -> Reference:
        caller.require(Action.VERSION_READ, name.model.namespace, str(name))

        def fn(tx: Transaction) -> Reference:
            if name.reference in self._exclusive:
                period = tx.stages.current(name.model.path, name.reference)
                found = None if period is None else _as_reference(period)
            else:
                found = tx.references.get(name.model.path, name.reference)
            if found is None or found.id != name.reference:
                raise self._no_reference(tx, name.model, name.reference)
            return found

        return self._database.read(fn)

    def list(
        self,
        caller: Caller,
        model: ModelName,
        *,
        kind: ReferenceKind | None,
        page: PageRequest,
    ) -> Page[Reference]:
        """By name, stages that are set included."""
        caller.require(Action.VERSION_READ, model.namespace, str(model))
        of = fingerprint("references", model.path, kind)
        after = decode_token(page.token, of, str)
        limit = page.limit()

        def fn(tx: Transaction) -> Page[Reference]:
            found: list[Reference] = []
            if kind is not ReferenceKind.STAGE:
                found.extend(tx.references.list(model.path, kind, after, limit + 1))
            if kind in (None, ReferenceKind.STAGE):
                stages = map(_as_reference, tx.stages.of_model(model.path))
                found.extend(s for s in stages if after is None or s.id > str(after[0]))
            if not found:
                model_of(tx, model)
            found.sort(key=lambda reference: reference.id)
            return page_of(found[: limit + 1], limit, lambda reference: (reference.id,), of)

        return self._database.snapshot(fn)

    def set(
        self,
        caller: Caller,
        name: ReferenceName,
        *,
        kind: ReferenceKind,
        target: str,
        expected_target: str,
    ) -> Reference:
        """Create or move an alias or branch, or create a tag."""
        caller.require(Action.REFERENCE_SET, name.model.namespace, str(name))
        check_ref_name(name.reference, stages=self._stages, field="name")
        goal = _parse_target(name.model, kind, target)
        check_not_main(kind, name.reference, field="name")
        _check_expected(name.model, expected_target, or_none=True)

        def fn(tx: Transaction) -> Reference:
            model = model_of(tx, name.model, lock=True)
            old = tx.references.get(model.path, name.reference)
            _require_settable(name, kind, old)
            _require_expected(name, old, expected_target)
            if old is not None and old.target == str(goal):
                return old
            if old is not None and kind is ReferenceKind.TAG:
                raise _tags_stay(name, old)
            return self._put(tx, caller, model, name, kind, goal, old)

        return self._database.write(fn, namespace=name.model.namespace)

    def delete(self, caller: Caller, name: ReferenceName, *, expected_target: str) -> None:
        """Delete an alias or branch; a tag takes a right of its own."""
        namespace = name.model.namespace
        if not caller.may(Action.REFERENCE_DELETE_TAG, namespace, model=name.model.path):
            caller.require(Action.REFERENCE_SET, namespace, str(name))
        check_ref_name(name.reference, stages=self._stages, field="name")
        _check_expected(name.model, expected_target, or_none=False)

        def fn(tx: Transaction) -> None:
            model = model_of(tx, name.model, lock=True)
            old = tx.references.get(model.path, name.reference)
            if old is None or old.id != name.reference:
                raise self._no_reference(tx, name.model, name.reference)
            is_tag = old.kind is ReferenceKind.TAG
            action = Action.REFERENCE_DELETE_TAG if is_tag else Action.REFERENCE_SET
            caller.require(action, namespace, str(name))
            _require_expected(name, old, expected_target)
            tx.references.delete(model.key, old.id)
            detail: dict[str, object] = {"kind": old.kind.value, "from": old.target}
            tx.events.append(event(caller, "reference.delete", str(name), namespace, detail))

        self._database.write(fn, namespace=name.model.namespace)

    def _resolve_name(self, model: ModelName, name: str) -> Resolved:
        found = self._database.read(lambda tx: self._named(tx, model, name))
        if found is None:
            raise self._database.snapshot(lambda tx: self._no_reference(tx, model, name))
        version, reference, promotion = found
        if reference.kind is not ReferenceKind.STAGE:
            _require_named(version, f"{reference.kind.value} {reference.id}")
            return Resolved(version=version, kind=reference.kind)
        return Resolved(
            version=version,
            kind=reference.kind,
            promotion=promotion,
            since_time_us=reference.update_time_us,
        )

    def _named(
        self, tx: Transaction, model: ModelName, name: str
    ) -> tuple[Version, Reference, int | None] | None:
        found = tx.versions.resolve(model.path, name)
        if found is None:
            return None
        version, reference, promotion = found
        return self._with_grace(tx, version), reference, promotion

    def _with_grace(self, tx: Transaction, version: Version) -> Version:
        return with_grace(tx, self._policies, [version])[0]

    def _put(
        self,
        tx: Transaction,
        caller: Caller,
        model: Model,
        name: ReferenceName,
        kind: ReferenceKind,
        goal: VersionName | CommitName,
        old: Reference | None,
    ) -> Reference:
        version: Version | None = None
        if isinstance(goal, VersionName):
            version = version_of(tx, goal, lock=True)
            _require_nameable(version)
        else:
            commit_at(tx, model, goal.commit)
        new = Reference(
            model=model.path,
            id=name.reference,
            kind=kind,
            target=str(goal),
            digest=version.digest if version else "",
            update_time_us=self._clock.now_us(),
            updater=caller.id,
        )
        tx.references.put(
            model.key,
            new,
            version_key=version.key if version else None,
            commit_id=goal.commit if isinstance(goal, CommitName) else None,
        )
        detail: dict[str, object] = {
            "kind": kind.value,
            "from": old.target if old else None,
            "to": new.target,
            "digest": new.digest,
        }
        tx.events.append(event(caller, "reference.set", str(name), model.namespace, detail))
        return new

    def _no_reference(self, tx: Transaction, model: ModelName, name: str) -> NotFoundError:
        """What is missing: the model, something in the stage, a version of the branch, the name."""
        model_of(tx, model)
        found = tx.references.get(model.path, name)
        kind, fix = "reference", f"See which there are: hallmark ref list {model.path}"
        if name in self._exclusive:
            kind = "version in stage"
            fix = f"Promote one to it: hallmark promote {model.path}@VERSION {name}"
        elif name in self._stages:
            fix = f"{name} is a label and resolves to nothing. {fix}"
        elif found is not None and found.id != name:
            fix = f"Did you mean {found.id}? {fix}"
        elif found is not None and found.kind is ReferenceKind.BRANCH:
            kind = "version cut from the head of branch"
            fix = f"Cut one first: hallmark version cut {model.path} {name}"
        return NotFoundError(kind=kind, name=f"{model.path}@{name}", fix=fix)


def _exact(tx: Transaction, model: ModelName, selector: Selector) -> Version:
    """What a number, digest or commit means."""
    match selector:
        case VersionNumber():
            return version_of(tx, VersionName(model=model, number=selector.number))
        case VersionDigest():
            found = tx.versions.newest(model.path, digest=str(selector))
        case CommitId():
            commit = selector.commit if selector.is_whole else _whole(tx, model, selector)
            found = tx.versions.newest(model.path, commit_prefix=commit) if commit else []
            found = [v for v in found if v.state is not VersionState.YANKED] or found
        case RefName():
            found = []
    if not found:
        model_of(tx, model)
        raise NotFoundError(
            kind="version",
            name=f"{model.path}@{selector}",
            fix=f"See which there are: hallmark version list {model.path}",
        )
    if isinstance(selector, CommitId):
        _require_named(found[0], f"commit {found[0].commit}")
    return found[0]


def _whole(tx: Transaction, model: ModelName, selector: CommitId) -> str:
    """The one commit that begins so, whether or not a version was cut from it; else nothing."""
    found = tx.commits.by_prefix(model_of(tx, model).key, selector.commit)
    if len(found) > 1:
        raise AmbiguousReferenceError(
            reference=str(selector), model=str(model), first=found[0].id, second=found[1].id
        )
    return found[0].id if found else ""


def _require_named(version: Version, by: str) -> None:
    """Raise InvalidStateError where a name leads to a version that was withdrawn from names."""
    if version.state is VersionState.YANKED:
        raise InvalidStateError(
            name=version.name,
            action=f"be reached by {by}",
            found=f"YANKED ({version.yank_reason})",
            allowed="any other state",
            fix=f"Take another version, or this one by number or digest: {version.ref}",
        )


def _require_nameable(version: Version) -> None:
    if version.state in (VersionState.YANKED, VersionState.RECALLED):
        raise InvalidStateError(
            name=version.name,
            action="be given a name",
            found=version.state.value.upper(),
            allowed="QUARANTINED, VETTED, REJECTED, RELEASED",
            fix=f"Take another version: hallmark version list {version.model}",
        )


def _parse_target(model: ModelName, kind: ReferenceKind, target: str) -> VersionName | CommitName:
    goal: VersionName | CommitName
    if kind is ReferenceKind.STAGE:
        raise InvalidFieldError(
            field="kind",
            found="stage",
            expected="alias, tag or branch",
            fix=f"Stages move by promotion only: hallmark promote {model.path}@VERSION STAGE",
        )
    if kind is ReferenceKind.BRANCH:
        goal = CommitName.parse(target, field="target")
    else:
        goal = VersionName.parse(target, field="target")
    if goal.model != model:
        raise InvalidFieldError(
            field="target",
            found=target,
            expected=f"something of {model} itself",
            fix="A name points into its own model only.",
        )
    return goal


def _check_expected(model: ModelName, expected: str, *, or_none: bool) -> None:
    """A version or commit of the model; names alone are judged."""
    if not expected or (or_none and expected == NONE):
        return
    is_commit = expected.startswith(f"{model}/commits/")
    kind = CommitName if is_commit else VersionName
    kind.parse(expected, field="expected_target")


def _require_settable(name: ReferenceName, kind: ReferenceKind, old: Reference | None) -> None:
    if old is not None and (old.id != name.reference or old.kind is not kind):
        raise AlreadyExistsError(
            kind=kind.value,
            name=str(name),
            existing=f"{old.kind.value} {old.id}",
            fix="Choose another name; those of a model differ in more than case.",
        )


def _require_expected(name: ReferenceName, old: Reference | None, expected: str) -> None:
    found = old.target if old else NONE
    if expected and expected != found:
        raise TargetMovedError(name=str(name), found=found, expected=expected)


def _tags_stay(name: ReferenceName, old: Reference) -> InvalidStateError:
    return InvalidStateError(
        name=str(name),
        action="be moved",
        found=f"a TAG on {old.target}",
        allowed="ALIAS, BRANCH",
        fix="Tags never move: choose another name, or use an alias.",
    )


def _as_reference(period: StagePeriod) -> Reference:
    return Reference(
        model=period.model,
        id=period.stage,
        kind=ReferenceKind.STAGE,
        target=period.version,
        digest=period.digest,
        update_time_us=period.start_time_us,
        updater=period.mover,
    )
