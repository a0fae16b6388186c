"""What the promotions of a Database have to pass."""

from __future__ import annotations

from dataclasses import replace

from registry.domain.access import EVERYTHING, Reach
from registry.domain.policies import Requirement
from registry.domain.promotions import Decision, Outcome, Promotion, PromotionState
from registry.domain.versions import Version
from registry.ports.database import Database, Transaction
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.version_samples import (
    WRITERS,
    a_promotion,
    add_model,
    add_version,
    all_pages,
    race,
)

WAITING = (Requirement(rule="FOUR-EYES", message="nobody else decided", fix="ask grace"),)


def add(database: Database, promotion: Promotion) -> Promotion:
    return database.write(lambda tx: tx.promotions.insert(promotion))


def get(database: Database, number: int) -> Promotion | None:
    return database.read(lambda tx: tx.promotions.get(number))


def decide(database: Database, number: int, decision: Decision) -> None:
    database.write(lambda tx: tx.promotions.put_decision(number, decision))


def set_state(database: Database, number: int, state: PromotionState) -> None:
    database.write(lambda tx: tx.promotions.set_state(number, state, T0 + 50))


def a_decision(version: Version, decider: str, outcome: Outcome = Outcome.APPROVE) -> Decision:
    return Decision(
        outcome=outcome,
        decider=decider,
        roles=("reviewer", "security"),
        digest=version.digest,
        policy_digest="sha256:" + "3" * 64,
        comment="größer",
        conditions=("bis Mai",),
        expire_time_us=T0 + 900,
        create_time_us=T0 + 1,
        groups=("ml", "sécurité"),
        decider_uid=f"uid-{decider}",
        rules_digest="sha256:" + "4" * 64,
    )


