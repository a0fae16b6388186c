"""Commits and versions, and what points to them, to store: names are fresh each time."""

from __future__ import annotations

import hashlib
import itertools
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import TypeVar

from registry.domain.commits import Commit, commit_id
from registry.domain.manifests import Manifest, ManifestFile
from registry.domain.models import Model
from registry.domain.pages import Cursor
from registry.domain.promotions import Promotion, PromotionState, StagePeriod
from registry.domain.references import Reference, ReferenceKind
from registry.domain.versions import Card, Version, VersionSpec, VersionState
from registry.ports.database import Database, Transaction
from registry.testing.contracts.database.samples import T0, stored_model

T = TypeVar("T")

NAMESPACE = "fraud"
#: How many writers race in a test of races.
WRITERS = 16

_numbers = itertools.count(1)


def fresh(prefix: str) -> str:
    """A name that nothing bears yet."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def a_file(path: str, content: str | None = None) -> ManifestFile:
    """A file whose bytes follow from its content, by default from its path."""
    text = path if content is None else content
    return ManifestFile(
        path=path,
        size_bytes=len(text.encode()),
        sha256=sha256_of(text),
        media_type="application/octet-stream",
    )


def a_manifest(*paths: str) -> Manifest:
    """Files of these paths; without any, one file that no other manifest has."""
    files = [a_file(path) for path in paths] or [a_file("model.bin", fresh("bytes"))]
    return Manifest.of(files)


def a_commit(model: Model, manifest: Manifest, *parents: str, message: str = "") -> Commit:
    """To be inserted; its id is that of its content, which is like no other's."""
    create_time_us = T0 + next(_numbers)
    return Commit(
        model_key=model.key,
        model=model.path,
        id=commit_id(
            tree=manifest.digest,
            parents=parents,
            author="ada",
            create_time_us=create_time_us,
            message=message,
        ),
        tree=manifest.digest,
        parents=parents,
        author="ada",
        create_time_us=create_time_us,
        message=message,
        file_count=len(manifest.files),
        size_bytes=manifest.size_bytes,
    )


def a_version(model: Model, number: int, commit: Commit) -> Version:
    """To be inserted."""
    return Version(
        key=0,
        uid=fresh("uid"),
        model_key=model.key,
        model=model.path,
        namespace=model.namespace,
        number=number,
        digest=commit.tree,
        commit=commit.id,
        state=VersionState.RELEASED,
        registrant="ada",
        contributors=("ada",),
        create_time_us=T0,
        spec=VersionSpec(),
        card=Card(),
        file_count=commit.file_count,
        size_bytes=commit.size_bytes,
        vetting=None,
        yank_reason="",
        yanked_from=None,
    )


def add_model(database: Database, namespace: str = NAMESPACE) -> Model:
    return stored_model(database, f"{namespace}/{fresh('m')}")


def add_commit(
    database: Database, model: Model, manifest: Manifest | None = None, *parents: str
) -> Commit:
    tree = manifest or a_manifest()
    return database.write(lambda tx: store_commit(tx, model, tree, *parents))


def store_commit(tx: Transaction, model: Model, manifest: Manifest, *parents: str) -> Commit:
    tx.manifests.save(manifest)
    commit = a_commit(model, manifest, *parents)
    tx.commits.insert(commit)
    return commit


def add_version(
    database: Database,
    model: Model,
    commit: Commit | None = None,
    change: Callable[[Version], Version] = lambda version: version,
) -> Version:
    """The next version of a model, cut from a commit, by default one of its own."""

    def write(tx: Transaction) -> Version:
        return cut(tx, model, commit or store_commit(tx, model, a_manifest()), change)

    return database.write(write)


def cut(
    tx: Transaction,
    model: Model,
    commit: Commit,
    change: Callable[[Version], Version] = lambda version: version,
) -> Version:
    locked = tx.models.lock(model.path)
    assert locked is not None
    number = tx.models.take_number(locked, T0)
    return tx.versions.insert(change(a_version(model, number, commit)))


def in_state(state: VersionState) -> Callable[[Version], Version]:
    return lambda version: replace(version, state=state)


def a_reference(version: Version, id: str, kind: ReferenceKind = ReferenceKind.ALIAS) -> Reference:
    return Reference(
        model=version.model,
        id=id,
        kind=kind,
        target=version.name,
        digest=version.digest,
        update_time_us=T0,
        updater="ada",
    )


def a_branch(commit: Commit, id: str) -> Reference:
    return Reference(
        model=commit.model,
        id=id,
        kind=ReferenceKind.BRANCH,
        target=commit.name,
        digest="",
        update_time_us=T0,
        updater="ada",
    )


def point(tx: Transaction, version: Version, id: str) -> None:
    """Point an alias to a version."""
    tx.references.put(
        version.model_key, a_reference(version, id), version_key=version.key, commit_id=None
    )


def a_period(version: Version, stage: str, start_time_us: int = T0) -> StagePeriod:
    """To be moved to."""
    return StagePeriod(
        key=0,
        model=version.model,
        version_key=version.key,
        version_number=version.number,
        digest=version.digest,
        stage=stage,
        start_time_us=start_time_us,
        end_time_us=None,
        promotion=None,
        mover="ada",
        note="",
        rollback=False,
        previous_number=None,
    )


def a_promotion(version: Version, stage: str = "production") -> Promotion:
    """To be inserted; it is pending from T0 for 1,000 microseconds."""
    return Promotion(
        number=0,
        model_key=version.model_key,
        version_key=version.key,
        model=version.model,
        namespace=version.namespace,
        version_number=version.number,
        digest=version.digest,
        stage=stage,
        state=PromotionState.PENDING,
        requester="ada",
        note="",
        decisions=(),
        waiting=(),
        previous_number=None,
        expected_current=0,
        create_time_us=T0,
        expire_time_us=T0 + 1_000,
        end_time_us=None,
    )


def race(calls: int, call: Callable[[int], T]) -> list[T]:
    """What `call(0)`, `call(1)` ... return when all start at once, each in a thread."""
    start = Barrier(calls)

    def run(number: int) -> T:
        start.wait()
        return call(number)

    with ThreadPoolExecutor(calls) as threads:
        return list(threads.map(run, range(calls)))


def all_pages(
    page: Callable[[Cursor | None], Sequence[T]], cursor: Callable[[T], Cursor], size: int
) -> list[T]:
    """The items of all pages; `page` reads one, of `size` items, behind a cursor."""
    found: list[T] = []
    while True:
        items = page(cursor(found[-1]) if found else None)
        assert len(items) <= size
        found += items
        if len(items) < size:
            return found
