"""What the inbox of a Database has to pass."""

from __future__ import annotations

from dataclasses import replace

from registry.domain.access import EVERYTHING, Reach
from registry.domain.policy_sets import PROPOSAL_TTL_US, ChangeState
from registry.domain.promotions import PromotionState
from registry.domain.waivers import WaiverState
from registry.ports.database import Database
from registry.ports.waiver_tables import WaitingQuery
from registry.testing.contracts.database.policies import change as a_change
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.version_samples import (
    a_promotion,
    add_model,
    add_version,
)
from registry.testing.contracts.database.waivers import a_waiver

NOUNS = ("promotions", "waivers")


def due(database: Database, noun: str, query: WaitingQuery) -> list[tuple[int, int]]:
    """Due time, as microseconds after T0, and number of what waits."""
    found = database.read(lambda tx: getattr(tx.inbox, noun)(query))
    return [(each.expire_time_us - T0, each.number) for each in found]


class InboxContract:
    def test_the_earliest_due_comes_first(self, database: Database) -> None:
        """What is pending comes by due time, then number, behind a place, and no more than asked
        for."""
        version = add_version(database, add_model(database))
        model = database.read(lambda tx: tx.models.get(version.model))
        assert model is not None
        ends = (30, 10, 20, 10, 40)
        for offset_us in ends:
            end_us = T0 + offset_us
            database.write(
                lambda tx, end_us=end_us: (  # type: ignore[misc]
                    tx.promotions.insert(replace(a_promotion(version), expire_time_us=end_us)),
                    tx.waivers.insert(replace(a_waiver(model, version), expire_time_us=end_us)),
                )
            )
        ended = replace(a_promotion(version), state=PromotionState.REJECTED, end_time_us=T0)
        database.write(lambda tx: tx.promotions.insert(ended))
        granted = replace(a_waiver(model), state=WaiverState.GRANTED)
        database.write(lambda tx: tx.waivers.insert(granted))
        for noun in NOUNS:
            query = WaitingQuery(reach=EVERYTHING, from_us=T0, limit=10)
            found = due(database, noun, query)
            assert [end for end, _ in found] == sorted(ends)
            assert found == sorted(found)
            behind = replace(query, from_us=T0 + 10, after_number=found[0][1])
            assert due(database, noun, behind) == found[1:]
            assert due(database, noun, replace(query, limit=2)) == found[:2]
            assert due(database, noun, replace(query, from_us=T0 + 41)) == []

    def test_by_namespace_and_requester(self, database: Database) -> None:
        """Only what a pattern covers, and what somebody asked for where that is asked."""
        for namespace, who in (("fraud", "ada"), ("risk", "alan")):
            model = add_model(database, namespace)
            asked = replace(a_promotion(add_version(database, model)), requester=who)
            waiver = replace(a_waiver(model), requester=who)
            database.write(
                lambda tx, asked=asked, waiver=waiver: (  # type: ignore[misc]
                    tx.promotions.insert(asked),
                    tx.waivers.insert(waiver),
                )
            )
        for noun in NOUNS:

            def count(*patterns: str, requester: str = "", noun: str = noun) -> int:
                query = WaitingQuery(
                    reach=Reach(allowed=tuple(patterns)), requester=requester, from_us=T0, limit=10
                )
                return len(due(database, noun, query))

            assert count("*") == 2
            assert count("ri*") == 1
            assert count("r", "x*") == 0
            assert count() == 0
            assert count("*", requester="ada") == 1
            assert count("risk", requester="ada") == 0

    def test_policy_changes(self, database: Database) -> None:
        """Those that wait, the earliest made first, behind a place, also by their proposer."""
        made = [
            database.write(
                lambda tx, change=change: tx.policies.insert_change(change)  # type: ignore[misc]
            )
            for change in (
                replace(a_change(), create_time_us=T0 + 5),
                replace(a_change(), create_time_us=T0, proposer="eve"),
                replace(a_change(), create_time_us=T0 + 5),
                replace(a_change(), state=ChangeState.REJECTED, end_time_us=T0),
            )
        ]
        expected = [made[1], made[0], made[2]]
        due_us = T0 + PROPOSAL_TTL_US

        def found(from_us: int, after: int = 0, *, by: str = "", limit: int = 10) -> list[int]:
            query = WaitingQuery(
                reach=EVERYTHING,
                requester=by,
                from_us=from_us,
                after_number=after,
                limit=limit,
            )
            changes = database.read(lambda tx: tx.inbox.policy_changes(query))
            return [change.number for change in changes]

        numbers = [change.number for change in expected]
        assert found(T0) == found(due_us) == numbers
        assert found(due_us, numbers[0]) == numbers[1:]
        assert found(due_us + 5, numbers[1]) == numbers[2:]
        assert found(due_us + 6) == []
        assert found(T0, by="eve") == numbers[:1]
        assert found(T0, limit=2) == numbers[:2]