class PromotionsContract:
    def test_a_promotion_is_kept_whole(self, database: Database) -> None:
        """A promotion comes back as it was put in, with the number that it got."""
        version = add_version(database, add_model(database))
        promotion = replace(
            a_promotion(version),
            note="für die Kasse",
            waiting=WAITING,
            previous_number=6,
            expected_current=-1,
        )
        stored = add(database, promotion)
        assert stored.number > 0
        assert stored == replace(promotion, number=stored.number)
        assert get(database, stored.number) == stored
        assert database.write(lambda tx: tx.promotions.lock(stored.number)) == stored

    def test_an_unknown_number_is_none(self, database: Database) -> None:
        """A number that was not given out is None, whether read or locked."""
        assert get(database, 4711) is None
        assert database.write(lambda tx: tx.promotions.lock(4711)) is None

    def test_numbers_go_up_over_all_models(self, database: Database) -> None:
        """Each promotion has a greater number than those before it, of whatever model."""
        versions = [add_version(database, add_model(database)) for _ in range(3)]
        numbers = [add(database, a_promotion(version)).number for version in versions]
        assert numbers == sorted(set(numbers))

    def test_racing_writers_get_numbers_of_their_own(self, database: Database) -> None:
        """No two promotions share a number, however many are made at once."""
        version = add_version(database, add_model(database))

        def write(_: int) -> list[int]:
            return [add(database, a_promotion(version)).number for _ in range(5)]

        numbers = [number for some in race(WRITERS, write) for number in some]
        assert len(set(numbers)) == WRITERS * 5

    def test_decisions_come_in_order_of_time(self, database: Database) -> None:
        """Decisions come as they were made; one person's later word takes the earlier's place."""
        version = add_version(database, add_model(database))
        number = add(database, a_promotion(version)).number
        for decider in ("grace", "ada", "edsger"):
            decide(database, number, a_decision(version, decider))
        changed = a_decision(version, "ada", Outcome.REJECT)
        decide(database, number, changed)
        found = get(database, number)
        assert found is not None
        assert found.decisions == (
            a_decision(version, "grace"),
            a_decision(version, "edsger"),
            changed,
        )

    def test_one_with_decisions_can_be_inserted(self, database: Database) -> None:
        """Decisions that a promotion has when it is inserted are stored with it."""
        version = add_version(database, add_model(database))
        promotion = replace(a_promotion(version), decisions=(a_decision(version, "grace"),))
        stored = add(database, promotion)
        assert get(database, stored.number) == replace(promotion, number=stored.number)

    def test_state_moves_with_its_time(self, database: Database) -> None:
        """A state is stored with the time of its end, and all else stays."""
        version = add_version(database, add_model(database))
        stored = add(database, a_promotion(version))
        set_state(database, stored.number, PromotionState.COMPLETED)
        assert get(database, stored.number) == replace(
            stored, state=PromotionState.COMPLETED, end_time_us=T0 + 50
        )

    def test_what_it_waits_for_can_change(self, database: Database) -> None:
        """What a promotion still waits for is replaced as a whole."""
        version = add_version(database, add_model(database))
        stored = add(database, a_promotion(version))
        for waiting in (WAITING, ()):
            set_waiting(database, stored.number, waiting)
            assert get(database, stored.number) == replace(stored, waiting=waiting)

    def test_lists_by_every_filter(self, database: Database) -> None:
        """Lists go from the newest down, in pages, by model, state at a moment, and stage."""
        version = add_version(database, add_model(database))
        other = add_version(database, add_model(database))
        put = [
            add(database, a_promotion(version)),
            add(database, a_promotion(version, "staging")),
            add(database, a_promotion(other)),
            add(database, replace(a_promotion(version), expire_time_us=T0 + 5)),
            add(database, a_promotion(version)),
        ]
        set_state(database, put[4].number, PromotionState.EXPIRED)
        set_state(database, put[1].number, PromotionState.REJECTED)

        def found(
            *, state: PromotionState | None = None, model: str = "", stage: str = "", now_us: int
        ) -> list[int]:
            listed = all_pages(
                lambda after: database.read(
                    lambda tx: tx.promotions.list(
                        patterns=EVERYTHING,
                        model=model,
                        state=state,
                        stage=stage,
                        now_us=now_us,
                        after=after,
                        limit=2,
                    )
                ),
                lambda promotion: (promotion.number,),
                size=2,
            )
            order = [promotion.number for promotion in put]
            return [order.index(promotion.number) for promotion in listed]

        assert found(now_us=T0) == [4, 3, 2, 1, 0]
        assert found(now_us=T0, model=other.model) == [2]
        assert found(now_us=T0, stage="staging") == [1]
        assert found(now_us=T0 + 4, state=PromotionState.PENDING) == [3, 2, 0]
        assert found(now_us=T0 + 5, state=PromotionState.PENDING) == [2, 0]
        assert found(now_us=T0 + 5, state=PromotionState.EXPIRED) == [4, 3]
        assert found(now_us=T0, state=PromotionState.REJECTED, model=version.model) == [1]
        assert found(now_us=T0, state=PromotionState.WITHDRAWN) == []
        assert found(now_us=T0 + 10**6, state=PromotionState.PENDING) == []

    def test_lists_what_patterns_cover(self, database: Database) -> None:
        """Without a model, promotions of namespaces that a pattern covers are listed, no others."""
        for namespace in ("fraud", "fraud-eu", "risk", "a-b"):
            add(database, a_promotion(add_version(database, add_model(database, namespace))))

        def covered(
            *patterns: str, denied: tuple[str, ...] = (), models: tuple[str, ...] = ("*",)
        ) -> list[str]:
            return namespaces(database, Reach(allowed=patterns, denied=denied, models=models))

        assert covered("*") == ["a-b", "risk", "fraud-eu", "fraud"]
        assert covered("fraud") == ["fraud"]
        assert covered("fraud*", "risk") == ["risk", "fraud-eu", "fraud"]
        assert covered("*-*") == ["a-b", "fraud-eu"]
        assert covered("f%", "a_b", "FRAUD", "?isk", "[r]isk") == []
        assert covered() == []
        assert covered("*", denied=("fraud*",)) == ["a-b", "risk"]
        assert covered("fraud*", "risk", denied=("risk", "*-eu")) == ["fraud"]
        assert covered("*", denied=("*",)) == []
        assert covered("*", models=("fraud/*", "risk/*")) == ["risk", "fraud"]
        assert covered("fraud*", denied=("fraud",), models=("fraud*",)) == ["fraud-eu"]
        assert covered("*", models=()) == []
        assert covered("*", models=("FRAUD/*", "fraud_eu/*", "%", "?isk/*")) == []

    def test_finds_open_ones_of_a_version(self, database: Database) -> None:
        """Those still pending at a moment are found, for one stage or all, with decisions."""
        model = add_model(database)
        version, other = add_version(database, model), add_version(database, model)
        put = [
            add(database, a_promotion(version)),
            add(database, a_promotion(version, "staging")),
            add(database, a_promotion(other)),
            add(database, a_promotion(version)),
        ]
        set_state(database, put[3].number, PromotionState.WITHDRAWN)
        decide(database, put[0].number, a_decision(version, "grace"))

        def found(stage: str, now_us: int) -> list[int]:
            some = database.read(lambda tx: tx.promotions.open_of(version.key, stage, now_us))
            return [promotion.number for promotion in some]

        assert found("", T0) == [put[0].number, put[1].number]
        assert found("staging", T0) == [put[1].number]
        assert found("", T0 + 1_000) == []
        first = database.read(lambda tx: tx.promotions.open_of(version.key, "production", T0))[0]
        assert first.decisions == (a_decision(version, "grace"),)

    def test_finds_overdue_ones(self, database: Database) -> None:
        """Pending ones whose time has run out are found, earliest end first."""
        version = add_version(database, add_model(database))
        put = [
            add(database, replace(a_promotion(version), expire_time_us=T0 + offset_us))
            for offset_us in (30, 10, 20, 40, 10)
        ]
        set_state(database, put[4].number, PromotionState.COMPLETED)

        def overdue(now_us: int, limit: int) -> list[int]:
            some = database.read(lambda tx: tx.promotions.overdue(now_us, limit))
            return [promotion.expire_time_us - T0 for promotion in some]

        assert overdue(T0 + 30, 10) == [10, 20, 30]
        assert overdue(T0 + 30, 2) == [10, 20]
        assert overdue(T0 + 9, 10) == []

    def test_a_lock_sees_what_the_one_before_it_did(self, database: Database) -> None:
        """Of writers that lock one promotion, each sees the decisions of those before it."""
        version = add_version(database, add_model(database))
        number = add(database, a_promotion(version)).number

        def decide_after_looking(writer: int) -> int:
            def write(tx: Transaction) -> int:
                locked = tx.promotions.lock(number)
                assert locked is not None
                tx.promotions.put_decision(number, a_decision(version, f"p{writer}"))
                return len(locked.decisions)

            return database.write(write)

        seen = race(WRITERS, decide_after_looking)
        assert sorted(seen) == list(range(WRITERS))


def set_waiting(database: Database, number: int, waiting: tuple[Requirement, ...]) -> None:
    database.write(lambda tx: tx.promotions.set_waiting(number, waiting))


def namespaces(database: Database, patterns: Reach) -> list[str]:
    """Those of the promotions that a list with these patterns shows."""
    found = database.read(
        lambda tx: tx.promotions.list(
            patterns=patterns, model="", state=None, stage="", now_us=T0, after=None, limit=100
        )
    )
    return [promotion.namespace for promotion in found]
