"""Commits: points on branches."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import bindparam, literal, select
from sqlalchemy.dialects import postgresql

from registry.db.documents import names_of, names_text
from registry.db.grounds import lock_ground
from registry.db.manifests import key_of_manifest
from registry.db.prepared import PreparedConnection
from registry.db.rows import AnyRow
from registry.db.tables import commits, models
from registry.domain.commits import Commit
from registry.ports.tables import Ground

#: Behind all hex digits: `prefix <= id < prefix + PAST_HEX` are the ids that start with the prefix.
PAST_HEX = "g"

_INSERT = (
    postgresql.insert(commits)
    .values(manifest_key=key_of_manifest("manifest_digest"))
    .on_conflict_do_nothing(index_elements=["model_key", "id"])
)
_COLUMNS = (
    commits.c.model_key,
    commits.c.id,
    commits.c.tree,
    commits.c.parents,
    commits.c.author,
    commits.c.create_time_us,
    commits.c.message,
    commits.c.file_count,
    commits.c.size_bytes,
    models.c.path.label("model"),
)
_all = select(*_COLUMNS).join(models, models.c.key == commits.c.model_key)
_of_model = _all.where(commits.c.model_key == bindparam("model_key"))
_GET = _of_model.where(commits.c.id == bindparam("id"))
_BY_PREFIX = (
    _of_model.where(commits.c.id >= bindparam("first"), commits.c.id < bindparam("past"))
    .order_by(commits.c.id)
    .limit(2)
)
_line = (
    select(commits.c.key, commits.c.first_parent, literal(1).label("depth"))
    .where(commits.c.model_key == bindparam("model_key"), commits.c.id == bindparam("id"))
    .cte("line", recursive=True)
)
_parent = commits.alias("parent")
_line = _line.union_all(
    select(_parent.c.key, _parent.c.first_parent, _line.c.depth + 1)
    .join_from(_line, _parent, _parent.c.id == _line.c.first_parent)
    .where(
        _parent.c.model_key == bindparam("model_key"),
        # Ids of mirrored commits are not ours to trust: without a bound a cycle would never end.
        _line.c.depth < bindparam("limit"),
    )
)
# By key alone: said once more, the model would be a reason to start from all of its commits.
_HISTORY = _all.join(_line, _line.c.key == commits.c.key).order_by(_line.c.depth)


class SqlCommits:
    def __init__(self, connection: PreparedConnection, version_keys: dict[int, int]) -> None:
        """`version_keys` gets those that were given out for the next version of a model."""
        self._connection = connection
        self._version_keys = version_keys

    def ground(
        self, model: str, branch: str, *, tree: str, sha256s: Collection[str]
    ) -> Ground | None:
        return lock_ground(
            self._connection, self._version_keys, model, branch, tree=tree, sha256s=sha256s
        )

    def insert(self, commit: Commit) -> None:
        self._connection.execute_later(
            _INSERT,
            {
                "model_key": commit.model_key,
                "id": commit.id,
                "tree": commit.tree,
                "manifest_digest": commit.tree,
                "parents": names_text(commit.parents, field="parents"),
                "first_parent": commit.parents[0] if commit.parents else None,
                "author": commit.author,
                "create_time_us": commit.create_time_us,
                "message": commit.message,
                "file_count": commit.file_count,
                "size_bytes": commit.size_bytes,
            },
        )

    def get(self, model_key: int, id: str) -> Commit | None:
        row = self._connection.execute(_GET, _place(model_key, id)).one_or_none()
        return None if row is None else _commit(row)

    def by_prefix(self, model_key: int, prefix: str) -> Sequence[Commit]:
        parameters = {"model_key": model_key, "first": prefix, "past": prefix + PAST_HEX}
        return [_commit(row) for row in self._connection.execute(_BY_PREFIX, parameters)]

    def history(self, model_key: int, id: str, limit: int) -> Sequence[Commit]:
        parameters = {**_place(model_key, id), "limit": limit}
        return [_commit(row) for row in self._connection.execute(_HISTORY, parameters)]


def _place(model_key: int, id: str) -> dict[str, object]:
    return {"model_key": model_key, "id": id}


def _commit(row: AnyRow) -> Commit:
    return Commit(
        model_key=row.model_key,
        model=row.model,
        id=row.id,
        tree=row.tree,
        parents=names_of(row.parents),
        author=row.author,
        create_time_us=row.create_time_us,
        message=row.message,
        file_count=row.file_count,
        size_bytes=row.size_bytes,
    )
