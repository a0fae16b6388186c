"""Policy sets, their changes, and what gates were shown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Select, and_, bindparam, insert, or_, select, update
from sqlalchemy.dialects import postgresql

from registry.db.locks import lock_number, lock_rows
from registry.db.prepared import PreparedConnection
from registry.db.rows import AFTER_ALL, AnyRow, behind
from registry.db.tables import (
    active_policy,
    gate_inputs,
    gate_records,
    policy_changes,
    policy_sets,
)
from registry.domain.pages import Cursor
from registry.domain.policy_sets import PROPOSAL_TTL_US, ChangeState, GateRecord, PolicyChange
from registry.ports.waiver_tables import WaitingQuery

#: Id of the one row that says which set is active.
ONLY_POLICY = 1
#: Any number will do, as long as all releases agree on it.
_LOCK_NUMBER = 0x504F4C49

_ACTIVE = select(active_policy.c.digest).where(active_policy.c.id == ONLY_POLICY)
# SQLite has one writer at a time, and knows no such words.
_ACTIVE_SHARED = _ACTIVE.with_for_update(read=True)
_ACTIVATE = (
    update(active_policy)
    .where(active_policy.c.id == ONLY_POLICY, active_policy.c.digest == bindparam("before"))
    .values(digest=bindparam("to_digest"), time_us=bindparam("at_us"))
)
_ACTIVATE_FIRST = (
    postgresql.insert(active_policy).on_conflict_do_nothing().returning(active_policy.c.id)
)
_PUT = postgresql.insert(policy_sets).on_conflict_do_nothing()
_CONTENT = select(policy_sets.c.content).where(policy_sets.c.digest == bindparam("digest"))

_c = policy_changes.c
_INSERT_CHANGE = insert(policy_changes).returning(_c.number)
_CHANGES = select(policy_changes)
_CHANGE = _CHANGES.where(_c.number == bindparam("number"))
_CHANGE_ROW = select(_c.number).where(_c.number == bindparam("number"))
# All proposals wait equally long: made later is due later.
_pending = _c.state == ChangeState.PENDING.value
_running = _c.create_time_us > bindparam("made_until")
_out_of_time = and_(_pending, _c.create_time_us <= bindparam("made_until"))
_OVERDUE = (
    _CHANGES.where(_out_of_time).order_by(_c.create_time_us, _c.number).limit(bindparam("limit"))
)
_END_CHANGE = (
    update(policy_changes)
    .where(_c.number == bindparam("change"))
    .values(
        state=bindparam("to_state"),
        decider=bindparam("by"),
        comment=bindparam("word"),
        end_time_us=bindparam("at_us"),
    )
)

_PUT_INPUT = postgresql.insert(gate_inputs).on_conflict_do_nothing()
_RECORD = insert(gate_records)
_r = gate_records.c
_RECORDED = (
    select(gate_records, gate_inputs.c.document)
    .join_from(gate_records, gate_inputs, gate_inputs.c.sha256 == _r.input_sha256)
    .where(_r.promotion == bindparam("promotion"))
    .order_by(_r.key.desc())
    .limit(1)
)
_RECORDED_OF = _RECORDED.where(_r.decider == bindparam("decider"))


@cache
def _list(state: ChangeState | None) -> Select[*tuple[object, ...]]:
    statement = _CHANGES.where(_c.number < bindparam("before"))
    if state is ChangeState.PENDING:
        statement = statement.where(_pending, _running)
    elif state is ChangeState.EXPIRED:
        statement = statement.where(or_(_c.state == state.value, _out_of_time))
    elif state is not None:
        statement = statement.where(_c.state == state.value)
    return statement.order_by(_c.number.desc()).limit(bindparam("limit"))


@cache
def waiting(*, asked: bool) -> Select[*tuple[object, ...]]:
    """Pending rows, the earliest due first. Few, so that they may be sorted."""
    made = _c.create_time_us
    statement = _CHANGES.where(
        _pending,
        made >= bindparam("made_from"),
        or_(made > bindparam("made_from"), _c.number > bindparam("after_number")),
    )
    if asked:
        statement = statement.where(_c.proposer == bindparam("proposer"))
    return statement.order_by(made, _c.number).limit(bindparam("limit"))


class SqlPolicies:
    def __init__(self, connection: PreparedConnection, *, writing: bool) -> None:
        self._connection = connection
        #: Readers of PostgreSQL lock nothing.
        self._locks = writing and connection.dialect.name == "postgresql"

    def active(self, *, lock: bool = False) -> str:
        statement = _ACTIVE_SHARED if lock and self._locks else _ACTIVE
        found = self._connection.execute(statement, {})
        return found.scalar_one_or_none() or ""

    def activate(self, digest: str, before: str, time_us: int) -> bool:
        given = {"to_digest": digest, "before": before, "at_us": time_us}
        return self._connection.execute(_ACTIVATE, given).rowcount == 1

    def activate_first(self, digest: str, time_us: int) -> bool:
        given = {"id": ONLY_POLICY, "digest": digest, "time_us": time_us}
        return self._connection.execute(_ACTIVATE_FIRST, given).scalar_one_or_none() is not None

    def put(self, digest: str, content: bytes, time_us: int) -> None:
        given = {"digest": digest, "content": content, "create_time_us": time_us}
        self._connection.execute_later(_PUT, given)

    def content(self, digest: str) -> bytes | None:
        found = self._connection.execute(_CONTENT, {"digest": digest}).scalar_one_or_none()
        return None if found is None else bytes(found)

    def lock_changes(self) -> None:
        lock_number(self._connection, _LOCK_NUMBER)

    def insert_change(self, change: PolicyChange) -> PolicyChange:
        number: int = self._connection.execute(
            _INSERT_CHANGE,
            {
                "digest": change.digest,
                "base_digest": change.base_digest,
                "state": change.state.value,
                "proposer": change.proposer,
                "proposer_uid": change.proposer_uid,
                "token_creator": change.token_creator,
                "note": change.note,
                "decider": change.decider,
                "comment": change.comment,
                "create_time_us": change.create_time_us,
                "end_time_us": change.end_time_us,
            },
        ).scalar_one()
        stored = self.change(number)
        assert stored is not None
        return stored

    def change(self, number: int, *, lock: bool = False) -> PolicyChange | None:
        if lock:
            lock_rows(self._connection, _CHANGE_ROW, {"number": number})
        row = self._connection.execute(_CHANGE, {"number": number}).one_or_none()
        return None if row is None else _change(row)

    def changes(
        self, state: ChangeState | None, now_us: int, after: Cursor | None, limit: int
    ) -> Sequence[PolicyChange]:
        given = {
            "made_until": now_us - PROPOSAL_TTL_US,
            "before": behind(after, AFTER_ALL),
            "limit": limit,
        }
        return [_change(row) for row in self._connection.execute(_list(state), given)]

    def overdue(self, now_us: int, limit: int) -> Sequence[PolicyChange]:
        given = {"made_until": now_us - PROPOSAL_TTL_US, "limit": limit}
        return [_change(row) for row in self._connection.execute(_OVERDUE, given)]

    def waiting(self, query: WaitingQuery) -> Sequence[PolicyChange]:
        """What waits, as the inbox asks; its reach is no matter, since policies are everybody's."""
        given = {
            "made_from": query.from_us - PROPOSAL_TTL_US,
            "after_number": query.after_number,
            "proposer": query.requester,
            "limit": query.limit,
        }
        statement = waiting(asked=bool(query.requester))
        return [_change(row) for row in self._connection.execute(statement, given)]

    def end_change(
        self, number: int, state: ChangeState, *, decider: str, comment: str, time_us: int
    ) -> None:
        self._connection.execute_later(
            _END_CHANGE,
            {
                "change": number,
                "to_state": state.value,
                "by": decider,
                "word": comment,
                "at_us": time_us,
            },
        )

    def record(self, record: GateRecord, document: bytes) -> None:
        given = {"sha256": record.input_sha256, "document": document}
        self._connection.execute_later(_PUT_INPUT, given)
        self._connection.execute_later(
            _RECORD,
            {
                "promotion": record.promotion,
                "decider": record.decider,
                "input_sha256": record.input_sha256,
                "policy_digest": record.policy_digest,
                "results": record.results_json,
                "create_time_us": record.create_time_us,
            },
        )

    def recorded(
        self, promotion: int, decider: str | None = None
    ) -> tuple[GateRecord, bytes] | None:
        statement = _RECORDED if decider is None else _RECORDED_OF
        given = {"promotion": promotion, "decider": decider or ""}
        row = self._connection.execute(statement, given).one_or_none()
        return None if row is None else (_record(row), bytes(row.document))


def _change(row: AnyRow) -> PolicyChange:
    return PolicyChange(
        number=row.number,
        digest=row.digest,
        base_digest=row.base_digest,
        state=ChangeState(row.state),
        proposer=row.proposer,
        proposer_uid=row.proposer_uid,
        token_creator=row.token_creator,
        note=row.note,
        decider=row.decider,
        comment=row.comment,
        create_time_us=row.create_time_us,
        end_time_us=row.end_time_us,
    )


def _record(row: AnyRow) -> GateRecord:
    return GateRecord(
        promotion=row.promotion,
        decider=row.decider,
        input_sha256=row.input_sha256,
        policy_digest=row.policy_digest,
        results_json=row.results,
        create_time_us=row.create_time_us,
    )
