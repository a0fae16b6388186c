"""What every table of namespaces has to pass."""

from __future__ import annotations

import dataclasses

import pytest

from registry.domain.access import EVERYTHING, Reach
from registry.domain.models import Namespace
from registry.ports.database import Database, Transaction
from registry.testing.contracts.database.samples import T0, namespace, stored_model


def insert(database: Database, value: Namespace) -> Namespace:
    stored = database.write(lambda tx: tx.namespaces.insert(value))
    assert stored is not None
    return stored


class NamespacesContract:
    def test_comes_back_as_put_in(self, database: Database) -> None:
        """What insert returns is what get finds: the value, with a key."""
        value = namespace(description="Two\nlines, 'quoted' \N{SNOWMAN}\N{PILE OF POO}")
        stored = insert(database, value)
        assert stored.key > 0
        assert dataclasses.replace(stored, key=0) == value
        assert database.read(lambda tx: tx.namespaces.get("fraud")) == stored

    def test_unknown_is_none(self, database: Database) -> None:
        """What is not there is None, no error."""
        assert database.read(lambda tx: tx.namespaces.get("fraud")) is None

    def test_an_id_is_taken_once(self, database: Database) -> None:
        """A second insert of an id changes nothing and spoils nothing of its unit of work."""
        first = insert(database, namespace())

        def twice(tx: Transaction) -> tuple[Namespace | None, Namespace | None]:
            return (
                tx.namespaces.insert(namespace(owner="else")),
                tx.namespaces.insert(namespace("risk")),
            )

        second, other = database.write(twice)
        assert second is None
        assert other is not None
        assert database.read(lambda tx: tx.namespaces.get("fraud")) == first
        assert database.read(lambda tx: tx.namespaces.get("risk")) == other

    def test_update_takes_the_current_etag_only(self, database: Database) -> None:
        """A stale etag changes nothing; the current one stores what people may edit."""
        stored = insert(database, namespace())
        new = dataclasses.replace(
            stored, description="new", owner="risk", etag="e2", update_time_us=T0 + 5
        )
        assert not database.write(lambda tx: tx.namespaces.update(new, "other"))
        assert database.read(lambda tx: tx.namespaces.get("fraud")) == stored
        assert database.write(lambda tx: tx.namespaces.update(new, "e1"))
        assert database.read(lambda tx: tx.namespaces.get("fraud")) == new

    def test_delete_frees_the_id(self, database: Database) -> None:
        """A deleted namespace is gone, and its id can be claimed anew."""
        stored = insert(database, namespace())
        database.write(lambda tx: tx.namespaces.delete(stored.key))
        assert database.read(lambda tx: tx.namespaces.get("fraud")) is None
        assert insert(database, namespace()).key > 0

    def test_holds_models(self, database: Database) -> None:
        """A namespace holds its own models, not those of another one that starts alike."""
        for id in ("fraud", "fraud-2"):
            insert(database, namespace(id))
        assert not database.read(lambda tx: tx.namespaces.holds_models("fraud"))
        stored_model(database, "fraud-2/scorer")
        assert not database.read(lambda tx: tx.namespaces.holds_models("fraud"))
        stored_model(database, "fraud/scorer")
        assert database.read(lambda tx: tx.namespaces.holds_models("fraud"))

    @pytest.mark.parametrize(
        ("patterns", "denied", "ids"),
        [
            (("*",), (), ["a-1", "a1", "ab", "b", "ba"]),
            (("a*",), (), ["a-1", "a1", "ab"]),
            (("*b*",), (), ["ab", "b", "ba"]),
            (("ab",), (), ["ab"]),
            (("a?",), (), []),
            (("a_",), (), []),
            (("A*",), (), []),
            (("%",), (), []),
            (("b", "a-*"), (), ["a-1", "b"]),
            ((), (), []),
            (("*",), ("a*",), ["b", "ba"]),
            (("*",), ("a-*", "b"), ["a1", "ab", "ba"]),
            (("a*", "b*"), ("*b",), ["a-1", "a1", "ba"]),
            (("ab",), ("*",), []),
            (("*",), ("a_", "A*", "%"), ["a-1", "a1", "ab", "b", "ba"]),
        ],
    )
    def test_lists_what_patterns_cover(
        self,
        database: Database,
        patterns: tuple[str, ...],
        denied: tuple[str, ...],
        ids: list[str],
    ) -> None:
        """In a pattern only `*` is special, denying ones win; order is that of bytes."""
        for id in ("b", "ab", "ba", "a1", "a-1"):
            insert(database, namespace(id))
        found = database.read(
            lambda tx: tx.namespaces.list(Reach(allowed=patterns, denied=denied), None, 100)
        )
        assert [value.id for value in found] == ids

    def test_pages_go_on_behind_the_cursor(self, database: Database) -> None:
        """Pages put together are the list, whatever came and went between them."""
        for id in ("c", "a", "e", "b"):
            insert(database, namespace(id))
        first = database.read(lambda tx: tx.namespaces.list(EVERYTHING, None, 2))
        assert [value.id for value in first] == ["a", "b"]
        database.write(lambda tx: tx.namespaces.delete(first[1].key))
        insert(database, namespace("d"))
        rest = database.read(lambda tx: tx.namespaces.list(EVERYTHING, ("b",), 10))
        assert [value.id for value in rest] == ["c", "d", "e"]
