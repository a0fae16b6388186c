"""What the waivers of a Database have to pass."""

from __future__ import annotations

from dataclasses import replace

from registry.domain.access import Reach
from registry.domain.models import Model
from registry.domain.promotions import Decision, Outcome
from registry.domain.versions import Version
from registry.domain.waivers import Waiver, WaiverState
from registry.ports.database import Database, Transaction
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.version_samples import (
    WRITERS,
    add_model,
    add_version,
    all_pages,
    race,
)

END = T0 + 1_000
WORD = Decision(
    outcome=Outcome.APPROVE,
    decider="grace",
    roles=("security",),
    groups=("cn=sec,dc=corp",),
    digest="sha256:" + "1" * 64,
    policy_digest="sha256:" + "3" * 64,
    comment="größer",
    conditions=("until the retrain",),
    expire_time_us=T0 + 77,
    create_time_us=T0 + 1,
)


def a_waiver(model: Model, version: Version | None = None) -> Waiver:
    """To be inserted: pending until END."""
    return Waiver(
        number=0,
        rule="METRIC-1",
        model_key=model.key,
        model=model.path,
        namespace=model.namespace,
        version_key=version.key if version else None,
        version_number=version.number if version else None,
        digest=version.digest if version else "",
        stage="",
        reason="für die Kasse",
        state=WaiverState.PENDING,
        requester="alan",
        decision=None,
        create_time_us=T0,
        expire_time_us=END,
        end_time_us=None,
    )


def granted(waiver: Waiver) -> Waiver:
    return replace(waiver, state=WaiverState.GRANTED, decision=WORD)


def add(database: Database, waiver: Waiver) -> Waiver:
    return database.write(lambda tx: tx.waivers.insert(waiver))


def get(database: Database, number: int) -> Waiver | None:
    return database.read(lambda tx: tx.waivers.get(number))


