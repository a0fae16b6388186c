"""What the reminders of a Database have to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from registry.domain.inbox import InboxKind
from registry.domain.policy_sets import PROPOSAL_TTL_US, ChangeState
from registry.domain.promotions import PromotionState
from registry.domain.reviews import ReviewState
from registry.domain.terms import AcceptanceState
from registry.domain.waivers import WaiverState
from registry.ports.database import Database, Transaction
from registry.ports.webhook_tables import Due
from registry.testing.contracts.database.policies import change
from registry.testing.contracts.database.reviews import a_review, broken
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.terms import waiting
from registry.testing.contracts.database.version_samples import (
    a_promotion,
    add_model,
    add_version,
    race,
)
from registry.testing.contracts.database.waivers import a_waiver

DAY_US = 24 * 3600 * 1_000_000
#: A proposal's time is what it is, so the others are given as much.
SPAN_US = PROPOSAL_TTL_US
HALF_US, LAST_DAY_US, END_US = T0 + SPAN_US // 2, T0 + SPAN_US - DAY_US, T0 + SPAN_US


def add_one_each(database: Database, span_us: int = SPAN_US) -> dict[InboxKind, int]:
    """One of each kind that waits from T0 on, by number."""
    model = add_model(database)
    version = add_version(database, model)
    times: dict[str, Any] = {"create_time_us": T0, "expire_time_us": T0 + span_us}
    review = a_review(broken(database))

    def fn(tx: Transaction) -> dict[InboxKind, int]:
        proposal = replace(change(), create_time_us=T0)
        return {
            InboxKind.PROMOTION: tx.promotions.insert(
                replace(a_promotion(version), **times)
            ).number,
            InboxKind.WAIVER: tx.waivers.insert(replace(a_waiver(model), **times)).number,
            InboxKind.ACCESS: tx.acceptances.insert(replace(waiting(model), **times)).number,
            InboxKind.REVIEW: tx.reviews.insert(replace(review, **times)).number,
            InboxKind.POLICY: tx.policies.insert_change(proposal).number,
        }

    return database.write(fn)


def due(database: Database, kind: InboxKind, now_us: int) -> list[Due]:
    return list(database.read(lambda tx: tx.reminders.due(kind, now_us, 10)))


#: How each ends that waits.
END: dict[InboxKind, Callable[[Transaction, int], None]] = {
    InboxKind.PROMOTION: lambda tx, number: tx.promotions.set_state(
        number, PromotionState.WITHDRAWN, T0
    ),
    InboxKind.WAIVER: lambda tx, number: tx.waivers.set_state(
        number, WaiverState.WITHDRAWN, decision=None, end_time_us=T0
    ),
    InboxKind.ACCESS: lambda tx, number: tx.acceptances.set_state(
        number, AcceptanceState.REVOKED, decision=None, expire_time_us=END_US, end_time_us=T0
    ),
    InboxKind.REVIEW: lambda tx, number: tx.reviews.set_state(
        number, ReviewState.UPHELD, decisions=(), end_time_us=T0
    ),
    InboxKind.POLICY: lambda tx, number: tx.policies.end_change(
        number, ChangeState.WITHDRAWN, decider="", comment="", time_us=T0
    ),
}


class RemindersContract:
    def test_each_is_due_once_a_mark(self, database: Database) -> None:
        """At half of the time, and a day before its end, until it is marked; never at the end."""
        for kind, number in add_one_each(database).items():
            half, last = (Due(kind=kind, number=number, mark=m) for m in ("half", "last_day"))
            assert due(database, kind, HALF_US - 1) == []
            assert due(database, kind, HALF_US) == [half]
            assert database.write(lambda tx, half=half: tx.reminders.mark(half))  # type: ignore[misc]
            assert not database.write(lambda tx, half=half: tx.reminders.mark(half))  # type: ignore[misc]
            assert due(database, kind, LAST_DAY_US - 1) == []
            assert due(database, kind, LAST_DAY_US) == [last]
            assert due(database, kind, END_US - 1) == [last]
            assert due(database, kind, END_US) == []

    def test_kinds_are_told_apart(self, database: Database) -> None:
        """What is marked of one kind is marked of no other of that number."""
        numbers = add_one_each(database)
        for number in set(numbers.values()):
            one = Due(kind=InboxKind.PROMOTION, number=number, mark="half")
            database.write(lambda tx, one=one: tx.reminders.mark(one))  # type: ignore[misc]
        found = [kind for kind in numbers if due(database, kind, HALF_US)]
        assert found == [kind for kind in numbers if kind is not InboxKind.PROMOTION]

    def test_what_has_ended_is_not_due(self, database: Database) -> None:
        """Whatever is stored as no longer pending."""
        for kind, number in add_one_each(database).items():
            assert len(due(database, kind, LAST_DAY_US)) == 2
            database.write(lambda tx, kind=kind, number=number: END[kind](tx, number))  # type: ignore[misc]
            assert due(database, kind, LAST_DAY_US) == []

    def test_what_has_a_day_has_no_last_one(self, database: Database) -> None:
        """Of what never had more than a day, half of its time alone is told of."""
        for kind in set(add_one_each(database, span_us=DAY_US)) - {InboxKind.POLICY}:
            found = due(database, kind, T0 + DAY_US - 1)
            assert [each.mark for each in found] == ["half"]

    def test_one_of_many_marks(self, database: Database) -> None:
        """Of those who mark one thing at once, one does."""
        one = Due(kind=InboxKind.WAIVER, number=1, mark="half")
        marked = race(4, lambda _: database.write(lambda tx: tx.reminders.mark(one)))
        assert sorted(marked) == [False, False, False, True]
