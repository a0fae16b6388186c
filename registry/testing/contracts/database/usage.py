"""What the usage table of a Database has to pass."""

from __future__ import annotations

from registry.domain.models import Model
from registry.domain.usage import PrincipalUsage, VersionUsage
from registry.domain.versions import Version
from registry.ports.database import Database
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.version_samples import (
    WRITERS,
    add_model,
    add_version,
    race,
)


def download(database: Database, version: Version, id: str, principal: str, time_us: int) -> bool:
    return database.write(lambda tx: tx.usage.record_download(id, version.key, principal, time_us))


def like(database: Database, model: Model, principal: str) -> bool:
    return database.write(lambda tx: tx.usage.like(model.key, principal, T0))


def unlike(database: Database, model: Model, principal: str) -> bool:
    return database.write(lambda tx: tx.usage.unlike(model.key, principal))


def stored(database: Database, model: Model) -> Model:
    found = database.read(lambda tx: tx.models.get(model.path))
    assert found is not None
    return found


class UsageContract:
    def test_downloads_are_counted_by_version_and_principal(self, database: Database) -> None:
        """Counts and last times are told by version, newest first, and by principal, most recent
        first, of one model."""
        model = add_model(database)
        first, second = add_version(database, model), add_version(database, model)
        other = add_version(database, add_model(database))
        download(database, first, "d1", "ada", T0 + 3)
        download(database, first, "d2", "ada", T0 + 1)
        download(database, first, "d3", "grace", T0 + 2)
        download(database, second, "d4", "ada", T0 + 9)
        download(database, other, "d5", "ada", T0 + 99)
        by_version = database.read(lambda tx: tx.usage.by_version(model.key, 10))
        assert by_version == [
            VersionUsage(version=second.name, download_count=1, last_time_us=T0 + 9),
            VersionUsage(version=first.name, download_count=3, last_time_us=T0 + 3),
        ]
        by_principal = database.read(lambda tx: tx.usage.by_principal(model.key, 2))
        assert by_principal == [
            PrincipalUsage(
                principal="ada", version=second.name, download_count=1, last_time_us=T0 + 9
            ),
            PrincipalUsage(
                principal="ada", version=first.name, download_count=2, last_time_us=T0 + 3
            ),
        ]
        assert len(database.read(lambda tx: tx.usage.by_version(model.key, 1))) == 1
        assert stored(database, model).download_count == 4

    def test_a_download_counts_once(self, database: Database) -> None:
        """An id that was counted is not counted again, racing calls included."""
        model = add_model(database)
        version = add_version(database, model)
        told = race(WRITERS, lambda _: download(database, version, "d1", "ada", T0))
        assert told.count(True) == 1
        assert stored(database, model).download_count == 1

    def test_no_racing_download_is_lost(self, database: Database) -> None:
        """Downloads that happen at once are all counted."""
        model = add_model(database)
        version = add_version(database, model)
        race(WRITERS, lambda n: download(database, version, f"d{n}", "ada", T0 + n))
        [usage] = database.read(lambda tx: tx.usage.by_version(model.key, 10))
        assert (usage.download_count, usage.last_time_us) == (WRITERS, T0 + WRITERS - 1)
        assert stored(database, model).download_count == WRITERS

    def test_a_model_without_downloads_has_none(self, database: Database) -> None:
        """Before the first download nothing is told."""
        model = add_model(database)
        add_version(database, model)
        assert list(database.read(lambda tx: tx.usage.by_version(model.key, 10))) == []
        assert list(database.read(lambda tx: tx.usage.by_principal(model.key, 10))) == []

    def test_likes_repeat_safely(self, database: Database) -> None:
        """A like counts once a principal and can be taken back once; whether it did is told."""
        model, other = add_model(database), add_model(database)
        assert like(database, model, "ada")
        assert not like(database, model, "ada")
        assert like(database, model, "grace")
        assert like(database, other, "ada")
        assert database.read(lambda tx: tx.usage.likes(model.key)) == 2
        assert database.read(lambda tx: tx.usage.liked(model.key, "ada"))
        assert unlike(database, model, "ada")
        assert not unlike(database, model, "ada")
        assert not database.read(lambda tx: tx.usage.liked(model.key, "ada"))
        assert database.read(lambda tx: tx.usage.likes(model.key)) == 1
        assert stored(database, model).like_count == 1
        assert database.read(lambda tx: tx.usage.likes(other.key)) == 1

    def test_no_racing_like_is_lost(self, database: Database) -> None:
        """Likes and their taking back, all at once, leave the right count."""
        model = add_model(database)

        def change(writer: int) -> None:
            like(database, model, f"p{writer}")
            if writer % 2:
                unlike(database, model, f"p{writer}")

        race(WRITERS, change)
        assert database.read(lambda tx: tx.usage.likes(model.key)) == WRITERS / 2
