"""What the blob grants of a Database have to pass."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from registry.domain.access import Reach
from registry.domain.manifests import FILES_MAX, Manifest
from registry.domain.versions import Version, VersionState
from registry.ports.database import Database
from registry.testing.contracts.database.uploads import add, an_upload, end
from registry.testing.contracts.database.version_samples import (
    WRITERS,
    a_file,
    a_manifest,
    add_commit,
    add_model,
    add_version,
    in_state,
    race,
    sha256_of,
)

A, B, C = (sha256_of(content) for content in "abc")


def grant(database: Database, namespace: str, sha256s: Collection[str]) -> None:
    database.write(lambda tx: tx.blob_grants.add(namespace, sha256s))


def known(database: Database, namespace: str, sha256s: Collection[str]) -> set[str]:
    return database.read(lambda tx: tx.blob_grants.known(namespace, sha256s))


def fetchable(
    database: Database,
    patterns: Sequence[str],
    *sha256s: str,
    denied: tuple[str, ...] = (),
    models: tuple[str, ...] = ("*",),
) -> set[str]:
    reach = Reach(allowed=tuple(patterns), denied=denied, models=models)
    return database.read(lambda tx: tx.blob_grants.fetchable(reach, sha256s))


def referenced(database: Database, *sha256s: str) -> set[str]:
    return database.read(lambda tx: tx.blob_grants.referenced(sha256s))


def version_of(
    database: Database, namespace: str, path: str, state: VersionState = VersionState.RELEASED
) -> Version:
    """One with a single file, whose bytes are its path."""
    model = add_model(database, namespace)
    commit = add_commit(database, model, a_manifest(path))
    return add_version(database, model, commit, in_state(state))


class BlobGrantsContract:
    def test_a_namespace_knows_what_was_sent_to_it(self, database: Database) -> None:
        """Of the digests asked for, those granted to that namespace are known, repeats or not."""
        grant(database, "fraud", [A, B])
        grant(database, "fraud", [B, A])
        grant(database, "risk", [C])
        assert known(database, "fraud", [A, B, C]) == {A, B}
        assert known(database, "risk", {A, B, C}) == {C}
        assert known(database, "other", [A]) == set()
        assert known(database, "fraud", []) == set()
        grant(database, "fraud", [])

    def test_forgets_a_namespace(self, database: Database) -> None:
        """A namespace that is given back knows nothing any more; others know what they knew."""
        grant(database, "fraud", [A, B])
        grant(database, "risk", [A])
        database.write(lambda tx: tx.blob_grants.forget("fraud"))
        assert known(database, "fraud", [A, B]) == set()
        assert known(database, "risk", [A, B]) == {A}

    @pytest.mark.slow
    def test_takes_as_many_as_a_manifest_may_have(self, database: Database) -> None:
        """A hundred thousand digests are granted, known and looked up in one call each."""
        many = {sha256_of(f"{n}") for n in range(FILES_MAX)}
        grant(database, "fraud", many)
        assert known(database, "fraud", [*many, "0" * 64]) == many
        assert fetchable(database, ["*"], *many) == set()
        assert referenced(database, *many) == set()

    def test_racing_grants_all_succeed(self, database: Database) -> None:
        """Writers that grant the same digests in different orders do not block each other."""
        many = [sha256_of(f"{n}") for n in range(500)]
        race(WRITERS, lambda n: grant(database, "fraud", many[:: 1 if n % 2 else -1]))
        assert known(database, "fraud", many) == set(many)

    def test_released_bytes_of_covered_namespaces_can_be_fetched(self, database: Database) -> None:
        """What a RELEASED version of a covered namespace holds is fetchable, nothing else is."""
        version_of(database, "fraud", "a")
        version_of(database, "fraud-eu", "b")
        version_of(database, "fraud", "c", VersionState.QUARANTINED)
        assert fetchable(database, ["fraud"], A, B, C) == {A}
        assert fetchable(database, ["fraud*"], A, B, C) == {A, B}
        assert fetchable(database, ["*"], B, C) == {B}
        assert fetchable(database, ["risk", "%", "FRAUD"], A, B, C) == set()
        assert fetchable(database, [], A) == set()
        assert fetchable(database, ["*"], A, B, denied=("*-eu",)) == {A}
        assert fetchable(database, ["fraud"], A, denied=("*",)) == set()
        assert fetchable(database, ["*"], A, B, models=("fraud-eu/*",)) == {B}
        assert fetchable(database, ["*"], A, B, models=("Fraud*", "fraud_eu/*")) == set()
        assert fetchable(database, ["*"], A, B, models=()) == set()

    def test_one_released_version_of_many_is_enough(self, database: Database) -> None:
        """Bytes that quarantined and released versions share are fetchable until none is left."""
        version_of(database, "fraud", "a", VersionState.REJECTED)
        released = version_of(database, "fraud", "a")
        assert fetchable(database, ["fraud"], A) == {A}
        database.write(lambda tx: tx.versions.set_state(released.key, VersionState.RECALLED))
        assert fetchable(database, ["fraud"], A) == set()

    def test_tells_what_is_still_referred_to(self, database: Database) -> None:
        """Bytes of commits, versions and sessions that have not ended are referred to; those of a
        manifest that nothing uses are not."""
        model = add_model(database)
        add_commit(database, model, a_manifest("a"))
        unused = Manifest.of([a_file("b")])
        database.write(lambda tx: tx.manifests.save(unused))
        session = add(database, an_upload("c"))
        assert referenced(database, A, B, C) == {A, C}
        end(database, session)
        database.write(lambda tx: tx.models.delete(model.key))
        assert referenced(database, A, B, C) == set()
        assert referenced(database) == set()
