"""What the terms of models, and who accepted them, have to pass on a Database."""

from __future__ import annotations

from dataclasses import replace

from registry.domain.access import Reach
from registry.domain.models import Model
from registry.domain.terms import Acceptance, AcceptanceState, Terms
from registry.ports.database import Database
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.version_samples import add_model, add_version, all_pages
from registry.testing.contracts.database.waivers import WORD

END = T0 + 1_000
DIGEST = "sha256:" + "7" * 64


def some_terms(model: Model, label: str = "v1") -> Terms:
    return Terms(
        model_key=model.key,
        model=model.path,
        label=label,
        text="Nur für Böses nicht.\nSonst gern.",
        url="https://corp/terms",
        validity_days=30,
        approval_required=True,
        create_time_us=T0,
        creator="sam",
    )


def an_acceptance(model: Model, principal: str = "ada") -> Acceptance:
    """To be inserted: granted until END."""
    return Acceptance(
        number=0,
        model_key=model.key,
        model=model.path,
        namespace=model.namespace,
        principal=principal,
        requester="ada",
        terms_digest=DIGEST,
        terms_label="v1",
        reason="für die Kasse",
        state=AcceptanceState.GRANTED,
        decision=WORD,
        create_time_us=T0,
        expire_time_us=END,
        end_time_us=None,
    )


def waiting(model: Model) -> Acceptance:
    return replace(an_acceptance(model), state=AcceptanceState.PENDING, decision=None)


def add(database: Database, acceptance: Acceptance) -> Acceptance:
    return database.write(lambda tx: tx.acceptances.insert(acceptance))


