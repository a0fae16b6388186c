"""What every table of principals has to pass."""

from __future__ import annotations

import dataclasses

from registry.domain.access import Grant, Principal, PrincipalKind, Role
from registry.ports.database import Database
from registry.testing.contracts.database.samples import T0, principal


def insert(database: Database, value: Principal) -> Principal:
    stored = database.write(lambda tx: tx.principals.insert(value))
    assert stored is not None
    return stored


class PrincipalsContract:
    def test_comes_back_as_put_in(self, database: Database) -> None:
        """Kind, grants in their order and all else are what was stored."""
        value = principal(
            "robot.1@ci",
            (Role.READER, "fraud-*"),
            (Role.ADMIN, "*"),
            kind=PrincipalKind.ROBOT,
            disabled=True,
            sponsor="ann",
        )
        denying = Grant(role=Role.READER, namespace_pattern="fraud-us", deny=True)
        value = dataclasses.replace(value, grants=(*value.grants, denying))
        stored = insert(database, value)
        assert dataclasses.replace(stored, key=0) == value
        assert database.read(lambda tx: tx.principals.get("robot.1@ci")) == stored
        assert database.read(lambda tx: tx.principals.get("other")) is None

    def test_an_id_is_taken_once(self, database: Database) -> None:
        """A second insert of an id returns None and changes nothing."""
        first = insert(database, principal())
        second = principal(display_name="Somebody else")
        assert database.write(lambda tx: tx.principals.insert(second)) is None
        assert database.read(lambda tx: tx.principals.get("ann")) == first

    def test_update_takes_the_current_etag_only(self, database: Database) -> None:
        """A stale etag changes nothing; the current one stores what may change."""
        stored = insert(database, principal("ann", (Role.READER, "*")))
        new = dataclasses.replace(
            stored,
            display_name="",
            grants=(Grant(role=Role.REVIEWER, namespace_pattern="fraud"),),
            disabled=True,
            etag="e2",
            update_time_us=T0 + 1,
        )
        assert not database.write(lambda tx: tx.principals.update(new, "stale"))
        assert database.read(lambda tx: tx.principals.get("ann")) == stored
        assert database.write(lambda tx: tx.principals.update(new, "e1"))
        assert database.read(lambda tx: tx.principals.get("ann")) == new

    def test_lists_by_id_in_pages(self, database: Database) -> None:
        """By id in the order of bytes, behind the cursor."""
        for id in ("b", "a.z", "a-z", "a_z", "a@z", "az"):
            insert(database, principal(id))
        ids = [p.id for p in database.read(lambda tx: tx.principals.list(None, 100))]
        assert ids == ["a-z", "a.z", "a@z", "a_z", "az", "b"]
        page = database.read(lambda tx: tx.principals.list(("a@z",), 2))
        assert [p.id for p in page] == ["a_z", "az"]

    def test_counts_enabled_admins_of_everything(self, database: Database) -> None:
        """Counted is who is enabled and holds admin on "*", now, not on less."""
        for value in (
            principal("all", (Role.READER, "a"), (Role.ADMIN, "*")),
            principal("off", (Role.ADMIN, "*"), disabled=True),
            principal("some", (Role.ADMIN, "fraud-*")),
            principal("reads", (Role.READER, "*")),
        ):
            insert(database, value)

        def admins() -> int:
            return database.read(lambda tx: tx.principals.enabled_admins())

        assert admins() == 1
        some = database.read(lambda tx: tx.principals.get("some"))
        assert some is not None
        both = dataclasses.replace(
            some, grants=(Grant(role=Role.ADMIN, namespace_pattern="*"),), etag="e2"
        )
        assert database.write(lambda tx: tx.principals.update(both, "e1"))
        assert admins() == 2
        gone = dataclasses.replace(both, disabled=True, etag="e3")
        assert database.write(lambda tx: tx.principals.update(gone, "e2"))
        assert admins() == 1

    def test_whom_all_is_denied_administers_nothing(self, database: Database) -> None:
        """An administrator whom a grant denies that role on "*" is not counted, on less is."""
        insert(database, principal("one", (Role.ADMIN, "*")))
        value = principal("two", (Role.ADMIN, "*"))
        for id, pattern, count in (("two", "*", 1), ("three", "fraud", 2)):
            deny = Grant(role=Role.ADMIN, namespace_pattern=pattern, deny=True)
            insert(database, dataclasses.replace(value, id=id, grants=(*value.grants, deny)))
            assert database.read(lambda tx: tx.principals.enabled_admins()) == count

    def test_tells_who_answers_for_robots(self, database: Database) -> None:
        """The sponsors of those that are asked for are told, each once."""
        for id, sponsor in (("r1", "ann"), ("r2", "ann"), ("r3", "bob"), ("ann", "")):
            insert(database, principal(id, sponsor=sponsor))

        def sponsors(*ids: str) -> set[str]:
            return database.read(lambda tx: tx.principals.sponsors(ids))

        assert sponsors("r1", "r2", "ann", "gone") == {"ann"}
        assert sponsors("r1", "r3") == {"ann", "bob"}
        assert sponsors() == set()
