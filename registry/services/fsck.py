"""fsck: is all of it still what it should be? Reads everything, changes nothing but on request.

The invariants, each of which holds after any crash: the database is sound; every event continues
its chain; every manifest hashes to its digest; every byte that a version names is stored, in its
size and, read whole, with its digest; a stage holds one version, which somebody else approved.
Bytes that nothing refers to are no damage: a crash between storing and recording leaves such.
They are removed on request only, and only where all else holds: a database that was lost or put
back refers to nothing either, and what it referred to is then all there is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from registry.domain.commits import Commit
from registry.domain.fsck import Report
from registry.domain.manifests import Manifest
from registry.domain.promotions import PromotionState
from registry.domain.versions import Version
from registry.errors import AuditBrokenError, CorruptBytesError, StartError
from registry.ports.blobs import BlobStore
from registry.ports.clock import Clock
from registry.ports.database import Database
from registry.services.verification import verify_chain

PAGE = 500
#: Younger bytes that nothing refers to may belong to a push in progress.
ORPHAN_AGE_US = 24 * 3600 * 1_000_000


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far the check is."""

    what: str
    done: int


def check_belonging(database: Database, blobs: BlobStore) -> None:
    """Refuse, with StartError, to begin a registry on bytes that belong to another one.

    Beside a store that holds bytes, a database without anybody in it was lost or is the wrong one.
    """
    if not _is_begun(database) and next(blobs.list_blobs(), None) and not _is_begun(database):
        raise StartError(
            what="The database is empty, but the blob store is not",
            found="bytes that another database knows",
            fix="Restore that database, or correct HALLMARK_DATABASE_URL; to begin anew, name an "
            "empty folder with HALLMARK_BLOB_DIR.",
        )


def _is_begun(database: Database) -> bool:
    # Asked anew after a look into the store: another replica may have begun it meanwhile.
    return bool(database.read(lambda tx: tx.principals.list(None, 1)))


