"""What the commits of a Database have to pass."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from registry.domain.commits import Commit
from registry.domain.models import Model
from registry.ports.database import Database, Transaction
from registry.ports.tables import Ground
from registry.testing.contracts.database.version_samples import (
    WRITERS,
    a_branch,
    a_commit,
    a_manifest,
    a_period,
    add_commit,
    add_model,
    add_version,
    point,
    race,
    store_commit,
)


def by_prefix(database: Database, model: Model, prefix: str) -> Sequence[Commit]:
    return database.read(lambda tx: tx.commits.by_prefix(model.key, prefix))


def history(database: Database, model: Model, id: str, limit: int) -> list[Commit]:
    return list(database.read(lambda tx: tx.commits.history(model.key, id, limit)))


def ground(
    database: Database,
    model: Model,
    branch: str = "main",
    *,
    tree: str = "",
    sha256s: Collection[str] = (),
) -> Ground:
    found = database.write(
        lambda tx: tx.commits.ground(model.path, branch, tree=tree, sha256s=sha256s)
    )
    assert found is not None
    return found


class CommitsContract:
    def test_keeps_what_was_put_in(self, database: Database) -> None:
        """A commit comes back as it was put in."""
        model = add_model(database)
        manifest = a_manifest()
        commit = replace(
            a_commit(model, manifest, "a" * 40, "b" * 40, message='größer "als"\n'),
            author="grace",
        )

        def write(tx: Transaction) -> None:
            tx.manifests.save(manifest)
            tx.commits.insert(commit)

        database.write(write)
        assert database.read(lambda tx: tx.commits.get(model.key, commit.id)) == commit

    def test_is_of_its_model_alone(self, database: Database) -> None:
        """A commit of one model is not found in another, and an unknown id is None."""
        first, second = add_model(database), add_model(database)
        commit = add_commit(database, first)
        assert database.read(lambda tx: tx.commits.get(second.key, commit.id)) is None
        assert database.read(lambda tx: tx.commits.get(first.key, "0" * 40)) is None

    def test_the_first_of_an_id_stays(self, database: Database) -> None:
        """Inserted again, by racing writers too and with other words, a commit stays as it is."""
        model = add_model(database)
        commit = add_commit(database, model)
        other = replace(commit, message="something else")
        race(WRITERS, lambda _: database.write(lambda tx: tx.commits.insert(other)))
        assert by_prefix(database, model, commit.id) == [commit]

    def test_ground_of_a_new_model(self, database: Database) -> None:
        """A model without commits has no branch; an unknown model is no ground."""
        model = add_model(database)
        assert ground(database, model) == Ground(
            model=model,
            taken_by=None,
            undecided=None,
            has_tree=False,
            all_granted=True,
            policy_digest="",
        )
        missing = database.write(
            lambda tx: tx.commits.ground("no/such", "main", tree="", sha256s={"a"})
        )
        assert missing is None

    def test_ground_tells_what_the_name_means(self, database: Database) -> None:
        """A branch with its head, or whatever else has the name, in any case."""
        model = add_model(database)
        version = add_version(database, model)
        commit = add_commit(database, model)

        def put(tx: Transaction) -> None:
            point(tx, version, "Best")
            branch = a_branch(commit, "main")
            tx.references.put(model.key, branch, version_key=None, commit_id=commit.id)

        database.write(put)
        for name in ("main", "MAIN", "best", "other"):
            found = ground(database, model, name)
            assert found.taken_by == database.read(
                lambda tx, name=name: tx.references.get(model.path, name)  # type: ignore[misc]
            )
            assert found.model == database.write(lambda tx: tx.models.lock(model.path))
            assert found.undecided is None

    def test_ground_tells_what_is_undecided_of_the_head(self, database: Database) -> None:
        """As it is told of a commit by itself, however many versions were cut from it."""
        model = add_model(database)
        commit = add_commit(database, model)
        branch = a_branch(commit, "main")
        database.write(
            lambda tx: tx.references.put(model.key, branch, version_key=None, commit_id=commit.id)
        )
        expected: list[tuple[str, tuple[str, ...]]] = []
        for people in (("ada",), ("ada", "größer"), ()):
            version = add_version(
                database,
                model,
                commit,
                lambda v, people=people: replace(v, contributors=people),  # type: ignore[misc]
            )
            expected.append((commit.tree, people))
            assert sorted(ground(database, model).undecided or ()) == sorted(expected)
        database.write(lambda tx: tx.stages.move(model.key, a_period(version, "staging")))
        assert ground(database, model).undecided == []

    def test_ground_tells_what_is_stored_and_granted(self, database: Database) -> None:
        """Whether a manifest is there, and whether each blob was sent to the model's namespace."""
        model, manifest = add_model(database), a_manifest()
        one, two, foreign = (str(number) * 64 for number in range(3))
        other = "other" + model.namespace

        def write(tx: Transaction) -> None:
            tx.manifests.save(manifest)
            tx.blob_grants.add(model.namespace, {one, two})
            tx.blob_grants.add(other, {one, foreign})

        database.write(write)
        assert ground(database, model, tree=manifest.digest).has_tree
        assert not ground(database, model, tree=manifest.digest[:-1]).has_tree
        for sha256s in ({one}, {one, two}, set[str]()):
            assert ground(database, model, sha256s=sha256s).all_granted
        for sha256s in ({foreign}, {one, foreign}, {"f" * 64, two}):
            assert not ground(database, model, sha256s=sha256s).all_granted

    def test_ground_is_held(self, database: Database) -> None:
        """Of writers that each move a branch on from where they found it none is lost."""
        model = add_model(database)

        def go_on(tx: Transaction) -> None:
            here = tx.commits.ground(model.path, "main", tree="", sha256s=())
            assert here is not None
            parents = [here.taken_by.target.rpartition("/")[2]] if here.taken_by else []
            commit = store_commit(tx, model, a_manifest(), *parents)
            branch = a_branch(commit, "main")
            tx.references.put(model.key, branch, version_key=None, commit_id=commit.id)

        race(WRITERS, lambda _: database.write(go_on))
        head = ground(database, model).taken_by
        assert head is not None
        assert len(history(database, model, head.target.rpartition("/")[2], 99)) == WRITERS

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
