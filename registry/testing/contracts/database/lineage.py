"""What the lineage of a Database has to pass."""

from __future__ import annotations

from dataclasses import replace

from registry.domain.lineage import LineageEdge
from registry.domain.versions import LineageKind, Version
from registry.ports.database import Database, Transaction
from registry.testing.contracts.database.samples import T0
from registry.testing.contracts.database.version_samples import (
    WRITERS,
    add_model,
    add_version,
    race,
)


def an_edge(
    child: Version, parent: Version, kind: LineageKind = LineageKind.FINETUNE
) -> LineageEdge:
    return LineageEdge(
        child_key=child.key,
        parent_key=parent.key,
        child=child.name,
        parent=parent.name,
        child_namespace=child.namespace,
        parent_namespace=parent.namespace,
        kind=kind,
        creator="ada",
        create_time_us=T0,
    )


def add(database: Database, *edges: LineageEdge) -> list[bool]:
    return database.write(lambda tx: [tx.lineage.insert(edge) for edge in edges])


def above(database: Database, *keys: int) -> list[LineageEdge]:
    return list(database.read(lambda tx: tx.lineage.above(keys)))


def below(database: Database, *keys: int) -> list[LineageEdge]:
    return list(database.read(lambda tx: tx.lineage.below(keys)))


def some_versions(database: Database, count: int, *namespaces: str) -> list[Version]:
    """Of models of their own, in the order of their names."""
    models = [add_model(database, namespace) for namespace in namespaces or ["fraud"] * count]
    models.sort(key=lambda model: model.path)
    return [add_version(database, model) for model in models]


class LineageContract:
    def test_edges_are_kept(self, database: Database) -> None:
        """An edge comes back as it was put in, from its child and from its parent."""
        child, parent = some_versions(database, 2, "fraud", "risk")
        edge = an_edge(child, parent, LineageKind.QUANTIZED)
        assert add(database, edge) == [True]
        assert above(database, child.key) == [edge]
        assert below(database, parent.key) == [edge]
        assert above(database, parent.key) == below(database, child.key) == []

    def test_a_pair_has_one_edge(self, database: Database) -> None:
        """Inserted again, an edge stays one and takes the new kind; racing writers too."""
        child, parent = some_versions(database, 2)
        edge = an_edge(child, parent)
        assert add(database, edge) == [True]
        again = replace(edge, kind=LineageKind.MERGE, creator="grace", create_time_us=T0 + 9)
        assert add(database, again) == [False]
        assert above(database, child.key) == [replace(edge, kind=LineageKind.MERGE)]

    def test_one_of_racing_writers_was_first(self, database: Database) -> None:
        """Of writers that insert one edge at once, one is told that it was new."""
        child, parent = some_versions(database, 2)
        edge = an_edge(child, parent)
        told = race(WRITERS, lambda _: add(database, edge)[0])
        assert told.count(True) == 1

    def test_comes_in_order_of_names(self, database: Database) -> None:
        """Edges above come by child, then parent; below by parent, then child."""
        a, b, c, d = some_versions(database, 4)
        edges = {
            (child.key, parent.key): an_edge(child, parent)
            for child, parent in ((b, d), (b, c), (a, d), (a, c))
        }
        add(database, *edges.values())
        expected = [edges[pair] for pair in ((a.key, c.key), (a.key, d.key))]
        assert above(database, a.key) == expected
        expected += [edges[pair] for pair in ((b.key, c.key), (b.key, d.key))]
        assert above(database, b.key, a.key, c.key) == expected
        by_parent = [(a, c), (b, c), (a, d), (b, d)]
        assert below(database, c.key, d.key) == [
            edges[child.key, parent.key] for child, parent in by_parent
        ]
        assert above(database) == below(database) == []

    def test_takes_many_keys(self, database: Database) -> None:
        """A whole generation can be asked about at once."""
        child, parent = some_versions(database, 2)
        edge = an_edge(child, parent)
        add(database, edge)
        many = range(child.key, child.key + 50_000)
        assert above(database, *many) == [edge]

    def test_edges_can_be_taken_back(self, database: Database) -> None:
        """A deleted edge is gone, and that there was none is told."""
        child, parent = some_versions(database, 2)
        add(database, an_edge(child, parent))
        assert not delete(database, parent, child)
        assert delete(database, child, parent)
        assert not delete(database, child, parent)
        assert above(database, child.key) == []

    def test_a_deleted_parent_is_still_named(self, database: Database) -> None:
        """When the parent's model is deleted its children's edges stay, without its key, and can
        still be taken back; when the child's is deleted its edges go."""
        a, b, c = some_versions(database, 3)
        add(database, an_edge(b, a), an_edge(c, b))
        delete_model(database, a)
        assert above(database, b.key) == [replace(an_edge(b, a), parent_key=None)]
        delete_model(database, c)
        assert below(database, b.key) == []
        assert delete(database, b, a)

    def test_writers_that_lock_cannot_close_a_cycle(self, database: Database) -> None:
        """Of two edges that would close a cycle only one is made by writers that lock and look."""
        for _ in range(10):
            a, b = some_versions(database, 2)
            race_for_edge(database, a, b)
            assert len(above(database, a.key, b.key)) == 1


def race_for_edge(database: Database, a: Version, b: Version) -> None:
    pairs = ((a, b), (b, a))
    race(2, lambda writer: add_unless_cycle(database, *pairs[writer]))


def add_unless_cycle(database: Database, child: Version, parent: Version) -> None:
    def write(tx: Transaction) -> None:
        tx.lineage.lock()
        if not tx.lineage.above([parent.key]):
            tx.lineage.insert(an_edge(child, parent))

    database.write(write)


def delete(database: Database, child: Version, parent: Version) -> bool:
    return database.write(lambda tx: tx.lineage.delete(child.key, parent.name))


def delete_model(database: Database, version: Version) -> None:
    database.write(lambda tx: tx.models.delete(version.model_key))
