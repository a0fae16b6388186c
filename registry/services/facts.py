"""What gates are told of a version beside its row: formats, and what it was made from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence

from registry.domain.file_formats import formats_of
from registry.domain.gates import BaseFact, Facts
from registry.domain.lineage import LineageEdge
from registry.domain.manifests import ManifestFile
from registry.domain.versions import Version
from registry.names import VersionName
from registry.ports.database import Database, Transaction
from registry.services.readiness import subject_of

#: Versions above one are followed so far. What stands further away counts as without a license.
LEVELS_MAX = 20
ABOVE_MAX = 500
_PAGE = 10_000
_KEPT_MAX = 2_000


class VersionFacts:
    """Files never change, so theirs are read once; threads share one."""

    def __init__(self) -> None:
        self._of_files: dict[str, Facts] = {}

    def of(self, tx: Transaction, version: Version) -> Facts:
        """All that is known. Call `look` before a unit of work, since a version may have many
        files."""
        return self.of_many(tx, [version])[version.key]

    def of_many(self, tx: Transaction, versions: Sequence[Version]) -> dict[int, Facts]:
        """As `of`, by key. Most versions have no other above them, which one question tells of
        all."""
        below = {edge.child_key for edge in tx.lineage.above([each.key for each in versions])}
        found = {each.key: self.of_files(tx, each.digest) for each in versions}
        ready = tx.assessments.ready([subject_of(each) for each in versions])
        for each in versions:
            if releases := ready.get(subject_of(each)):
                found[each.key] = dataclasses.replace(found[each.key], triton_ready=releases)
            if each.key in below or each.spec.bases:
                bases = bases_above(tx, [each])
                found[each.key] = dataclasses.replace(found[each.key], bases=bases)
        return found

    def look(self, database: Database, name: VersionName) -> None:
        """Read the facts of a version's files, if there is such a version, for `of` to find."""

        def fn(tx: Transaction) -> None:
            version = tx.versions.get(name.model.path, name.number)
            if version is not None:
                self.of_files(tx, version.digest)

        database.read(fn)

    def note(self, digest: str, files: Sequence[ManifestFile]) -> Facts:
        """The facts of files that are at hand."""
        found = self._of_files.get(digest)
        return self._keep(digest, facts_of(files)) if found is None else found

    def of_files(self, tx: Transaction, digest: str) -> Facts:
        found = self._of_files.get(digest)
        if found is not None:
            return found
        files: list[ManifestFile] = []
        after: tuple[str] | None = None
        while True:
            page = tx.manifests.files(digest, after, _PAGE)
            files.extend(page)
            if len(page) < _PAGE:
                return self._keep(digest, facts_of(files))
            after = (page[-1].path,)

    def _keep(self, digest: str, facts: Facts) -> Facts:
        if len(self._of_files) >= _KEPT_MAX:
            self._of_files = {}
        self._of_files[digest] = facts
        return facts


def facts_of(files: Sequence[ManifestFile]) -> Facts:
    return Facts(
        formats=formats_of(file.path for file in files),
        largest_file_bytes=max((file.size_bytes for file in files), default=0),
    )


def bases_above(tx: Transaction, versions: Iterable[Version]) -> tuple[BaseFact, ...]:
    """All versions that these were made from, by name: those that edges lead to, and those that
    were declared for good when a version was made, whatever became of the edge.

    Where there are more than a gate is told of, one that stands for them has no license.
    """
    wave = list(versions)
    seen = {version.key for version in wave}
    found: dict[tuple[str, str], BaseFact] = {}
    for _ in range(LEVELS_MAX - 1):
        above: dict[int, Version] = {}
        for child, name, parent in _parents(tx, wave):
            found[child, name] = BaseFact(
                name=name, child=child, license="" if parent is None else parent.card.license
            )
            if parent is not None and parent.key not in seen:
                above[parent.key] = parent
        seen.update(above)
        wave = list(above.values())
        if not wave or len(found) > ABOVE_MAX:
            break
    edges, declared = _above(tx, wave)
    for child, name in (*((edge.child, edge.parent) for edge in edges), *declared):
        found.setdefault((child, name), BaseFact(name=name, child=child, license=""))
    return tuple(found[key] for key in sorted(found))


def _parents(
    tx: Transaction, versions: Sequence[Version]
) -> Iterator[tuple[str, str, Version | None]]:
    """The names of each version and of one that it was made from, and that one if it is there.

    All of them are looked up at once: a level may have thousands.
    """
    edges, declared = _above(tx, versions)
    by_key = tx.versions.by_keys({edge.parent_key for edge in edges if edge.parent_key is not None})
    for edge in edges:
        yield edge.child, edge.parent, by_key.get(edge.parent_key or 0)
    by_name = tx.versions.by_names({_place(name) for _, name in declared})
    for child, name in declared:
        yield child, name, by_name.get(_place(name))


def _above(
    tx: Transaction, versions: Sequence[Version]
) -> tuple[Sequence[LineageEdge], list[tuple[str, str]]]:
    """The edges from these, and the names of those of them that declare a base to which no edge
    leads any more, each with the base's."""
    edges = tx.lineage.above([version.key for version in versions]) if versions else ()
    known = {(edge.child, edge.parent) for edge in edges}
    declared = [(version.name, base.version) for version in versions for base in version.spec.bases]
    return edges, [pair for pair in declared if pair not in known]


def _place(name: str) -> tuple[str, int]:
    version = VersionName.parse(name)
    return version.model.path, version.number
