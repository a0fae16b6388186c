"""What a Database has to pass where many versions are looked up at once."""

from __future__ import annotations

from registry.ports.database import Database
from registry.testing.contracts.database.samples import stored_model
from registry.testing.contracts.database.version_samples import add_model, add_version, fresh
from registry.testing.contracts.database.versions import get


class VersionLookupsContract:
    def test_versions_by_keys(self, database: Database) -> None:
        """Versions come by their keys, as they come one by one; unknown keys are left out."""
        model, other = add_model(database), add_model(database)
        versions = [add_version(database, each) for each in (model, model, other)]
        wanted = {versions[0].key, versions[2].key, 10**9}
        found = database.read(lambda tx: tx.versions.by_keys(wanted))
        assert found == {each.key: get(database, each) for each in (versions[0], versions[2])}
        assert database.read(lambda tx: tx.versions.by_keys(())) == {}

    def test_versions_by_names(self, database: Database) -> None:
        """Versions come by model and number, with all that points to them; others are left out,
        also those of a model whose name differs in a capital."""
        path = f"fraud/{fresh('Größe')}"
        model, other = stored_model(database, path), add_model(database)
        versions = [add_version(database, each) for each in (model, model, other)]
        wanted = {(model.path, 1), (other.path, 1), (model.path, 3), (other.path, 2)}
        wanted |= {(model.path.lower(), 1), ("fraud/none", 1), (model.path, 2**62)}
        found = database.read(lambda tx: tx.versions.by_names(wanted))
        expected = (versions[0], versions[2])
        assert found == {(each.model, each.number): get(database, each) for each in expected}
        assert database.read(lambda tx: tx.versions.by_names(())) == {}

    def test_many_are_looked_up_at_once(self, database: Database) -> None:
        """However many are asked for, it is one question."""
        version = add_version(database, add_model(database))
        keys = range(version.key, version.key + 50_000)
        names = [(version.model, number) for number in range(50_000)]
        assert list(database.read(lambda tx: tx.versions.by_keys(keys))) == [version.key]
        assert list(database.read(lambda tx: tx.versions.by_names(names))) == [names[1]]
