"""What deleting a model of a Database takes along, and what it leaves."""

from __future__ import annotations

from dataclasses import replace

from registry.domain.models import Model
from registry.ports.database import Database, Transaction
from registry.testing.contracts.database.promotions import a_decision
from registry.testing.contracts.database.samples import T0, stored_model
from registry.testing.contracts.database.version_samples import (
    a_branch,
    a_manifest,
    a_period,
    a_promotion,
    add_commit,
    add_model,
    add_version,
    point,
)
from registry.testing.contracts.database.versions import CARD, add_evaluation


class DeletionContract:
    def test_takes_all_that_is_the_models(self, database: Database) -> None:
        """With a model go versions, commits, references, stages, promotions, evaluations, likes
        and downloads; manifests stay, and so does everything of other models."""
        doomed, kept = add_model(database), add_model(database)
        manifest = a_manifest()
        filled = [(model, fill(database, model)) for model in (doomed, kept)]
        database.write(lambda tx: tx.manifests.save(manifest))
        database.write(lambda tx: tx.models.delete(doomed.key))
        found = [remains(database, model, number) for model, number in filled]
        assert not any(found[0].values()), found[0]
        assert all(found[1].values()), found[1]
        assert database.read(lambda tx: tx.manifests.get(manifest.digest)) == manifest

    def test_a_number_is_never_given_out_again(self, database: Database) -> None:
        """A model that is made anew under an old name goes on where the old one's numbers ended."""
        model = add_model(database)
        for _ in range(3):
            add_version(database, model)
        database.write(lambda tx: tx.models.delete(model.key))
        again = stored_model(database, model.path)
        assert again.key != model.key
        assert add_version(database, again).number == 4

    def test_deleting_what_is_not_there_changes_nothing(self, database: Database) -> None:
        """A key without a model is no error."""
        model = add_model(database)
        database.write(lambda tx: tx.models.delete(model.key + 1))
        assert database.read(lambda tx: tx.models.get(model.path)) == model


def fill(database: Database, model: Model) -> int:
    """Give a model one of everything; the number of its promotion."""
    commit = add_commit(database, model)
    version = add_version(database, model, commit, lambda v: replace(v, card=CARD))
    add_evaluation(database, version, "tool")

    def write(tx: Transaction) -> int:
        point(tx, version, "best")
        branch = a_branch(commit, "main")
        tx.references.put(model.key, branch, version_key=None, commit_id=commit.id)
        number = tx.promotions.insert(a_promotion(version)).number
        tx.promotions.put_decision(number, a_decision(version, "grace"))
        tx.stages.move(model.key, replace(a_period(version, "staging"), promotion=number))
        tx.stages.move(model.key, replace(a_period(version, "staging"), promotion=number))
        tx.usage.record_download(model.path, version.key, "ada", T0)
        tx.usage.like(model.key, "ada", T0)
        return number

    return database.write(write)


def remains(database: Database, model: Model, promotion: int) -> dict[str, bool]:
    """What is found of what `fill` put in."""

    def read(tx: Transaction) -> dict[str, bool]:
        key, path = model.key, model.path
        return {
            "model": tx.models.get(path) is not None,
            "version": tx.versions.get(path, 1) is not None,
            "alias": tx.references.get(path, "best") is not None,
            "branch": tx.references.get(path, "main") is not None,
            "resolve": tx.versions.resolve(path, "staging") is not None,
            "stage": bool(tx.stages.of_model(path)),
            "history": bool(tx.stages.history(path, "staging", None, 9)),
            "promotion": tx.promotions.get(promotion) is not None,
            "downloads": bool(tx.usage.by_version(key, 9)),
            "likes": tx.usage.likes(key) > 0,
            "liked": tx.usage.liked(key, "ada"),
        }

    return database.read(read)
