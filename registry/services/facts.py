"""What gates are told of a version beside its row: formats, and the licenses above it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from registry.domain.file_formats import formats_of
from registry.domain.gates import Facts
from registry.domain.manifests import ManifestFile
from registry.domain.versions import Version
from registry.names import VersionName
from registry.ports.database import Database, Transaction

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
        for key in below:
            found[key] = dataclasses.replace(found[key], base_licenses=licenses_above(tx, [key]))
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


def licenses_above(tx: Transaction, version_keys: Iterable[int]) -> tuple[str, ...]:
    """The licenses of all versions that these were made from, each once; "" for one that is gone,
    whose card names none, or which is too far away to be looked at."""
    seen = set(version_keys)
    wave: Sequence[int] = sorted(seen)
    licenses: set[str] = set()
    for _ in range(LEVELS_MAX):
        parents = [edge.parent_key for edge in tx.lineage.above(wave)]
        above = sorted({key for key in parents if key is not None} - seen)
        if None in parents or len(above) > ABOVE_MAX:
            licenses.add("")
        if not above:
            break
        wave = above[:ABOVE_MAX]
        seen.update(wave)
        for key in wave:
            version = tx.versions.by_key(key)
            licenses.add("" if version is None else version.card.license)
    else:
        licenses.add("")
    return tuple(sorted(licenses))
