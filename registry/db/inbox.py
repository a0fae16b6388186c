"""What waits for people: pending rows of several tables, each by its own index of due times."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Select, Table, bindparam, literal_column, or_, select

from registry.db.policies import SqlPolicies
from registry.db.prepared import PreparedConnection
from registry.db.promotions import SqlPromotions
from registry.db.reach import reach_values, within
from registry.db.reviews import SqlReviews
from registry.db.tables import acceptances, promotions, reviews, waivers
from registry.db.terms import SqlAcceptances
from registry.db.waivers import SqlWaivers
from registry.domain.policy_sets import PolicyChange
from registry.domain.promotions import Promotion
from registry.domain.reviews import Review
from registry.domain.terms import Acceptance
from registry.domain.waivers import Waiver
from registry.ports.waiver_tables import WaitingQuery


@cache
def waiting(table: Table, *, everywhere: bool, asked: bool) -> Select[*tuple[object, ...]]:
    """The numbers of a table's pending rows, the earliest due first."""
    due, number = table.c.expire_time_us, table.c.number
    statement = select(number).where(
        # As text, since a partial index answers only to its own condition.
        literal_column(f"{table.name}.state") == literal_column("'pending'"),
        due >= bindparam("from_us"),
        or_(due > bindparam("from_us"), number > bindparam("after_number")),
    )
    if asked:
        statement = statement.where(table.c.requester == bindparam("requester"))
    if not everywhere:
        statement = statement.where(*within(table.c.namespace, table.c.model))
    return statement.order_by(due, number).limit(bindparam("limit"))


class SqlInbox:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def promotions(self, query: WaitingQuery) -> Sequence[Promotion]:
        return SqlPromotions(self._connection).many(self._waiting(promotions, query))

    def waivers(self, query: WaitingQuery) -> Sequence[Waiver]:
        return SqlWaivers(self._connection).many(self._waiting(waivers, query))

    def acceptances(self, query: WaitingQuery) -> Sequence[Acceptance]:
        return SqlAcceptances(self._connection).many(self._waiting(acceptances, query))

    def reviews(self, query: WaitingQuery) -> Sequence[Review]:
        return SqlReviews(self._connection).many(self._waiting(reviews, query))

    def policy_changes(self, query: WaitingQuery) -> Sequence[PolicyChange]:
        return SqlPolicies(self._connection, writing=False).waiting(query)

    def _waiting(self, table: Table, query: WaitingQuery) -> list[int]:
        statement = waiting(
            table, everywhere=query.reach.is_everything, asked=bool(query.requester)
        )
        given = {
            "from_us": query.from_us,
            "after_number": query.after_number,
            "requester": query.requester,
            **reach_values(query.reach),
            "limit": query.limit,
        }
        return [row.number for row in self._connection.execute(statement, given)]