class TermsContract:
    def test_a_model_asks_for_the_terms_put_last(self, database: Database) -> None:
        """Terms come back whole; those put last are the model's, and its versions know them."""
        model, other = add_model(database), add_model(database)
        version = add_version(database, model)
        assert database.read(lambda tx: tx.terms.current(model.path)) is None
        assert database.read(lambda tx: tx.terms.current("fraud/gone")) is None
        first, second = some_terms(model), some_terms(model, "v2")
        for put in (first, second, first):
            database.write(lambda tx, put=put: tx.terms.put(put))  # type: ignore[misc]
            assert database.read(lambda tx: tx.terms.current(model.path)) == put
            for found in (
                database.read(lambda tx: tx.versions.by_key(version.key)),
                database.read(lambda tx: tx.versions.get(model.path, version.number)),
            ):
                assert found is not None
                assert found.terms_digest == put.digest
        assert database.read(lambda tx: tx.terms.current(other.path)) is None
        database.write(lambda tx: tx.terms.clear(model.key))
        assert database.read(lambda tx: tx.terms.current(model.path)) is None
        bare = database.read(lambda tx: tx.versions.by_key(version.key))
        assert bare is not None
        assert bare.terms_digest == ""

    def test_what_a_model_asked_for_is_found_by_its_digest(self, database: Database) -> None:
        """Also what it asks for no more; of another model nothing."""
        model, other = add_model(database), add_model(database)
        first, second = some_terms(model), some_terms(model, "v2")
        for put in (first, second):
            database.write(lambda tx, put=put: tx.terms.put(put))  # type: ignore[misc]
        for put in (first, second):
            digest = put.digest
            assert database.read(lambda tx, d=digest: tx.terms.find(model.path, d)) == put  # type: ignore[misc]
        assert database.read(lambda tx: tx.terms.find(other.path, first.digest)) is None
        assert database.read(lambda tx: tx.terms.find(model.path, "sha256:0")) is None

    def test_an_acceptance_is_kept_whole(self, database: Database) -> None:
        """An acceptance comes back as it was put in, with the number that it got."""
        model = add_model(database)
        for acceptance in (an_acceptance(model), waiting(model)):
            stored = add(database, acceptance)
            number = stored.number
            assert stored == replace(acceptance, number=number)
            assert database.read(lambda tx, n=number: tx.acceptances.get(n)) == stored  # type: ignore[misc]
            assert database.write(lambda tx, n=number: tx.acceptances.lock(n)) == stored  # type: ignore[misc]
        assert database.read(lambda tx: tx.acceptances.get(4711)) is None

    def test_a_state_comes_with_its_times(self, database: Database) -> None:
        """State, decision, time and end are stored together, and all else stays."""
        stored = add(database, waiting(add_model(database)))
        database.write(
            lambda tx: tx.acceptances.set_state(
                stored.number,
                AcceptanceState.REVOKED,
                decision=WORD,
                expire_time_us=T0 + 70,
                end_time_us=T0 + 60,
            )
        )
        assert database.read(lambda tx: tx.acceptances.get(stored.number)) == replace(
            stored,
            state=AcceptanceState.REVOKED,
            decision=WORD,
            expire_time_us=T0 + 70,
            end_time_us=T0 + 60,
        )

    def test_the_open_one(self, database: Database) -> None:
        """Of one principal for one model and these terms: what is granted, else what waits."""
        model, other = add_model(database), add_model(database)
        add(database, an_acceptance(other))
        add(database, an_acceptance(model, "alan"))
        add(database, replace(an_acceptance(model), terms_digest="sha256:other"))
        ended = replace(an_acceptance(model), state=AcceptanceState.REVOKED, end_time_us=T0)
        add(database, ended)

        def found(now_us: int = T0) -> Acceptance | None:
            return database.read(
                lambda tx: tx.acceptances.open_of(model.key, "ada", DIGEST, now_us)
            )

        assert found() is None
        first = add(database, waiting(model))
        assert found() == first
        granted = add(database, an_acceptance(model))
        assert found() == granted
        assert found(END - 1) == granted
        assert found(END) is None

    def test_lists_by_every_filter(self, database: Database) -> None:
        """Lists go from the newest down, in pages, by model, namespace, principal and state."""
        model, other = add_model(database), add_model(database, "risk")
        put = [
            add(database, an_acceptance(model)),
            add(database, waiting(model)),
            add(database, an_acceptance(other, "alan")),
            add(
                database,
                replace(an_acceptance(model), state=AcceptanceState.REJECTED, end_time_us=T0),
            ),
        ]
        order = [acceptance.number for acceptance in put]

        def found(
            *,
            patterns: tuple[str, ...] = ("*",),
            model: str = "",
            principal: str = "",
            state: AcceptanceState | None = None,
            now_us: int = T0,
        ) -> list[int]:
            listed = all_pages(
                lambda after: database.read(
                    lambda tx: tx.acceptances.list(
                        reach=Reach(allowed=tuple(patterns)),
                        model=model,
                        principal=principal,
                        state=state,
                        now_us=now_us,
                        after=after,
                        limit=2,
                    )
                ),
                lambda acceptance: (acceptance.number,),
                size=2,
            )
            return [order.index(acceptance.number) for acceptance in listed]

        assert found() == [3, 2, 1, 0]
        assert found(model=other.path) == [2]
        assert found(patterns=("ri*",)) == [2]
        assert found(patterns=()) == []
        assert found(principal="ada") == [3, 1, 0]
        assert found(state=AcceptanceState.GRANTED) == [2, 0]
        assert found(state=AcceptanceState.GRANTED, now_us=END) == []
        assert found(state=AcceptanceState.PENDING) == [1]
        assert found(state=AcceptanceState.EXPIRED, now_us=END) == [2, 1, 0]

    def test_finds_overdue_ones(self, database: Database) -> None:
        """Open ones whose time has run out are found, earliest end first."""
        model = add_model(database)
        for offset_us, acceptance in (
            (30, an_acceptance(model)),
            (10, waiting(model)),
            (20, replace(waiting(model), state=AcceptanceState.REVOKED, end_time_us=T0)),
            (40, waiting(model)),
        ):
            add(database, replace(acceptance, expire_time_us=T0 + offset_us))

        def overdue(now_us: int, limit: int = 10) -> list[int]:
            some = database.read(lambda tx: tx.acceptances.overdue(now_us, limit))
            return [acceptance.expire_time_us - T0 for acceptance in some]

        assert overdue(T0 + 30) == [10, 30]
        assert overdue(T0 + 30, 1) == [10]
        assert overdue(T0 + 9) == []

    def test_all_goes_with_its_model(self, database: Database) -> None:
        """A deleted model takes its terms and acceptances along."""
        model = add_model(database)
        database.write(lambda tx: tx.terms.put(some_terms(model)))
        gone = add(database, an_acceptance(model))
        database.write(lambda tx: tx.models.delete(model.key))
        assert database.read(lambda tx: tx.acceptances.get(gone.number)) is None
        assert database.read(lambda tx: tx.terms.current(model.path)) is None
