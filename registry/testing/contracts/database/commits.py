"""What the commits of a Database have to pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from registry.domain.commits import Commit
from registry.domain.models import Model
from registry.ports.database import Database, Transaction
from registry.testing.contracts.database.version_samples import (
    WRITERS,
    a_commit,
    a_manifest,
    add_commit,
    add_model,
    race,
    store_commit,
)


def by_prefix(database: Database, model: Model, prefix: str) -> Sequence[Commit]:
    return database.read(lambda tx: tx.commits.by_prefix(model.key, prefix))


def history(database: Database, model: Model, id: str, limit: int) -> list[Commit]:
    return list(database.read(lambda tx: tx.commits.history(model.key, id, limit)))


class CommitsContract:
    def test_keeps_what_was_put_in(self, database: Database) -> None:
        """A commit comes back as it was put in, with its key."""
        model = add_model(database)
        manifest = a_manifest()
        commit = replace(
            a_commit(model, manifest, "a" * 40, "b" * 40, message='größer "als"\n'),
            author="grace",
        )

        def write(tx: Transaction) -> Commit:
            tx.manifests.save(manifest)
            return tx.commits.insert(commit)

        stored = database.write(write)
        assert stored.key > 0
        assert stored == replace(commit, key=stored.key)
        assert database.read(lambda tx: tx.commits.get(model.key, commit.id)) == stored

    def test_is_of_its_model_alone(self, database: Database) -> None:
        """A commit of one model is not found in another, and an unknown id is None."""
        first, second = add_model(database), add_model(database)
        commit = add_commit(database, first)
        assert database.read(lambda tx: tx.commits.get(second.key, commit.id)) is None
        assert database.read(lambda tx: tx.commits.get(first.key, "0" * 40)) is None

    def test_an_equal_one_is_the_stored_one(self, database: Database) -> None:
        """Inserted twice, by racing writers too, a commit is there once."""
        model = add_model(database)
        commit = add_commit(database, model)
        again = race(WRITERS, lambda _: database.write(lambda tx: tx.commits.insert(commit)))
        assert set(again) == {commit}

    def test_two_at_most_share_a_prefix(self, database: Database) -> None:
        """A prefix gives the commits that begin with it: none, the one, or two of several."""
        model = add_model(database)
        manifest = a_manifest()

        def write(tx: Transaction) -> list[str]:
            tx.manifests.save(manifest)
            ids = [prefix * 20 for prefix in ("ab", "cd", "ce", "cf", "ff")]
            for id in ids:
                tx.commits.insert(replace(a_commit(model, manifest), id=id))
            return ids

        ids = database.write(write)
        counts = {"ab": 1, "abababa": 1, "c": 2, "ff": 1, "f": 1, "e": 0, ids[1]: 1}
        for prefix, count in counts.items():
            found = by_prefix(database, model, prefix)
            assert len(found) == count
            assert all(commit.id.startswith(prefix) for commit in found)

    def test_history_follows_first_parents(self, database: Database) -> None:
        """History goes from a commit to its first parents, newest first, as far as is asked."""
        model = add_model(database)

        def write(tx: Transaction) -> list[Commit]:
            side = store_commit(tx, model, a_manifest())
            line = [store_commit(tx, model, a_manifest())]
            line.append(store_commit(tx, model, a_manifest(), line[0].id))
            line.append(store_commit(tx, model, a_manifest(), line[1].id, side.id))
            line.append(store_commit(tx, model, a_manifest(), line[2].id))
            return line

        line = database.write(write)
        newest_first = line[::-1]
        for limit in (1, 2, 4, 10):
            assert history(database, model, line[-1].id, limit) == newest_first[:limit]
        assert history(database, model, "0" * 40, 5) == []

    def test_history_of_a_cycle_ends(self, database: Database) -> None:
        """Ids that name each other as parents, as a mirrored hub might send, end at the limit."""
        model = add_model(database)
        manifest = a_manifest()

        def write(tx: Transaction) -> None:
            tx.manifests.save(manifest)
            for id, parent in (("a" * 40, "b" * 40), ("b" * 40, "a" * 40)):
                tx.commits.insert(replace(a_commit(model, manifest, parent), id=id))

        database.write(write)
        found = history(database, model, "a" * 40, 5)
        assert [commit.id[0] for commit in found] == list("ababa")
