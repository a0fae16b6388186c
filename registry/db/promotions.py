"""Promotions with their decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

from sqlalchemy import (
    Select,
    and_,
    bindparam,
    delete,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from registry.db.arrays import array, numbers
from registry.db.documents import names_of, names_text, requirements_of, requirements_text
from registry.db.locks import lock_rows
from registry.db.prepared import PreparedConnection
from registry.db.reach import reach_values, within
from registry.db.rows import AFTER_ALL, AnyRow, behind
from registry.db.tables import decisions, promotions
from registry.domain.access import Reach
from registry.domain.pages import Cursor
from registry.domain.policies import Requirement
from registry.domain.promotions import Decision, Outcome, Promotion, PromotionState

_p = promotions.c
_INSERT = insert(promotions).returning(_p.number)
_ALL = select(
    _p.number,
    _p.model_key,
    _p.version_key,
    _p.model,
    _p.namespace,
    _p.version_number,
    _p.digest,
    _p.stage,
    _p.state,
    _p.requester,
    _p.note,
    _p.waiting,
    _p.previous_number,
    _p.expected_current,
    _p.create_time_us,
    _p.expire_time_us,
    _p.end_time_us,
    _p.break_glass,
)
_GET = _ALL.where(_p.number == bindparam("number"))
_MANY = _ALL.where(_p.number.in_(numbers("numbers")))
_ROW = select(_p.number).where(_p.number == bindparam("number"))

# As text, since a partial index answers only to its own condition.
_stored_pending = literal_column("promotions.state") == literal_column("'pending'")
_pending = and_(_stored_pending, _p.expire_time_us > bindparam("now_us"))
_out_of_time = and_(_stored_pending, _p.expire_time_us <= bindparam("now_us"))
_OPEN = _ALL.where(_p.version_key == bindparam("version_key"), _pending).order_by(_p.number)
_OPEN_FOR_STAGE = _OPEN.where(_p.stage == bindparam("stage"))
_OVERDUE = _ALL.where(_out_of_time).order_by(_p.expire_time_us, _p.number).limit(bindparam("limit"))
_SET_STATE = (
    update(promotions)
    .where(_p.number == bindparam("promotion"))
    .values(state=bindparam("to_state"), end_time_us=bindparam("time_us"))
)
_SET_WAITING = (
    update(promotions)
    .where(_p.number == bindparam("promotion"))
    .values(waiting=bindparam("for_what"))
)

_d = decisions.c
_DECISIONS = (
    select(
        _d.promotion,
        _d.outcome,
        _d.decider,
        _d.roles,
        _d.digest,
        _d.policy_digest,
        _d.comment,
        _d.create_time_us,
        _d.conditions,
        _d.expire_time_us,
        _d.groups,
        _d.decider_uid,
        _d.rules_digest,
    )
    .where(_d.promotion.in_(numbers("promotions")))
    .order_by(_d.promotion, _d.key)
)
_FORGET = delete(decisions).where(
    _d.promotion == bindparam("promotion"), _d.decider == bindparam("decider")
)
_RECORD = insert(decisions)


@cache
def _list(
    *, everywhere: bool, by_model: bool, state: PromotionState | None, by_stage: bool
) -> Select[*tuple[object, ...]]:
    statement = _ALL.where(_p.number < bindparam("before"))
    if by_model:
        statement = statement.where(_p.model == bindparam("model"))
    elif not everywhere:
        statement = statement.where(*within(_p.namespace, _p.model))
    if state is PromotionState.PENDING:
        statement = statement.where(_pending)
    elif state is PromotionState.EXPIRED:
        statement = statement.where(or_(_p.state == state.value, _out_of_time))
    elif state is not None:
        statement = statement.where(_p.state == state.value)
    if by_stage:
        statement = statement.where(_p.stage == bindparam("stage"))
    return statement.order_by(_p.number.desc()).limit(bindparam("limit"))


class SqlPromotions:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def insert(self, promotion: Promotion) -> Promotion:
        number = self._connection.execute(
            _INSERT,
            {
                "model_key": promotion.model_key,
                "version_key": promotion.version_key,
                "model": promotion.model,
                "namespace": promotion.namespace,
                "version_number": promotion.version_number,
                "digest": promotion.digest,
                "stage": promotion.stage,
                "state": promotion.state.value,
                "requester": promotion.requester,
                "note": promotion.note,
                "waiting": requirements_text(promotion.waiting),
                "previous_number": promotion.previous_number,
                "expected_current": promotion.expected_current,
                "create_time_us": promotion.create_time_us,
                "expire_time_us": promotion.expire_time_us,
                "end_time_us": promotion.end_time_us,
                "break_glass": promotion.break_glass,
            },
        ).scalar_one()
        for decision in promotion.decisions:
            self.put_decision(number, decision)
        return replace(promotion, number=number)

    def get(self, number: int) -> Promotion | None:
        found = self._all(_GET, {"number": number})
        return found[0] if found else None

    def lock(self, number: int) -> Promotion | None:
        lock_rows(self._connection, _ROW, {"number": number})
        return self.get(number)

    def list(
        self,
        *,
        patterns: Reach,
        model: str,
        state: PromotionState | None,
        stage: str,
        now_us: int,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Promotion]:
        statement = _list(
            everywhere=patterns.is_everything,
            by_model=bool(model),
            state=state,
            by_stage=bool(stage),
        )
        return self._all(
            statement,
            {
                **reach_values(patterns),
                "model": model,
                "stage": stage,
                "now_us": now_us,
                "before": behind(after, AFTER_ALL),
                "limit": limit,
            },
        )

    def many(self, numbers_in_order: Sequence[int]) -> Sequence[Promotion]:
        """Those that are there, in the order of the numbers."""
        found = self._all(_MANY, {"numbers": array(numbers_in_order)}) if numbers_in_order else ()
        by_number = {promotion.number: promotion for promotion in found}
        return [by_number[number] for number in numbers_in_order if number in by_number]

    def open_of(self, version_key: int, stage: str, now_us: int) -> Sequence[Promotion]:
        statement = _OPEN_FOR_STAGE if stage else _OPEN
        return self._all(statement, {"version_key": version_key, "stage": stage, "now_us": now_us})

    def put_decision(self, number: int, decision: Decision) -> None:
        self._connection.execute_later(_FORGET, {"promotion": number, "decider": decision.decider})
        self._connection.execute_later(
            _RECORD,
            {
                "promotion": number,
                "outcome": decision.outcome.value,
                "decider": decision.decider,
                "roles": names_text(decision.roles, field="roles"),
                "digest": decision.digest,
                "policy_digest": decision.policy_digest,
                "comment": decision.comment,
                "create_time_us": decision.create_time_us,
                "conditions": names_text(decision.conditions, field="conditions"),
                "expire_time_us": decision.expire_time_us,
                "groups": names_text(decision.groups, field="groups"),
                "decider_uid": decision.decider_uid,
                "rules_digest": decision.rules_digest,
            },
        )

    def set_waiting(self, number: int, waiting: Sequence[Requirement]) -> None:
        self._connection.execute_later(
            _SET_WAITING, {"promotion": number, "for_what": requirements_text(waiting)}
        )

    def set_state(self, number: int, state: PromotionState, end_time_us: int) -> None:
        self._connection.execute_later(
            _SET_STATE, {"promotion": number, "to_state": state.value, "time_us": end_time_us}
        )

    def overdue(self, now_us: int, limit: int) -> Sequence[Promotion]:
        return self._all(_OVERDUE, {"now_us": now_us, "limit": limit})

    def _all(
        self, statement: Select[*tuple[object, ...]], parameters: dict[str, object]
    ) -> Sequence[Promotion]:
        rows = self._connection.execute(statement, parameters).all()
        decisions_of = self._decisions(row.number for row in rows)
        return [_promotion(row, decisions_of.get(row.number, ())) for row in rows]

    def _decisions(self, promotion_numbers: Iterable[int]) -> dict[int, tuple[Decision, ...]]:
        found: dict[int, tuple[Decision, ...]] = {}
        wanted = array(list(promotion_numbers))
        for row in self._connection.execute(_DECISIONS, {"promotions": wanted}):
            found[row.promotion] = (*found.get(row.promotion, ()), _decision(row))
        return found


def _promotion(row: AnyRow, decided: tuple[Decision, ...]) -> Promotion:
    return Promotion(
        number=row.number,
        model_key=row.model_key,
        version_key=row.version_key,
        model=row.model,
        namespace=row.namespace,
        version_number=row.version_number,
        digest=row.digest,
        stage=row.stage,
        state=PromotionState(row.state),
        requester=row.requester,
        note=row.note,
        decisions=decided,
        waiting=requirements_of(row.waiting),
        previous_number=row.previous_number,
        expected_current=row.expected_current,
        create_time_us=row.create_time_us,
        expire_time_us=row.expire_time_us,
        end_time_us=row.end_time_us,
        break_glass=bool(row.break_glass),
    )


def _decision(row: AnyRow) -> Decision:
    return Decision(
        outcome=Outcome(row.outcome),
        decider=row.decider,
        roles=names_of(row.roles),
        digest=row.digest,
        policy_digest=row.policy_digest,
        comment=row.comment,
        conditions=names_of(row.conditions),
        expire_time_us=row.expire_time_us,
        create_time_us=row.create_time_us,
        groups=names_of(row.groups),
        decider_uid=row.decider_uid,
        rules_digest=row.rules_digest,
    )
