"""Inspections: which files are to be looked at, how far that is, and what was found.

Whoever looks at files, in whatever process, asks here for a lot, keeps each result as it is found,
and asks again until there is none. What is kept is never looked at twice, so a lot may be begun by
one process and ended by another one, or by two at once.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from registry.domain.events import SYSTEM, EventDraft
from registry.domain.file_formats import role_of
from registry.domain.inspections import FileResult, Lot, Subject, VettingRun, files_digest
from registry.domain.manifests import Manifest, ManifestFile
from registry.errors import StorageError
from registry.ports.clock import Clock
from registry.ports.database import Database, Transaction

#: Of one lot: it is looked at in one go, and a run goes on behind it.
LOT_FILES = 1024
LOT_BYTES = 1 << 30
#: Versions with the same files of which it is told how far they are.
WAITING_TOLD_MAX = 20
#: Who is at work says so more often than that.
STALE_US = 60 * 1_000_000
#: Of one file's facts as JSON text. Beyond, the longest of them are left out by name.
FACTS_BYTES_MAX = 16 * 1024 * 1024
LEFT_OUT = "left_out"


class InspectionService:
    def __init__(
        self, *, database: Database, clock: Clock, on_inspected: Callable[[str], None]
    ) -> None:
        """`on_inspected` is told the digest of a manifest of which all files have a result."""
        self._database = database
        self._clock = clock
        self._on_inspected = on_inspected

    def begin(self, digest: str, rules_digest: str) -> Lot | None:
        """Count one more attempt at the files of a manifest, and give the first lot of them."""
        lot, manifest = self._rest(digest, rules_digest)
        if not lot.files:
            self._end(digest)
            return None
        done = _done(manifest, lot)
        now = self._clock.now_us()
        run = VettingRun(
            digest=digest,
            rules_digest=rules_digest,
            file_count=len(manifest.files),
            size_bytes=manifest.size_bytes,
            files_done=len(done),
            bytes_done=sum(file.size_bytes for file in done),
            path=lot.files[0][0],
            start_time_us=now,
            update_time_us=now,
        )
        self._database.write(lambda tx: tx.vetting.begin(run))
        return _first(lot)

    def next_lot(self, digest: str, rules_digest: str) -> Lot | None:
        """The next files that have no result; None where all have one.

        An audit event `version.inspect` for each version with these files that waits, so that who
        follows events sees how far a large one is.
        """
        lot, manifest = self._rest(digest, rules_digest)
        if not lot.files:
            self._end(digest)
            return None
        done = _done(manifest, lot)
        detail: dict[str, object] = {
            "files_done": len(done),
            "file_count": len(manifest.files),
            "bytes_done": sum(file.size_bytes for file in done),
            "size_bytes": manifest.size_bytes,
        }

        def tell(tx: Transaction) -> None:
            for name in tx.vetting.waiting(digest, WAITING_TOLD_MAX):
                tx.events.append(
                    EventDraft(
                        action="version.inspect",
                        resource=str(name),
                        namespace=name.model.namespace,
                        actor=SYSTEM,
                        detail=detail,
                    )
                )

        self._database.write(tell)
        return _first(lot)

    def _end(self, digest: str) -> None:
        self._database.write(lambda tx: tx.vetting.end([digest]))
        self._on_inspected(digest)

    def keep(self, digest: str, path: str, result: FileResult) -> None:
        """Store what was found in a file of the manifest, and count it as done."""
        kept = dataclasses.replace(result, facts=_bounded(result.facts))
        now = self._clock.now_us()

        def fn(tx: Transaction) -> None:
            tx.vetting.keep(kept)
            tx.vetting.advance(
                digest,
                result.rules_digest,
                files=1,
                size_bytes=result.size_bytes,
                path=path,
                now_us=now,
            )

        self._database.write(fn)

    def alive(self, digest: str, rules_digest: str, path: str) -> None:
        """Say that somebody is looking at a file, which may take long."""
        now = self._clock.now_us()
        self._database.write(
            lambda tx: tx.vetting.advance(
                digest, rules_digest, files=0, size_bytes=0, path=path, now_us=now
            )
        )

    def hinder(self, digest: str, rules_digest: str, problem: str) -> None:
        """Note what is in the way of looking at the files of a manifest."""
        now = self._clock.now_us()
        self._database.write(lambda tx: tx.vetting.hinder(digest, rules_digest, problem, now))

    def is_stale(self, digest: str, rules_digest: str) -> bool:
        """Whether whoever began with the files of a manifest gives no sign of life any more."""
        run = self._database.read(lambda tx: tx.vetting.runs([digest])).get(digest)
        if run is None or run.rules_digest != rules_digest:
            return True
        return self._clock.now_us() - run.update_time_us > STALE_US

    def _rest(self, digest: str, rules_digest: str) -> tuple[Lot, Manifest]:
        def fn(tx: Transaction) -> tuple[Lot, Manifest]:
            manifest = tx.manifests.get(digest)
            if manifest is None:
                raise StorageError(
                    what=f"Manifest {digest}", store="database", cause="it is not there"
                )
            listed = files_digest(manifest.files)
            paths = {
                Subject(file.sha256, role_of(file.path), listed): file.path
                for file in manifest.files
            }
            known = tx.vetting.results(paths.keys(), rules_digest)
            lot = Lot(
                digest=digest,
                files_digest=listed,
                sizes={file.path: file.size_bytes for file in manifest.files},
                files=tuple(
                    (path, subject._replace(files_digest=""))
                    for subject, path in paths.items()
                    if subject not in known
                ),
            )
            return lot, manifest

        return self._database.read(fn)


def _done(manifest: Manifest, lot: Lot) -> list[ManifestFile]:
    """The files that have a result."""
    missing = {subject.sha256 for _, subject in lot.files}
    return [file for file in manifest.files if file.sha256 not in missing]


def _first(lot: Lot) -> Lot:
    """The first files of a lot: so many, and so many bytes, but at least one."""
    taken: list[tuple[str, Subject]] = []
    left_bytes = LOT_BYTES
    for path, subject in lot.files[:LOT_FILES]:
        left_bytes -= lot.sizes[path]
        if taken and left_bytes < 0:
            break
        taken.append((path, subject))
    return dataclasses.replace(lot, files=tuple(taken))


def _bounded(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The facts without the longest, where together they are too long."""
    sizes = {name: len(json.dumps(value)) for name, value in facts.items()}
    kept = dict(facts)
    total = sum(sizes.values())
    for name in sorted(sizes, key=lambda each: -sizes[each]):
        if total <= FACTS_BYTES_MAX:
            break
        total -= sizes[name]
        del kept[name]
        kept[LEFT_OUT] = sorted([*kept.get(LEFT_OUT, ()), name])
    return kept
