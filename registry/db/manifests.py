"""Manifests: the files of versions and commits, kept once per digest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from sqlalchemy import (
    BigInteger,
    Text,
    bindparam,
    exists,
    insert,
    literal_column,
    not_,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.selectable import ScalarSelect

from registry.db.arrays import array, columns_of, rows, texts
from registry.db.prepared import PreparedConnection
from registry.db.rows import AnyRow, behind
from registry.db.tables import manifest_files, manifests
from registry.domain.manifests import Manifest, ManifestFile
from registry.domain.pages import Cursor


def key_of_manifest(parameter: str) -> ScalarSelect[int]:
    """The key of the manifest whose digest a parameter holds."""
    return (
        select(manifests.c.key).where(manifests.c.digest == bindparam(parameter)).scalar_subquery()
    )


_KEEP = postgresql.insert(manifests).on_conflict_do_nothing(index_elements=["digest"])
# Where another writer was first, the statement before this one has waited for its files.
_KEEP_FILES = insert(manifest_files).from_select(
    ["manifest_key", "path", "size_bytes", "sha256", "media_type"],
    select(key_of_manifest("digest"), *columns_of("files", Text, BigInteger, Text, Text)).where(
        not_(exists().where(manifest_files.c.manifest_key == key_of_manifest("digest")))
    ),
)
_KEY = select(key_of_manifest("digest"))
_FILES = (
    select(
        manifest_files.c.path,
        manifest_files.c.size_bytes,
        manifest_files.c.sha256,
        manifest_files.c.media_type,
    )
    .where(manifest_files.c.manifest_key == key_of_manifest("digest"))
    .order_by(manifest_files.c.path)
)
_MANY = (
    select(
        manifests.c.digest,
        manifest_files.c.path,
        manifest_files.c.size_bytes,
        manifest_files.c.sha256,
        manifest_files.c.media_type,
    )
    .outerjoin_from(manifests, manifest_files, manifest_files.c.manifest_key == manifests.c.key)
    .where(manifests.c.digest.in_(texts("digests")))
    .order_by(manifests.c.digest, manifest_files.c.path)
)
_PAGE = _FILES.where(manifest_files.c.path > bindparam("after")).limit(bindparam("limit"))
_own, _other = manifest_files.alias("own"), manifest_files.alias("other")
_SHARED = (
    select(_own.c.sha256)
    .join(_other, _other.c.sha256 == _own.c.sha256)
    .where(
        _own.c.manifest_key == key_of_manifest("digest"),
        _other.c.manifest_key == key_of_manifest("other"),
        _own.c.size_bytes > 0,
    )
    .limit(literal_column("1"))
)
_FIND = _FILES.where(manifest_files.c.path.in_(texts("paths")))


class SqlManifests:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def save(self, manifest: Manifest) -> None:
        given: dict[str, object] = {
            "digest": manifest.digest,
            "file_count": len(manifest.files),
            "size_bytes": manifest.size_bytes,
        }
        self._connection.execute_later(_KEEP, given)
        given = {
            "digest": manifest.digest,
            "files": rows(file_values(file) for file in manifest.files),
        }
        self._connection.execute_later(_KEEP_FILES, given)

    def get(self, digest: str) -> Manifest | None:
        found = self._connection.execute(_FILES, {"digest": digest}).all()
        if not found:
            # One without files is known by its key alone.
            if self._connection.execute(_KEY, {"digest": digest}).scalar() is None:
                return None
            # It may have been saved in between.
            found = self._connection.execute(_FILES, {"digest": digest}).all()
        return Manifest(files=tuple(file_of(row) for row in found))

    def get_many(self, digests: Collection[str]) -> dict[str, Manifest]:
        found: defaultdict[str, list[ManifestFile]] = defaultdict(list)
        for row in self._connection.execute(_MANY, {"digests": array(digests)}):
            files = found[row.digest]
            # One without files has one row without a path.
            if row.path is not None:
                files.append(file_of(row))
        return {digest: Manifest(files=tuple(files)) for digest, files in found.items()}

    def files(self, digest: str, after: Cursor | None, limit: int) -> Sequence[ManifestFile]:
        parameters = {"digest": digest, "after": behind(after, ""), "limit": limit}
        return [file_of(row) for row in self._connection.execute(_PAGE, parameters)]

    def share_bytes(self, digest: str, other: str) -> bool:
        rows = self._connection.execute(_SHARED, {"digest": digest, "other": other})
        return rows.first() is not None

    def find(self, digest: str, paths: Collection[str]) -> Sequence[ManifestFile]:
        parameters = {"digest": digest, "paths": array(paths)}
        return [file_of(row) for row in self._connection.execute(_FIND, parameters)]


def file_values(file: ManifestFile) -> tuple[str, int, str, str]:
    """A file's own columns, which manifests and uploads have alike: path, size_bytes, sha256 and
    media_type."""
    return (file.path, file.size_bytes, file.sha256, file.media_type)


def file_of(row: AnyRow) -> ManifestFile:
    return ManifestFile(
        path=row.path,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        media_type=row.media_type,
    )
