"""What a new commit stands on: a model, a branch of it, and what its bytes are granted to."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, and_, bindparam, exists, literal_column, not_, select

from registry.db.arrays import array, elements
from registry.db.documents import names_of
from registry.db.locks import lock_rows
from registry.db.manifests import key_of_manifest
from registry.db.models import model_of
from registry.db.policies import ONLY_POLICY
from registry.db.prepared import PreparedConnection
from registry.db.references import target_name
from registry.db.rows import AnyRow
from registry.db.tables import (
    active_policy,
    blob_grants,
    commits,
    models,
    refs,
    stage_periods,
    versions,
)
from registry.domain.references import Reference, ReferenceKind
from registry.ports.tables import Ground

_pointed, _cut = versions.alias("pointed"), versions.alias("cut")
_given = elements("sha256s")
_sha256 = _given.c.value


def was_staged(version: ColumnElement[int], digest: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether files of this digest ever were in a stage of the model with this key."""
    return exists(
        select(stage_periods.c.key).where(
            stage_periods.c.model_key == version, stage_periods.c.digest == digest
        )
    )


_granted = exists(
    select(blob_grants.c.sha256)
    .where(blob_grants.c.namespace == models.c.namespace, blob_grants.c.sha256 == _sha256)
    .correlate(models, _given)
)
_MODEL = select(models.c.key).where(models.c.path == bindparam("model"))
# A row a version that was cut from the branch's head, and one without where there is none.
_GROUND = (
    select(
        models,
        refs.c.id.label("ref_id"),
        refs.c.kind.label("ref_kind"),
        refs.c.commit_id.label("ref_commit"),
        refs.c.update_time_us.label("ref_time_us"),
        refs.c.updater.label("ref_updater"),
        _pointed.c.number.label("ref_number"),
        _pointed.c.digest.label("ref_digest"),
        _cut.c.digest.label("cut_digest"),
        _cut.c.contributors.label("cut_contributors"),
        was_staged(_cut.c.model_key, _cut.c.digest).label("cut_staged"),
        key_of_manifest("tree").label("tree_key"),
        not_(exists(select(_sha256).where(not_(_granted)))).label("all_granted"),
        select(active_policy.c.digest)
        .where(active_policy.c.id == ONLY_POLICY)
        .scalar_subquery()
        .label("policy_digest"),
    )
    .outerjoin_from(
        models,
        refs,
        and_(refs.c.model_key == models.c.key, refs.c.folded == bindparam("folded")),
    )
    .outerjoin(_pointed, _pointed.c.key == refs.c.version_key)
    .outerjoin(
        commits,
        and_(commits.c.model_key == refs.c.model_key, commits.c.id == refs.c.commit_id),
    )
    .outerjoin(_cut, _cut.c.commit_key == commits.c.key)
    .where(models.c.path == bindparam("model"))
)
# PostgreSQL gives keys out ahead, and is asked once for all rows. So the row of a version that is
# made next needs no answer, hence no trip of its own.
_GROUND_AND_KEY = _GROUND.add_columns(
    select(literal_column("nextval('versions_key_seq')")).scalar_subquery().label("version_key")
)


def lock_ground(
    connection: PreparedConnection,
    version_keys: dict[int, int],
    model: str,
    branch: str,
    *,
    tree: str,
    sha256s: Collection[str],
) -> Ground | None:
    """`version_keys` gets, by the model's key, one for its next version."""
    lock_rows(connection, _MODEL, {"model": model})
    given = {
        "model": model,
        "folded": branch.casefold(),
        "tree": tree,
        "sha256s": array(sha256s),
    }
    ahead = connection.dialect.name == "postgresql"
    rows = connection.execute(_GROUND_AND_KEY if ahead else _GROUND, given).all()
    if not rows:
        return None
    row = rows[0]
    if ahead:
        version_keys[row.key] = row.version_key
    return Ground(
        model=model_of(row, ()),
        taken_by=None if row.ref_kind is None else _reference(row),
        undecided=None
        if row.cut_digest is None
        else [(r.cut_digest, names_of(r.cut_contributors)) for r in rows if not r.cut_staged],
        has_tree=row.tree_key is not None,
        all_granted=bool(row.all_granted),
        policy_digest=row.policy_digest or "",
    )


def _reference(row: AnyRow) -> Reference:
    return Reference(
        model=row.path,
        id=row.ref_id,
        kind=ReferenceKind(row.ref_kind),
        target=target_name(row.path, number=row.ref_number, commit_id=row.ref_commit),
        digest=row.ref_digest or "",
        update_time_us=row.ref_time_us,
        updater=row.ref_updater,
    )
