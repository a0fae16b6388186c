"""The contract of the metadata port for versions and what belongs to them, on both databases."""

from __future__ import annotations

from registry.testing.contracts.database.commits import CommitsContract
from registry.testing.contracts.database.manifests import ManifestsContract
from registry.testing.contracts.database.references import ReferencesContract
from registry.testing.contracts.database.stages import StagesContract
from registry.testing.contracts.database.versions import VersionsContract


class TestManifests(ManifestsContract):
    pass


class TestCommits(CommitsContract):
    pass


class TestReferences(ReferencesContract):
    pass


class TestStages(StagesContract):
    pass


class TestVersions(VersionsContract):
    pass
