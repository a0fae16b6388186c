"""Blob grants: which namespaces may refer to a blob, and who still does."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import (
    ColumnElement,
    Select,
    bindparam,
    delete,
    exists,
    literal_column,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.dialects import postgresql

from registry.db.arrays import array, elements
from registry.db.prepared import PreparedConnection
from registry.db.reach import reach_values, within
from registry.db.tables import (
    blob_grants,
    commits,
    manifest_files,
    models,
    upload_files,
    uploads,
    versions,
)
from registry.domain.access import Reach

_given = elements("sha256s")
_sha256 = _given.c.value
_one: ColumnElement[int] = literal_column("1")

# "WHERE true", or SQLite takes ON CONFLICT for the condition of a join.
_ADD = (
    postgresql.insert(blob_grants)
    .from_select(
        ["namespace", "sha256"],
        select(bindparam("to_namespace"), _sha256).where(true()),
    )
    .on_conflict_do_nothing(index_elements=["namespace", "sha256"])
)
_FORGET = delete(blob_grants).where(blob_grants.c.namespace == bindparam("of"))
_KNOWN = select(_sha256).where(
    exists(
        select(_one)
        .select_from(blob_grants)
        .where(blob_grants.c.namespace == bindparam("namespace"), blob_grants.c.sha256 == _sha256)
    )
)
# With a LIMIT, since PostgreSQL takes an EXISTS for a join of all versions that have the blob, and
# half of all models may have the same licence or tokenizer.
_FETCHABLE = select(_sha256).where(
    select(_one)
    .join_from(manifest_files, commits, commits.c.manifest_key == manifest_files.c.manifest_key)
    .join(models, models.c.key == commits.c.model_key)
    .join(versions, versions.c.commit_key == commits.c.key)
    .where(
        manifest_files.c.sha256 == _sha256,
        # Of the model, so that SQLite looks at versions only where it is covered.
        *within(models.c.namespace, models.c.path),
        versions.c.state == literal_column("'released'"),
    )
    .limit(literal_column("1"))
    .scalar_subquery()
    .is_not(None)
)


# What is in a version is in the commit that it was cut from.
_in_commit = exists(
    select(_one)
    .join_from(manifest_files, commits, commits.c.manifest_key == manifest_files.c.manifest_key)
    .where(manifest_files.c.sha256 == _sha256)
)
_in_live_upload = exists(
    select(_one)
    .join_from(upload_files, uploads, uploads.c.key == upload_files.c.upload_key)
    .where(upload_files.c.sha256 == _sha256, text("NOT uploads.ended"))
)
_REFERENCED = select(_sha256).where(or_(_in_commit, _in_live_upload))


class SqlBlobGrants:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def add(self, namespace: str, sha256s: Collection[str]) -> None:
        parameters = {"to_namespace": namespace, "sha256s": array(sha256s)}
        self._connection.execute_later(_ADD, parameters)

    def forget(self, namespace: str) -> None:
        self._connection.execute_later(_FORGET, {"of": namespace})

    def known(self, namespace: str, sha256s: Collection[str]) -> set[str]:
        return self._texts(_KNOWN, {"namespace": namespace, "sha256s": array(sha256s)})

    def fetchable(self, reach: Reach, sha256s: Collection[str]) -> set[str]:
        parameters = {**reach_values(reach), "sha256s": array(sha256s)}
        return self._texts(_FETCHABLE, parameters)

    def referenced(self, sha256s: Collection[str]) -> set[str]:
        return self._texts(_REFERENCED, {"sha256s": array(sha256s)})

    def _texts(self, statement: Select[str], parameters: dict[str, str]) -> set[str]:
        return set(self._connection.execute(statement, parameters).scalars())