class Fsck:
    """One run. `quick` compares sizes only and does not read the bytes."""

    def __init__(
        self,
        *,
        database: Database,
        blobs: BlobStore,
        clock: Clock,
        quick: bool,
        tell: Callable[[Progress], None],
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._quick = quick
        self._tell = tell
        self._problems: list[str] = []
        self._events = self._versions = self._manifests = self._files = self._size_bytes = 0
        self._orphans: list[str] = []
        self._orphan_bytes = self._removed = 0
        self._sizes: dict[str, int] = {}

    def run(self, *, remove_orphans: bool) -> Report:
        """Check everything. `remove_orphans` needs a registry that nobody serves meanwhile.

        Where there is any problem, nothing is removed.
        """
        self._problems.extend(
            f"database: {problem}"
            for problem in self._database.read(lambda tx: tx.inspection.problems())
        )
        self._check_events()
        self._check_manifests()
        self._check_versions()
        self._check_stages()
        self._check_blobs()
        self._check_belonging()
        self._find_orphans(remove=remove_orphans and not self._problems)
        return Report(
            problems=tuple(self._problems),
            events=self._events,
            versions=self._versions,
            manifests=self._manifests,
            blobs=self._files,
            size_bytes=self._size_bytes,
            orphans=tuple(self._orphans),
            orphan_bytes=self._orphan_bytes,
            removed=self._removed,
        )

    def _check_events(self) -> None:
        try:
            self._events = verify_chain(self._database).event_count
        except AuditBrokenError as error:
            self._problems.append(str(error))
        self._tell(Progress(what="events", done=self._events))

    def _check_manifests(self) -> None:
        for digest in self._manifest_digests():
            manifest = self._manifest(digest)
            self._manifests += 1
            if manifest is None or manifest.digest != digest:
                found = "nothing" if manifest is None else manifest.digest
                self._problems.append(f"manifest {digest}: its files hash to {found}")
                continue
            for file in manifest.files:
                known = self._sizes.setdefault(file.sha256, file.size_bytes)
                if known != file.size_bytes:
                    self._problems.append(
                        f"manifest {digest}: {file.path} has {file.size_bytes} bytes here "
                        f"and {known} elsewhere, with one sha256 {file.sha256}"
                    )
        self._tell(Progress(what="manifests", done=self._manifests))

    def _manifest_digests(self) -> Iterator[str]:
        after = ""
        while page := self._manifests_behind(after):
            yield from page
            after = page[-1]

    def _manifest(self, digest: str) -> Manifest | None:
        return self._database.read(lambda tx: tx.manifests.get(digest))

    def _manifests_behind(self, digest: str) -> Sequence[str]:
        return self._database.read(lambda tx: tx.inspection.manifests(digest, PAGE))

    def _versions_behind(self, key: int) -> Sequence[Version]:
        return self._database.read(lambda tx: tx.inspection.versions(key, PAGE))

    def _commit_of(self, version: Version) -> Commit | None:
        return self._database.read(lambda tx: tx.commits.get(version.model_key, version.commit))

    def _check_versions(self) -> None:
        after = 0
        while page := self._versions_behind(after):
            for version in page:
                self._versions += 1
                commit = self._commit_of(version)
                if commit is None or commit.tree != version.digest:
                    self._problems.append(
                        f"{version.name}: its commit {version.commit} does not hold its files"
                    )
            after = page[-1].key
        self._tell(Progress(what="versions", done=self._versions))

    def _check_stages(self) -> None:
        facts = self._database.read(lambda tx: tx.inspection.open_stages())
        held = Counter((fact.model, fact.stage) for fact in facts)
        for (model, stage), count in held.items():
            if count > 1:
                self._problems.append(f"models/{model}: {count} versions are in {stage}")
        for fact in facts:
            if fact.promotion_state is not PromotionState.COMPLETED or fact.approvals == 0:
                self._problems.append(
                    f"models/{fact.model}: {fact.stage} holds version {fact.version_number} "
                    "without a completed promotion that somebody approved"
                )

    def _check_blobs(self) -> None:
        for sha256, size_bytes in self._sizes.items():
            stat = self._blobs.stat(sha256)
            if stat is None:
                self._problems.append(f"sha256 {sha256}: the bytes are not there")
                continue
            self._files += 1
            self._size_bytes += stat.size_bytes
            if stat.size_bytes != size_bytes:
                self._problems.append(
                    f"sha256 {sha256}: {stat.size_bytes} bytes are stored, expected {size_bytes}"
                )
            elif not self._quick:
                self._read(sha256)
            self._tell(Progress(what="files", done=self._files))

    def _read(self, sha256: str) -> None:
        try:
            self._blobs.verify(sha256)
        except CorruptBytesError as error:
            self._problems.append(str(error))

    def _check_belonging(self) -> None:
        try:
            check_belonging(self._database, self._blobs)
        except StartError as error:
            self._problems.append(str(error))

    def _find_orphans(self, *, remove: bool) -> None:
        before_us = self._clock.now_us() - ORPHAN_AGE_US
        batch: list[tuple[str, int]] = []
        for stat in self._blobs.list_blobs():
            if stat.create_time_us < before_us or remove:
                batch.append((stat.sha256, stat.size_bytes))
            if len(batch) >= PAGE:
                self._judge_orphans(batch, remove=remove)
                batch = []
        self._judge_orphans(batch, remove=remove)

    def _judge_orphans(self, batch: list[tuple[str, int]], *, remove: bool) -> None:
        digests = [sha256 for sha256, _ in batch]
        needed = self._database.read(lambda tx: tx.blob_grants.referenced(digests))
        for sha256, size_bytes in batch:
            if sha256 in needed:
                continue
            self._orphans.append(sha256)
            self._orphan_bytes += size_bytes
            if remove:
                self._blobs.delete(sha256)
                self._removed += 1
