"""Terms of models, and who accepted them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from sqlalchemy import (
    Select,
    and_,
    bindparam,
    case,
    insert,
    literal,
    or_,
    select,
    update,
)

from registry.db.arrays import array, numbers
from registry.db.documents import decisions_of, decisions_text
from registry.db.locks import lock_rows
from registry.db.prepared import PreparedConnection
from registry.db.reach import reach_values, within
from registry.db.rows import AFTER_ALL, AnyRow, behind
from registry.db.tables import acceptances, models, terms
from registry.domain.access import Reach
from registry.domain.pages import Cursor
from registry.domain.promotions import Decision
from registry.domain.terms import OPEN, Acceptance, AcceptanceState, Terms

_t = terms.c
_CURRENT = (
    select(terms, models.c.path)
    .join_from(
        models,
        terms,
        and_(_t.model_key == models.c.key, _t.digest == models.c.terms_digest),
    )
    .where(models.c.path == bindparam("model"))
    .order_by(_t.key.desc())
    .limit(literal(1))
)
_FIND = (
    select(terms, models.c.path)
    .join_from(models, terms, _t.model_key == models.c.key)
    .where(models.c.path == bindparam("model"), _t.digest == bindparam("digest"))
    .order_by(_t.key.desc())
    .limit(literal(1))
)
_PUT = insert(terms)
_POINT = (
    update(models)
    .where(models.c.key == bindparam("of"))
    .values(terms_digest=bindparam("to_digest"))
)


class SqlTerms:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def current(self, model: str) -> Terms | None:
        row = self._connection.execute(_CURRENT, {"model": model}).one_or_none()
        return None if row is None else _terms(row)

    def find(self, model: str, digest: str) -> Terms | None:
        given = {"model": model, "digest": digest}
        row = self._connection.execute(_FIND, given).one_or_none()
        return None if row is None else _terms(row)

    def put(self, terms: Terms) -> None:
        self._connection.execute_later(
            _PUT,
            {
                "model_key": terms.model_key,
                "digest": terms.digest,
                "label": terms.label,
                "text": terms.text,
                "url": terms.url,
                "validity_days": terms.validity_days,
                "approval_required": terms.approval_required,
                "create_time_us": terms.create_time_us,
                "creator": terms.creator,
            },
        )
        self._point(terms.model_key, terms.digest)

    def clear(self, model_key: int) -> None:
        self._point(model_key, "")

    def _point(self, model_key: int, digest: str) -> None:
        self._connection.execute_later(_POINT, {"of": model_key, "to_digest": digest})


def _terms(row: AnyRow) -> Terms:
    return Terms(
        model_key=row.model_key,
        model=row.path,
        label=row.label,
        text=row.text,
        url=row.url,
        validity_days=row.validity_days,
        approval_required=bool(row.approval_required),
        create_time_us=row.create_time_us,
        creator=row.creator,
    )


_a = acceptances.c
_INSERT = insert(acceptances).returning(_a.number)
_ALL = select(acceptances)
_GET = _ALL.where(_a.number == bindparam("number"))
_ROW = select(_a.number).where(_a.number == bindparam("number"))
_MANY = _ALL.where(_a.number.in_(numbers("numbers")))
# What is pending or granted has not ended.
_open = _a.end_time_us.is_(None)
_granted_first = case((_a.state == AcceptanceState.GRANTED.value, 0), else_=1)
_OPEN_OF = (
    _ALL.where(
        _a.model_key == bindparam("model_key"),
        _a.principal == bindparam("principal"),
        _a.terms_digest == bindparam("terms_digest"),
        _open,
        _a.expire_time_us > bindparam("now_us"),
    )
    .order_by(_granted_first, _a.number)
    .limit(literal(1))
)
_OVERDUE = (
    _ALL.where(_open, _a.expire_time_us <= bindparam("now_us"))
    .order_by(_a.expire_time_us, _a.number)
    .limit(bindparam("limit"))
)
_SET_STATE = (
    update(acceptances)
    .where(_a.number == bindparam("acceptance"))
    .values(
        state=bindparam("to_state"),
        decisions=bindparam("decided"),
        expire_time_us=bindparam("expire_us"),
        end_time_us=bindparam("end_us"),
    )
)


@cache
def _list(
    *, everywhere: bool, by_model: bool, by_principal: bool, state: AcceptanceState | None
) -> Select[*tuple[object, ...]]:
    statement = _ALL.where(_a.number < bindparam("before"))
    if by_model:
        statement = statement.where(_a.model == bindparam("model"))
    elif not everywhere:
        statement = statement.where(*within(_a.namespace, _a.model))
    if by_principal:
        statement = statement.where(_a.principal == bindparam("principal"))
    if state is AcceptanceState.EXPIRED:
        out_of_time = and_(_open, _a.expire_time_us <= bindparam("now_us"))
        statement = statement.where(or_(_a.state == state.value, out_of_time))
    elif state is not None:
        statement = statement.where(_a.state == state.value)
        if state in OPEN:
            statement = statement.where(_a.expire_time_us > bindparam("now_us"))
    return statement.order_by(_a.number.desc()).limit(bindparam("limit"))


class SqlAcceptances:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def insert(self, acceptance: Acceptance) -> Acceptance:
        number = self._connection.execute(
            _INSERT,
            {
                "model_key": acceptance.model_key,
                "model": acceptance.model,
                "namespace": acceptance.namespace,
                "principal": acceptance.principal,
                "requester": acceptance.requester,
                "terms_digest": acceptance.terms_digest,
                "terms_label": acceptance.terms_label,
                "reason": acceptance.reason,
                "state": acceptance.state.value,
                "decisions": _decided(acceptance.decision),
                "create_time_us": acceptance.create_time_us,
                "expire_time_us": acceptance.expire_time_us,
                "end_time_us": acceptance.end_time_us,
            },
        ).scalar_one()
        return replace(acceptance, number=number)

    def get(self, number: int) -> Acceptance | None:
        found = self._all(_GET, {"number": number})
        return found[0] if found else None

    def lock(self, number: int) -> Acceptance | None:
        lock_rows(self._connection, _ROW, {"number": number})
        return self.get(number)

    def many(self, numbers_in_order: Sequence[int]) -> Sequence[Acceptance]:
        """Those that are there, in the order of the numbers."""
        found = self._all(_MANY, {"numbers": array(numbers_in_order)}) if numbers_in_order else ()
        by_number = {acceptance.number: acceptance for acceptance in found}
        return [by_number[number] for number in numbers_in_order if number in by_number]

    def open_of(
        self, model_key: int, principal: str, terms_digest: str, now_us: int
    ) -> Acceptance | None:
        found = self._all(
            _OPEN_OF,
            {
                "model_key": model_key,
                "principal": principal,
                "terms_digest": terms_digest,
                "now_us": now_us,
            },
        )
        return found[0] if found else None

    def list(
        self,
        *,
        reach: Reach,
        model: str,
        principal: str,
        state: AcceptanceState | None,
        now_us: int,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Acceptance]:
        statement = _list(
            everywhere=reach.is_everything,
            by_model=bool(model),
            by_principal=bool(principal),
            state=state,
        )
        return self._all(
            statement,
            {
                **reach_values(reach),
                "model": model,
                "principal": principal,
                "now_us": now_us,
                "before": behind(after, AFTER_ALL),
                "limit": limit,
            },
        )

    def set_state(
        self,
        number: int,
        state: AcceptanceState,
        *,
        decision: Decision | None,
        expire_time_us: int,
        end_time_us: int | None,
    ) -> None:
        self._connection.execute_later(
            _SET_STATE,
            {
                "acceptance": number,
                "to_state": state.value,
                "decided": _decided(decision),
                "expire_us": expire_time_us,
                "end_us": end_time_us,
            },
        )

    def overdue(self, now_us: int, limit: int) -> Sequence[Acceptance]:
        return self._all(_OVERDUE, {"now_us": now_us, "limit": limit})

    def _all(
        self, statement: Select[*tuple[object, ...]], parameters: dict[str, object]
    ) -> Sequence[Acceptance]:
        return [_acceptance(row) for row in self._connection.execute(statement, parameters)]


def _decided(decision: Decision | None) -> str:
    return decisions_text(() if decision is None else (decision,))


def _acceptance(row: AnyRow) -> Acceptance:
    decided = decisions_of(row.decisions)
    return Acceptance(
        number=row.number,
        model_key=row.model_key,
        model=row.model,
        namespace=row.namespace,
        principal=row.principal,
        requester=row.requester,
        terms_digest=row.terms_digest,
        terms_label=row.terms_label,
        reason=row.reason,
        state=AcceptanceState(row.state),
        decision=decided[0] if decided else None,
        create_time_us=row.create_time_us,
        expire_time_us=row.expire_time_us,
        end_time_us=row.end_time_us,
    )
