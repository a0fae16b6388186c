"""Versions, what vetting says of them, and their evaluations."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache

from sqlalchemy import (
    BigInteger,
    Select,
    Text,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    union_all,
    update,
)

from registry.db.arrays import array, columns_of, elements, numbers
from registry.db.arrays import rows as rows_array
from registry.db.commits import PAST_HEX
from registry.db.documents import (
    card_of,
    dataset_of,
    dataset_text,
    findings_text,
    metrics_of,
    metrics_text,
    names_of,
    names_text,
    parts_of_card,
    spec_text,
)
from registry.db.grounds import was_staged
from registry.db.locks import lock_rows
from registry.db.manifests import key_of_manifest
from registry.db.prepared import PreparedConnection
from registry.db.references import target_name
from registry.db.rows import AFTER_ALL, AnyRow, behind
from registry.db.tables import (
    commits,
    evaluations,
    models,
    refs,
    stage_periods,
    versions,
)
from registry.db.version_rows import select_versions, version_of
from registry.domain.pages import Cursor
from registry.domain.references import Reference, ReferenceKind
from registry.domain.versions import (
    Card,
    Evaluation,
    Standing,
    Version,
    VersionState,
    Vetting,
)

#: So many versions of one digest or commit are looked at.
NEWEST_MAX = 100

_v = versions.c
_commit = select(commits.c.key).where(
    commits.c.model_key == bindparam("of_model"), commits.c.id == bindparam("of_commit")
)
_commit_of_tree = _commit.where(commits.c.tree == bindparam("of_tree"))
_INSERT_AS = insert(versions).values(commit_key=_commit_of_tree.scalar_subquery())
_INSERT = _INSERT_AS.returning(_v.key)

_model_key = select(models.c.key).where(models.c.path == bindparam("model")).scalar_subquery()
_of_model = _v.model_key == _model_key
_of_number = _v.number == bindparam("number")
_GET = select_versions().where(_of_model, _of_number)
_ROW = select(_v.key).where(_of_model, _of_number)
_BY_KEY = select_versions().where(_v.key == bindparam("key"))
_of_keys = _v.key.in_(numbers("keys"))
_BY_KEYS = select_versions().where(_of_keys)
_named = columns_of("names", Text, BigInteger)
_BY_NAMES = (
    select_versions()
    .join(models, models.c.key == _v.model_key)
    .where(models.c.path == _named[0], _v.number == _named[1])
)
_STANDINGS = select(_v.key, _v.state, _v.yanked_from, _v.rules_digest).where(_of_keys)
_MANY_ROWS = select(_v.key).where(_of_keys).order_by(_v.key)

_SET_STATE = (
    update(versions)
    .where(_v.key == bindparam("version_key"))
    .values(
        state=bindparam("to_state"),
        yank_reason=bindparam("reason"),
        yanked_from=bindparam("from_state"),
    )
)
_judged = columns_of("judged", BigInteger, Text, Text, Text, Text, BigInteger)
_SET_VETTING = (
    update(versions)
    .where(_v.key == _judged[0])
    .values(
        state=_judged[1],
        verdict=_judged[2],
        findings=_judged[3],
        rules_digest=_judged[4],
        vetting_time_us=_judged[5],
    )
)
_UNVETTED = (
    select_versions()
    .where(
        # As text, since a partial index answers only to its own condition.
        literal_column("versions.state") == literal_column("'quarantined'"),
        or_(_v.rules_digest.is_(None), _v.rules_digest != bindparam("rules_digest")),
        _v.key.not_in(numbers("but")),
    )
    .order_by(_v.key)
    .limit(bindparam("limit"))
)
_VETTED = (
    select_versions()
    .where(
        literal_column("versions.state") == literal_column("'vetted'"), _v.key > bindparam("after")
    )
    .order_by(_v.key)
    .limit(bindparam("limit"))
)
_CARD = select(_v.card, _v.card_text).where(_v.key == bindparam("key"))
_INSERT_EVALUATION = insert(evaluations).returning(evaluations.c.key)
_EVALUATIONS = (
    select(
        evaluations.c.key,
        evaluations.c.uid,
        evaluations.c.evaluation,
        evaluations.c.metrics,
        evaluations.c.dataset,
        evaluations.c.tool,
        evaluations.c.reporter,
        evaluations.c.create_time_us,
        _v.model,
        _v.number,
        _v.digest,
    )
    .join(versions, _v.key == evaluations.c.version_key)
    .where(
        evaluations.c.version_key == bindparam("version_key"),
        evaluations.c.key < bindparam("before"),
    )
    .order_by(evaluations.c.key.desc())
    .limit(bindparam("limit"))
)
_EVALUATION_COUNT = select(func.count()).where(
    evaluations.c.version_key == bindparam("version_key")
)
_commit_id = elements("commit_ids").c.value
# With a LIMIT, since PostgreSQL else looks at all versions of the model.
_CUT_FROM = select(_commit_id).where(
    select(literal_column("1"))
    .join_from(commits, versions, _v.commit_key == commits.c.key)
    .where(commits.c.model_key == bindparam("model_key"), commits.c.id == _commit_id)
    .limit(literal_column("1"))
    .scalar_subquery()
    .is_not(None)
)
_CUT = select(
    _v.digest, _v.contributors, was_staged(_v.model_key, _v.digest).label("staged")
).where(_v.commit_key == _commit.scalar_subquery())


def _resolve() -> Select[*tuple[object, ...]]:
    """What a stage, alias, tag or branch of a model points to: at most one row of each table.

    A branch points to a commit, and stands for the newest version cut from that.
    """
    stage = (
        select(
            stage_periods.c.version_key,
            literal_column("'stage'").label("kind"),
            stage_periods.c.stage.label("id"),
            null().label("branch_head"),
            stage_periods.c.start_time_us.label("since_us"),
            stage_periods.c.mover,
            stage_periods.c.promotion,
        )
        # Not a join with models: so the plan is right before a database knows its tables' sizes.
        .where(
            stage_periods.c.model_key == _model_key,
            stage_periods.c.stage == bindparam("name"),
            stage_periods.c.end_time_us.is_(None),
        )
    )
    cut = versions.alias("cut")
    # Keys of a model's versions go up with their numbers; only they come with the index in order.
    newest_cut = (
        select(func.max(cut.c.key))
        .join_from(commits, cut, cut.c.commit_key == commits.c.key)
        .where(commits.c.model_key == refs.c.model_key, commits.c.id == refs.c.commit_id)
        .scalar_subquery()
    )
    reference = select(
        func.coalesce(refs.c.version_key, newest_cut),
        refs.c.kind,
        refs.c.id,
        refs.c.commit_id,
        refs.c.update_time_us,
        refs.c.updater,
        null(),
    ).where(
        refs.c.model_key == _model_key,
        refs.c.folded == bindparam("folded"),
        refs.c.id == bindparam("name"),
    )
    target = union_all(stage, reference).subquery("target")
    return select_versions(
        target.c.kind,
        target.c.id,
        target.c.branch_head,
        target.c.since_us,
        target.c.mover,
        target.c.promotion,
    ).join_from(target, versions, _v.key == target.c.version_key)


_RESOLVE = _resolve()


def _of(*, by_digest: bool, by_commit: bool) -> Select[*tuple[object, ...]]:
    """Versions of a model, found by their commits where more than the model is known of them."""
    if not by_digest and not by_commit:
        return select_versions().where(_of_model)
    statement = select_versions().join(commits, commits.c.key == _v.commit_key)
    statement = statement.where(commits.c.model_key == _model_key)
    if by_digest:
        statement = statement.where(commits.c.manifest_key == key_of_manifest("digest"))
    if by_commit:
        statement = statement.where(
            commits.c.id >= bindparam("first"), commits.c.id < bindparam("past")
        )
    return statement


@cache
def _list(*, by_state: bool, by_digest: bool, oldest_first: bool) -> Select[*tuple[object, ...]]:
    statement = _of(by_digest=by_digest, by_commit=False)
    if by_state:
        statement = statement.where(_v.state == bindparam("state"))
    if oldest_first:
        statement = statement.where(_v.number > bindparam("behind")).order_by(_v.number)
    else:
        statement = statement.where(_v.number < bindparam("behind")).order_by(_v.number.desc())
    return statement.limit(bindparam("limit"))


@cache
def _newest(*, by_digest: bool, by_commit: bool) -> Select[*tuple[object, ...]]:
    statement = _of(by_digest=by_digest, by_commit=by_commit)
    released_first = case((_v.state == VersionState.RELEASED.value, 0), else_=1)
    return statement.order_by(released_first, _v.number.desc()).limit(NEWEST_MAX)


class SqlVersions:
    def __init__(self, connection: PreparedConnection, keys: dict[int, int]) -> None:
        """`keys` has those that were given out for the next version of a model."""
        self._connection = connection
        self._keys = keys

    def insert(self, version: Version) -> Version:
        vetting = version.vetting
        card, card_json = parts_of_card(version.card)
        values = {
            "uid": version.uid,
            "model_key": version.model_key,
            "model": version.model,
            "namespace": version.namespace,
            "number": version.number,
            "digest": version.digest,
            "commit_id": version.commit,
            "of_model": version.model_key,
            "of_commit": version.commit,
            "of_tree": version.digest,
            "state": version.state.value,
            "registrant": version.registrant,
            "contributors": names_text(version.contributors, field="contributors"),
            "create_time_us": version.create_time_us,
            "file_count": version.file_count,
            "size_bytes": version.size_bytes,
            "spec": spec_text(version.spec),
            "card": card_json,
            "card_text": version.card.text,
            "verdict": vetting and vetting.verdict.value,
            "findings": vetting and findings_text(vetting.findings),
            "rules_digest": vetting and vetting.rules_digest,
            "vetting_time_us": vetting and vetting.time_us,
            "yank_reason": version.yank_reason,
            "yanked_from": version.yanked_from and version.yanked_from.value,
        }
        key = self._keys.pop(version.model_key, None)
        if key is None:
            key = self._connection.execute(_INSERT, values).scalar_one()
        else:
            self._connection.execute_later(_INSERT_AS, {**values, "key": key})
        # As `replace` makes it, in half of its time.
        return Version(**(vars(version) | {"key": key, "card": card}))

    def get(self, model: str, number: int) -> Version | None:
        return self._one(_GET, {"model": model, "number": number})

    def by_key(self, key: int) -> Version | None:
        return self._one(_BY_KEY, {"key": key})

    def by_keys(self, keys: Collection[int]) -> Mapping[int, Version]:
        found = self._all(_BY_KEYS, {"keys": array(keys)}) if keys else ()
        return {each.key: each for each in found}

    def by_names(self, names: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], Version]:
        found = self._all(_BY_NAMES, {"names": rows_array(names)}) if names else ()
        return {(each.model, each.number): each for each in found}

    def lock(self, model: str, number: int) -> Version | None:
        lock_rows(self._connection, _ROW, {"model": model, "number": number})
        return self.get(model, number)

    def lock_many(self, keys: Collection[int]) -> Mapping[int, Standing]:
        given: dict[str, object] = {"keys": array(keys)}
        lock_rows(self._connection, _MANY_ROWS, given)
        return {
            row.key: Standing(
                state=VersionState(row.state),
                yanked_from=row.yanked_from and VersionState(row.yanked_from),
                rules_digest=row.rules_digest,
            )
            for row in self._connection.execute(_STANDINGS, given)
        }

    def newest(self, model: str, *, digest: str = "", commit_prefix: str = "") -> Sequence[Version]:
        statement = _newest(by_digest=bool(digest), by_commit=bool(commit_prefix))
        return self._all(
            statement,
            {
                "model": model,
                "digest": digest,
                "first": commit_prefix,
                "past": commit_prefix + PAST_HEX,
            },
        )

    def resolve(self, model: str, name: str) -> tuple[Version, Reference, int | None] | None:
        parameters = {"model": model, "name": name, "folded": name.casefold()}
        rows = self._connection.execute(_RESOLVE, parameters).all()
        if not rows:
            return None
        # A name that became a stage after it was an alias is the stage.
        row = next((row for row in rows if row.kind == ReferenceKind.STAGE), rows[0])
        version = version_of(row)
        reference = Reference(
            model=version.model,
            id=row.id,
            kind=ReferenceKind(row.kind),
            target=target_name(version.model, number=version.number, commit_id=row.branch_head),
            digest="" if row.branch_head else version.digest,
            update_time_us=row.since_us,
            updater=row.mover,
        )
        return version, reference, row.promotion

    def list(
        self,
        model: str,
        *,
        state: VersionState | None,
        digest: str,
        oldest_first: bool,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Version]:
        statement = _list(
            by_state=state is not None, by_digest=bool(digest), oldest_first=oldest_first
        )
        return self._all(
            statement,
            {
                "model": model,
                "state": state and state.value,
                "digest": digest,
                "behind": behind(after, 0 if oldest_first else AFTER_ALL),
                "limit": limit,
            },
        )

    def set_state(
        self,
        key: int,
        state: VersionState,
        *,
        yank_reason: str = "",
        yanked_from: VersionState | None = None,
    ) -> None:
        self._connection.execute_later(
            _SET_STATE,
            {
                "version_key": key,
                "to_state": state.value,
                "reason": yank_reason,
                "from_state": yanked_from and yanked_from.value,
            },
        )

    def set_vetting(self, judged: Iterable[tuple[int, Vetting, VersionState]]) -> None:
        given = rows_array(
            (
                key,
                state.value,
                vetting.verdict.value,
                findings_text(vetting.findings),
                vetting.rules_digest,
                vetting.time_us,
            )
            for key, vetting, state in judged
        )
        self._connection.execute_later(_SET_VETTING, {"judged": given})

    def unvetted(
        self, rules_digest: str, limit: int, *, but: Collection[int] = ()
    ) -> Sequence[Version]:
        given = {"rules_digest": rules_digest, "limit": limit, "but": array(but)}
        return self._all(_UNVETTED, given)

    def vetted(self, after: int, limit: int) -> Sequence[Version]:
        return self._all(_VETTED, {"after": after, "limit": limit})

    def add_evaluation(self, version_key: int, evaluation: Evaluation) -> Evaluation:
        key = self._connection.execute(
            _INSERT_EVALUATION,
            {
                "version_key": version_key,
                "uid": evaluation.uid,
                "evaluation": evaluation.evaluation,
                "metrics": metrics_text(evaluation.metrics),
                "dataset": dataset_text(evaluation.dataset),
                "tool": evaluation.tool,
                "reporter": evaluation.reporter,
                "create_time_us": evaluation.create_time_us,
            },
        ).scalar_one()
        return replace(evaluation, key=key)

    def evaluations(
        self, version_key: int, after: Cursor | None, limit: int
    ) -> Sequence[Evaluation]:
        parameters = {
            "version_key": version_key,
            "before": behind(after, AFTER_ALL),
            "limit": limit,
        }
        return [_evaluation(row) for row in self._connection.execute(_EVALUATIONS, parameters)]

    def evaluation_count(self, version_key: int) -> int:
        parameters = {"version_key": version_key}
        count: int = self._connection.execute(_EVALUATION_COUNT, parameters).scalar_one()
        return count

    def cut_from(self, model_key: int, commit_ids: Collection[str]) -> set[str]:
        parameters = {"model_key": model_key, "commit_ids": array(commit_ids)}
        return set(self._connection.execute(_CUT_FROM, parameters).scalars())

    def undecided(
        self, model_key: int, commit_id: str
    ) -> Sequence[tuple[str, tuple[str, ...]]] | None:
        parameters = {"of_model": model_key, "of_commit": commit_id}
        rows = self._connection.execute(_CUT, parameters).all()
        if not rows:
            return None
        return [(row.digest, names_of(row.contributors)) for row in rows if not row.staged]

    def text_of_card(self, key: int) -> Card:
        row = self._connection.execute(_CARD, {"key": key}).one()
        return replace(card_of(row.card), text=row.card_text)

    def _one(
        self, statement: Select[*tuple[object, ...]], parameters: dict[str, object]
    ) -> Version | None:
        row = self._connection.execute(statement, parameters).one_or_none()
        return None if row is None else version_of(row)

    def _all(
        self, statement: Select[*tuple[object, ...]], parameters: dict[str, object]
    ) -> Sequence[Version]:
        return [version_of(row) for row in self._connection.execute(statement, parameters)]


def _evaluation(row: AnyRow) -> Evaluation:
    return Evaluation(
        key=row.key,
        uid=row.uid,
        version=target_name(row.model, number=row.number, commit_id=None),
        digest=row.digest,
        evaluation=row.evaluation,
        metrics=metrics_of(row.metrics),
        dataset=dataset_of(row.dataset),
        tool=row.tool,
        reporter=row.reporter,
        create_time_us=row.create_time_us,
    )
