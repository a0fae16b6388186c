"""Reviews of what was moved without the decisions asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from sqlalchemy import Select, bindparam, insert, literal, literal_column, select, update

from registry.db.arrays import array, numbers
from registry.db.documents import decisions_of, decisions_text, names_of, names_text
from registry.db.locks import lock_rows
from registry.db.prepared import PreparedConnection
from registry.db.reach import reach_values, within
from registry.db.rows import AFTER_ALL, AnyRow, behind
from registry.db.tables import reviews
from registry.domain.access import Reach
from registry.domain.pages import Cursor
from registry.domain.promotions import Decision
from registry.domain.reviews import Review, ReviewState

_r = reviews.c
_INSERT = insert(reviews).returning(_r.number)
_ALL = select(reviews)
_GET = _ALL.where(_r.number == bindparam("number"))
_ROW = select(_r.number).where(_r.number == bindparam("number"))
_OF_PROMOTION = _ALL.where(_r.promotion == bindparam("promotion")).limit(literal(1))
_MANY = _ALL.where(_r.number.in_(numbers("numbers")))
# As text, since a partial index answers only to its own condition.
_pending = literal_column("reviews.state") == literal_column("'pending'")
_DUE = _ALL.where(_pending, _r.expire_time_us <= bindparam("now_us")).order_by(
    _r.expire_time_us, _r.number
)
_OVERDUE_OF = _DUE.where(_r.requester == bindparam("requester")).limit(literal(1))
_OVERDUE = _DUE.where(_r.overdue_time_us.is_(None)).limit(bindparam("limit"))
_MARK = (
    update(reviews)
    .where(_r.number == bindparam("review"))
    .values(overdue_time_us=bindparam("time_us"))
)
_SET_STATE = (
    update(reviews)
    .where(_r.number == bindparam("review"))
    .values(
        state=bindparam("to_state"), decisions=bindparam("decided"), end_time_us=bindparam("end_us")
    )
)


@cache
def _list(*, everywhere: bool, by_model: bool, by_state: bool) -> Select[*tuple[object, ...]]:
    statement = _ALL.where(_r.number < bindparam("before"))
    if by_model:
        statement = statement.where(_r.model == bindparam("model"))
    elif not everywhere:
        statement = statement.where(*within(_r.namespace, _r.model))
    if by_state:
        statement = statement.where(_r.state == bindparam("state"))
    return statement.order_by(_r.number.desc()).limit(bindparam("limit"))


class SqlReviews:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def insert(self, review: Review) -> Review:
        number = self._connection.execute(
            _INSERT,
            {
                "promotion": review.promotion,
                "model_key": review.model_key,
                "version_key": review.version_key,
                "model": review.model,
                "namespace": review.namespace,
                "version_number": review.version_number,
                "digest": review.digest,
                "stage": review.stage,
                "requester": review.requester,
                "reason": review.reason,
                "rules": names_text(review.rules, field="rules"),
                "state": review.state.value,
                "decisions": decisions_text(review.decisions),
                "create_time_us": review.create_time_us,
                "expire_time_us": review.expire_time_us,
                "overdue_time_us": review.overdue_time_us,
                "end_time_us": review.end_time_us,
            },
        ).scalar_one()
        return replace(review, number=number)

    def get(self, number: int) -> Review | None:
        found = self._all(_GET, {"number": number})
        return found[0] if found else None

    def lock(self, number: int) -> Review | None:
        lock_rows(self._connection, _ROW, {"number": number})
        return self.get(number)

    def many(self, numbers_in_order: Sequence[int]) -> Sequence[Review]:
        """Those that are there, in the order of the numbers."""
        found = self._all(_MANY, {"numbers": array(numbers_in_order)}) if numbers_in_order else ()
        by_number = {review.number: review for review in found}
        return [by_number[number] for number in numbers_in_order if number in by_number]

    def list(
        self,
        *,
        reach: Reach,
        model: str,
        state: ReviewState | None,
        after: Cursor | None,
        limit: int,
    ) -> Sequence[Review]:
        statement = _list(
            everywhere=reach.is_everything, by_model=bool(model), by_state=state is not None
        )
        return self._all(
            statement,
            {
                **reach_values(reach),
                "model": model,
                "state": state and state.value,
                "before": behind(after, AFTER_ALL),
                "limit": limit,
            },
        )

    def of_promotion(self, promotion: int) -> Review | None:
        found = self._all(_OF_PROMOTION, {"promotion": promotion})
        return found[0] if found else None

    def overdue_of(self, requester: str, now_us: int) -> Review | None:
        found = self._all(_OVERDUE_OF, {"requester": requester, "now_us": now_us})
        return found[0] if found else None

    def overdue(self, now_us: int, limit: int) -> Sequence[Review]:
        return self._all(_OVERDUE, {"now_us": now_us, "limit": limit})

    def mark_overdue(self, number: int, time_us: int) -> None:
        self._connection.execute_later(_MARK, {"review": number, "time_us": time_us})

    def set_state(
        self,
        number: int,
        state: ReviewState,
        *,
        decisions: tuple[Decision, ...],
        end_time_us: int | None,
    ) -> None:
        self._connection.execute_later(
            _SET_STATE,
            {
                "review": number,
                "to_state": state.value,
                "decided": decisions_text(decisions),
                "end_us": end_time_us,
            },
        )

    def _all(
        self, statement: Select[*tuple[object, ...]], parameters: dict[str, object]
    ) -> Sequence[Review]:
        return [_review(row) for row in self._connection.execute(statement, parameters)]


def _review(row: AnyRow) -> Review:
    return Review(
        number=row.number,
        promotion=row.promotion,
        model_key=row.model_key,
        version_key=row.version_key,
        model=row.model,
        namespace=row.namespace,
        version_number=row.version_number,
        digest=row.digest,
        stage=row.stage,
        requester=row.requester,
        reason=row.reason,
        rules=names_of(row.rules),
        state=ReviewState(row.state),
        decisions=decisions_of(row.decisions),
        create_time_us=row.create_time_us,
        expire_time_us=row.expire_time_us,
        overdue_time_us=row.overdue_time_us,
        end_time_us=row.end_time_us,
    )
