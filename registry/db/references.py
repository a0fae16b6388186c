"""References: aliases, tags and branches. Stages are in `stages.py`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects import postgresql

from registry.db.prepared import PreparedConnection
from registry.db.rows import AnyRow, behind
from registry.db.tables import models, refs, versions
from registry.domain.pages import Cursor
from registry.domain.references import Reference, ReferenceKind

_insert = postgresql.insert(refs)
_PUT = _insert.on_conflict_do_update(
    index_elements=["model_key", "folded"],
    # Not the id, which stays as it is: to set it would change an index each time a branch moves.
    set_={
        "kind": _insert.excluded.kind,
        "version_key": _insert.excluded.version_key,
        "commit_id": _insert.excluded.commit_id,
        "update_time_us": _insert.excluded.update_time_us,
        "updater": _insert.excluded.updater,
    },
)
_DELETE = delete(refs).where(
    refs.c.model_key == bindparam("model_key"),
    refs.c.folded == bindparam("folded"),
    refs.c.id == bindparam("id"),
)
_of_model = (
    select(
        models.c.path.label("model"),
        refs.c.id,
        refs.c.kind,
        refs.c.commit_id,
        refs.c.update_time_us,
        refs.c.updater,
        versions.c.number,
        versions.c.digest,
    )
    .join_from(models, refs, refs.c.model_key == models.c.key)
    .outerjoin(versions, versions.c.key == refs.c.version_key)
    .where(models.c.path == bindparam("model"))
)
_GET = _of_model.where(refs.c.folded == bindparam("folded"))
_LIST = (
    _of_model.where(refs.c.id > bindparam("after")).order_by(refs.c.id).limit(bindparam("limit"))
)
_LIST_OF_KIND = _LIST.where(refs.c.kind == bindparam("kind"))


class SqlReferences:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def get(self, model: str, id: str) -> Reference | None:
        parameters = {"model": model, "folded": id.casefold()}
        row = self._connection.execute(_GET, parameters).one_or_none()
        return None if row is None else _reference(row)

    def list(
        self, model: str, kind: ReferenceKind | None, after: Cursor | None, limit: int
    ) -> Sequence[Reference]:
        parameters = {"model": model, "after": behind(after, ""), "limit": limit}
        statement = _LIST
        if kind is not None:
            statement = _LIST_OF_KIND
            parameters["kind"] = kind.value
        return [_reference(row) for row in self._connection.execute(statement, parameters)]

    def put(
        self,
        model_key: int,
        reference: Reference,
        *,
        version_key: int | None,
        commit_id: str | None,
    ) -> None:
        if reference.kind is ReferenceKind.STAGE:
            raise ValueError(f"{reference.name} is a stage, and only `Stages` moves those")
        self._connection.execute_later(
            _PUT,
            {
                "model_key": model_key,
                "folded": reference.id.casefold(),
                "id": reference.id,
                "kind": reference.kind.value,
                "version_key": version_key,
                "commit_id": commit_id,
                "update_time_us": reference.update_time_us,
                "updater": reference.updater,
            },
        )

    def delete(self, model_key: int, id: str) -> None:
        parameters = {"model_key": model_key, "folded": id.casefold(), "id": id}
        self._connection.execute_later(_DELETE, parameters)


def target_name(model: str, *, number: int | None, commit_id: str | None) -> str:
    """Resource name of what a reference points to: a branch to a commit, others to a version."""
    if commit_id is not None:
        return f"models/{model}/commits/{commit_id}"
    return f"models/{model}/versions/{number}"


def _reference(row: AnyRow) -> Reference:
    return Reference(
        model=row.model,
        id=row.id,
        kind=ReferenceKind(row.kind),
        target=target_name(row.model, number=row.number, commit_id=row.commit_id),
        digest=row.digest or "",
        update_time_us=row.update_time_us,
        updater=row.updater,
    )
