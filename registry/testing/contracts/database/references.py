"""What the references of a Database have to pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from registry.domain.references import Reference, ReferenceKind
from registry.domain.versions import Version
from registry.ports.database import Database, Transaction
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.version_samples import (
    WRITERS,
    a_branch,
    a_reference,
    add_commit,
    add_model,
    add_version,
    all_pages,
    point,
    race,
)


def get(database: Database, model: str, id: str) -> Reference | None:
    return database.read(lambda tx: tx.references.get(model, id))


def put(database: Database, version: Version, reference: Reference) -> None:
    database.write(
        lambda tx: tx.references.put(
            version.model_key, reference, version_key=version.key, commit_id=None
        )
    )


def delete(database: Database, model_key: int, id: str) -> None:
    database.write(lambda tx: tx.references.delete(model_key, id))


class ReferencesContract:
    def test_keeps_aliases_and_tags(self, database: Database) -> None:
        """An alias and a tag come back as put in, with target and digest of their version."""
        version = add_version(database, add_model(database))
        for id, kind in (("best", ReferenceKind.ALIAS), ("v1.0", ReferenceKind.TAG)):
            reference = a_reference(version, id, kind)
            put(database, version, reference)
            assert get(database, version.model, id) == reference

    def test_keeps_branches(self, database: Database) -> None:
        """A branch comes back as put in, with its commit as target and no digest."""
        model = add_model(database)
        commit = add_commit(database, model)
        branch = a_branch(commit, "main")
        database.write(
            lambda tx: tx.references.put(model.key, branch, version_key=None, commit_id=commit.id)
        )
        assert get(database, model.path, "main") == branch

    def test_put_moves(self, database: Database) -> None:
        """Put again, a reference points elsewhere, and everything about it is the new one's."""
        model = add_model(database)
        first, second = add_version(database, model), add_version(database, model)
        database.write(lambda tx: point(tx, first, "best"))
        moved = replace(a_reference(second, "best"), update_time_us=T0 + 5, updater="grace")
        put(database, second, moved)
        assert get(database, model.path, "best") == moved
        assert len(database.read(lambda tx: tx.references.list(model.path, None, None, 10))) == 1

    def test_put_keeps_the_spelling(self, database: Database) -> None:
        """Put again in other case, a reference moves and is still spelt as it was."""
        model = add_model(database)
        first, second = add_version(database, model), add_version(database, model)
        put(database, first, a_reference(first, "Best"))
        put(database, second, a_reference(second, "bEST"))
        assert get(database, model.path, "best") == a_reference(second, "Best")

    def test_is_found_whatever_the_case(self, database: Database) -> None:
        """An id that differs only in case finds the reference that is there."""
        version = add_version(database, add_model(database))
        database.write(lambda tx: point(tx, version, "Best"))
        found = get(database, version.model, "bEST")
        assert found is not None
        assert found.id == "Best"

    def test_is_of_its_model_alone(self, database: Database) -> None:
        """A reference of one model is not found in another."""
        version = add_version(database, add_model(database))
        other = add_model(database)
        database.write(lambda tx: point(tx, version, "best"))
        assert get(database, other.path, "best") is None
        assert list(database.read(lambda tx: tx.references.list(other.path, None, None, 9))) == []

    def test_deleted_it_is_gone(self, database: Database) -> None:
        """A deleted reference is not found; deleting what is not there changes nothing."""
        version = add_version(database, add_model(database))
        database.write(lambda tx: point(tx, version, "best"))
        for id in ("worst", "best", "best"):
            delete(database, version.model_key, id)
        assert get(database, version.model, "best") is None

    def test_come_in_pages_by_id(self, database: Database) -> None:
        """A list goes in the byte order of ids, in pages, all kinds or one."""
        model = add_model(database)
        commit = add_commit(database, model)
        version = add_version(database, model, commit)
        ids = ["B", "a", "C", "b2", "A-1", "z"]

        def write(tx: Transaction) -> None:
            for id in ids:
                point(tx, version, id)
            branch = a_branch(commit, "main")
            tx.references.put(model.key, branch, version_key=None, commit_id=commit.id)

        database.write(write)

        def pages(kind: ReferenceKind | None) -> list[str]:
            found = all_pages(
                lambda after: database.read(
                    lambda tx: tx.references.list(model.path, kind, after, 2)
                ),
                lambda reference: (reference.id,),
                size=2,
            )
            return [reference.id for reference in found]

        assert pages(None) == sorted([*ids, "main"])
        assert pages(ReferenceKind.ALIAS) == sorted(ids)
        assert pages(ReferenceKind.BRANCH) == ["main"]
        assert pages(ReferenceKind.STAGE) == []

    def test_refuses_to_put_a_stage(self, database: Database) -> None:
        """A reference of kind stage is refused: stages are moved elsewhere."""
        version = add_version(database, add_model(database))
        stage = a_reference(version, "production", ReferenceKind.STAGE)
        with pytest.raises(ValueError, match="production"):
            put(database, version, stage)
        assert get(database, version.model, "production") is None

    def test_racing_puts_leave_one(self, database: Database) -> None:
        """Writers that put one new id at once all succeed, and one of them was last."""
        model = add_model(database)
        versions = [add_version(database, model) for _ in range(3)]
        race(WRITERS, lambda n: database.write(lambda tx: point(tx, versions[n % 3], "best")))
        found = get(database, model.path, "best")
        assert found in [a_reference(version, "best") for version in versions]