class WaiversContract:
    def test_a_waiver_is_kept_whole(self, database: Database) -> None:
        """A waiver comes back as it was put in, with the number that it got."""
        model = add_model(database)
        for waiver in (
            a_waiver(model),
            replace(granted(a_waiver(model, add_version(database, model))), stage="production"),
        ):
            stored = add(database, waiver)
            assert stored == replace(waiver, number=stored.number)
            assert get(database, stored.number) == stored
            assert database.write(lambda tx, n=stored.number: tx.waivers.lock(n)) == stored  # type: ignore[misc]

    def test_an_unknown_number_is_none(self, database: Database) -> None:
        """A number that was not given out is None, whether read or locked."""
        assert get(database, 4711) is None
        assert database.write(lambda tx: tx.waivers.lock(4711)) is None

    def test_a_state_comes_with_its_decision(self, database: Database) -> None:
        """State, decision and end are stored together, and all else stays."""
        stored = add(database, a_waiver(add_model(database)))
        database.write(
            lambda tx: tx.waivers.set_state(
                stored.number, WaiverState.REVOKED, decision=WORD, end_time_us=T0 + 50
            )
        )
        assert get(database, stored.number) == replace(
            stored, state=WaiverState.REVOKED, decision=WORD, end_time_us=T0 + 50
        )

    def test_lists_by_every_filter(self, database: Database) -> None:
        """Lists go from the newest down, in pages, by model, namespace, state at a moment, rule."""
        model, other = add_model(database), add_model(database, "risk")
        put = [
            add(database, a_waiver(model)),
            add(database, replace(a_waiver(model), rule="CARD-1")),
            add(database, granted(a_waiver(other))),
            add(database, replace(a_waiver(model), state=WaiverState.REJECTED, end_time_us=T0)),
        ]
        order = [waiver.number for waiver in put]

        def found(
            *,
            patterns: tuple[str, ...] = ("*",),
            model: str = "",
            state: WaiverState | None = None,
            rule: str = "",
            now_us: int = T0,
        ) -> list[int]:
            listed = all_pages(
                lambda after: database.read(
                    lambda tx: tx.waivers.list(
                        reach=Reach(allowed=tuple(patterns)),
                        model=model,
                        state=state,
                        rule=rule,
                        now_us=now_us,
                        after=after,
                        limit=2,
                    )
                ),
                lambda waiver: (waiver.number,),
                size=2,
            )
            return [order.index(waiver.number) for waiver in listed]

        assert found() == [3, 2, 1, 0]
        assert found(model=other.path) == [2]
        assert found(patterns=("ri*",)) == [2]
        assert found(patterns=()) == []
        assert found(rule="CARD-1") == [1]
        assert found(state=WaiverState.PENDING) == [1, 0]
        assert found(state=WaiverState.PENDING, now_us=END) == []
        assert found(state=WaiverState.GRANTED) == [2]
        assert found(state=WaiverState.GRANTED, now_us=END) == []
        assert found(state=WaiverState.EXPIRED, now_us=END) == [2, 1, 0]
        assert found(state=WaiverState.EXPIRED) == []
        assert found(state=WaiverState.REJECTED, now_us=END) == [3]

    def test_finds_what_is_pending(self, database: Database) -> None:
        """Pending ones of a model and a rule are found while their time runs."""
        model, other = add_model(database), add_model(database)
        first = add(database, a_waiver(model))
        add(database, granted(a_waiver(model)))
        add(database, replace(a_waiver(model), rule="CARD-1"))
        add(database, a_waiver(other))

        def found(now_us: int) -> list[Waiver]:
            return list(database.read(lambda tx: tx.waivers.pending(model.key, "METRIC-1", now_us)))

        assert found(T0) == [first]
        assert found(END) == []

    def test_live_ones_are_those_that_a_gate_may_count(self, database: Database) -> None:
        """Granted and running, of this version or its model, for this stage or all of them."""
        model, other = add_model(database), add_model(database)
        version, sibling = add_version(database, model), add_version(database, model)
        put = [
            add(database, granted(a_waiver(model))),
            add(database, granted(a_waiver(model, version))),
            add(database, replace(granted(a_waiver(model, version)), stage="production")),
            add(database, granted(a_waiver(model, sibling))),
            add(database, a_waiver(model, version)),
            add(database, granted(a_waiver(other))),
            add(
                database,
                replace(granted(a_waiver(model, version)), decision=replace(WORD, decider="ada")),
            ),
        ]
        order = [waiver.number for waiver in put]

        def live(stage: str, now_us: int = T0) -> list[int]:
            found = database.read(lambda tx: tx.waivers.live(version, stage, now_us))
            return [order.index(waiver.number) for waiver in found]

        assert live("production") == [0, 1, 2]
        assert live("staging") == [0, 1]
        assert live("") == [0, 1]
        assert live("production", END) == []

    def test_finds_overdue_ones(self, database: Database) -> None:
        """Open ones whose time has run out are found, earliest end first."""
        model = add_model(database)
        for offset_us, waiver in (
            (30, a_waiver(model)),
            (10, granted(a_waiver(model))),
            (20, replace(a_waiver(model), state=WaiverState.REVOKED, end_time_us=T0)),
            (40, a_waiver(model)),
        ):
            add(database, replace(waiver, expire_time_us=T0 + offset_us))

        def overdue(now_us: int, limit: int = 10) -> list[int]:
            some = database.read(lambda tx: tx.waivers.overdue(now_us, limit))
            return [waiver.expire_time_us - T0 for waiver in some]

        assert overdue(T0 + 30) == [10, 30]
        assert overdue(T0 + 30, 1) == [10]
        assert overdue(T0 + 9) == []

    def test_goes_with_its_model(self, database: Database) -> None:
        """A deleted model takes its waivers along; their numbers are not given out again."""
        model = add_model(database)
        gone = add(database, a_waiver(model, add_version(database, model)))
        database.write(lambda tx: tx.models.delete(model.key))
        assert get(database, gone.number) is None
        assert add(database, a_waiver(add_model(database))).number > gone.number

    def test_a_lock_sees_what_the_one_before_it_did(self, database: Database) -> None:
        """Of writers that lock one waiver, only the first finds it pending."""
        number = add(database, a_waiver(add_model(database))).number

        def decide(writer: int) -> bool:
            def write(tx: Transaction) -> bool:
                locked = tx.waivers.lock(number)
                assert locked is not None
                if locked.state is not WaiverState.PENDING:
                    return False
                word = replace(WORD, decider=f"p{writer}")
                tx.waivers.set_state(number, WaiverState.GRANTED, decision=word, end_time_us=None)
                return True

            return database.write(write)

        assert sorted(race(WRITERS, decide)) == [False] * (WRITERS - 1) + [True]
