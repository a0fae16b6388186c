"""What every table of tokens has to pass."""

from __future__ import annotations

import dataclasses

from registry.domain.access import Principal, Role, Token
from registry.domain.scopes import Scope
from registry.ports.database import Database
from registry.testing.contracts.database.samples import T0, principal, secret_hash, token


def insert_principal(database: Database, id: str = "ann") -> Principal:
    value = principal(id, (Role.READER, "*"))
    stored = database.write(lambda tx: tx.principals.insert(value))
    assert stored is not None
    return stored


def insert(database: Database, value: Token, secret: str) -> Token:
    return database.write(lambda tx: tx.tokens.insert(value, secret_hash(secret)))


class TokensContract:
    def test_comes_back_as_put_in(self, database: Database) -> None:
        """A token is found by its principal and id, all of it."""
        insert_principal(database)
        value = token(
            label="CI \N{SNOWMAN}",
            revoke_time_us=T0 + 3,
            last_use_time_us=T0 + 2,
            scopes=(Scope(action="version.*", model="a/*", stage="s"), Scope(action="*")),
            earlier_makers=("principals/a", "principals/b"),
        )
        stored = insert(database, value, "s")
        assert stored.key > 0
        assert dataclasses.replace(stored, key=0) == value
        assert database.read(lambda tx: tx.tokens.get("ann", "t1")) == stored

    def test_belongs_to_one_principal(self, database: Database) -> None:
        """Two principals may have tokens of one id; neither sees the other's."""
        for id in ("ann", "bob"):
            insert_principal(database, id)
        ann = insert(database, token("ann"), "a")
        bob = insert(database, token("bob"), "b")
        assert database.read(lambda tx: tx.tokens.get("ann", "t1")) == ann
        assert database.read(lambda tx: tx.tokens.get("bob", "t1")) == bob
        assert database.read(lambda tx: tx.tokens.get("carl", "t1")) is None
        assert database.read(lambda tx: tx.tokens.get("ann", "t2")) is None
        assert database.read(lambda tx: tx.tokens.list("ann", 0, None, 10)) == [ann]

    def test_is_found_by_its_hash(self, database: Database) -> None:
        """The hash of a secret leads to the token and its principal, as they are now."""
        ann = insert_principal(database)
        bob = insert_principal(database, "bob")
        first = insert(database, token("ann"), "first")
        second = insert(database, token("bob", "t2"), "second")

        def by_hash(secret: str) -> tuple[Principal, Token] | None:
            return database.read(lambda tx: tx.tokens.by_hash(secret_hash(secret)))

        assert by_hash("first") == (ann, first)
        assert by_hash("second") == (bob, second)
        assert by_hash("third") is None
        off = dataclasses.replace(bob, disabled=True, etag="e2")
        assert database.write(lambda tx: tx.principals.update(off, "e1"))
        assert by_hash("second") == (off, second)

    def test_lists_newest_first_without_ended_ones(self, database: Database) -> None:
        """Newest first by key, behind the cursor; ended before a time are left out."""
        insert_principal(database)
        ends: list[tuple[int, int | None]] = [(100, None), (99, None), (500, 99), (500, 100)]
        tokens = [
            insert(
                database,
                token(
                    id=f"t{number}",
                    expire_time_us=T0 + expire,
                    revoke_time_us=None if revoke is None else T0 + revoke,
                ),
                f"s{number}",
            )
            for number, (expire, revoke) in enumerate([*ends, (500, None)])
        ]
        wanted = [tokens[4], tokens[3], tokens[0]]
        found = database.read(lambda tx: tx.tokens.list("ann", T0 + 100, None, 10))
        assert list(found) == wanted
        cursor = (wanted[0].key,)
        found = database.read(lambda tx: tx.tokens.list("ann", T0 + 100, cursor, 1))
        assert list(found) == wanted[1:2]

    def test_revoke(self, database: Database) -> None:
        """A revoked token says since when, and stays."""
        insert_principal(database)
        stored = insert(database, token(), "s")
        other = insert(database, token(id="t2"), "s2")
        database.write(lambda tx: tx.tokens.revoke(stored.key, T0 + 7))
        revoked = dataclasses.replace(stored, revoke_time_us=T0 + 7)
        assert database.read(lambda tx: tx.tokens.get("ann", "t1")) == revoked
        assert database.read(lambda tx: tx.tokens.get("ann", "t2")) == other

    def test_touch_keeps_the_latest_use(self, database: Database) -> None:
        """Uses may be told late, in any order, several at a time."""
        insert_principal(database)
        one, two, three = (insert(database, token(id=id), id) for id in ("t1", "t2", "t3"))
        uses = ((two.key, T0 + 5), (one.key, T0 + 9))
        database.write(lambda tx: tx.tokens.touch(uses))
        database.write(lambda tx: tx.tokens.touch(((one.key, T0 + 3), (two.key, T0 + 6))))
        database.write(lambda tx: tx.tokens.touch(()))
        found = database.read(lambda tx: tx.tokens.list("ann", 0, None, 10))
        assert [t.last_use_time_us for t in found] == [None, T0 + 6, T0 + 9]
        assert found[0] == three

    def test_an_end_only_comes_nearer(self, database: Database) -> None:
        """A token ends by a time, or before if it would; others go on."""
        insert_principal(database)
        stored, other = (insert(database, token(id=id), id) for id in ("t1", "t2"))
        for time_us, expected_us in ((T0 + 9, T0 + 9), (T0 + 10, T0 + 9), (T0 + 5, T0 + 5)):
            database.write(lambda tx, us=time_us: tx.tokens.end_by(stored.key, us))  # type: ignore[misc]
            found = database.read(lambda tx: tx.tokens.get("ann", "t1"))
            assert found == dataclasses.replace(stored, expire_time_us=expected_us)
        assert database.read(lambda tx: tx.tokens.get("ann", "t2")) == other

    def test_revokes_all_that_have_not_ended(self, database: Database) -> None:
        """Those of one principal are revoked and told, but the one that is kept and those that had
        ended; others stay as they are."""
        for id in ("ann", "bob"):
            insert_principal(database, id)
        live, kept, late, gone = (
            insert(database, value, value.id)
            for value in (
                token(id="t1"),
                token(id="t2"),
                token(id="t3", expire_time_us=T0 + 7),
                token(id="t4", revoke_time_us=T0),
            )
        )
        other = insert(database, token("bob"), "bob")
        ids = database.write(lambda tx: tx.tokens.revoke_all("ann", kept.key, T0 + 7))
        assert list(ids) == [live.id]
        found = database.read(lambda tx: tx.tokens.list("ann", 0, None, 10))
        revoked = dataclasses.replace(live, revoke_time_us=T0 + 7)
        assert list(found) == [gone, late, kept, revoked]
        assert database.read(lambda tx: tx.tokens.list("bob", 0, None, 10)) == [other]

    def test_tells_who_made_tokens(self, database: Database) -> None:
        """The makers of all tokens of some principals are told, but themselves and the system."""
        for id in ("ann", "bob", "carl"):
            insert_principal(database, id)
        for owner, creator, earlier in (
            ("ann", "principals/ann", ("principals/eve",)),
            ("ann", "system", ()),
            ("bob", "principals/root", ()),
            ("carl", "principals/zoe", ()),
        ):
            value = token(owner, creator + owner, creator=creator, earlier_makers=earlier)
            insert(database, dataclasses.replace(value, id=f"t{len(creator)}"), creator + owner)

        def makers(*principals: str) -> set[str]:
            return database.read(lambda tx: tx.tokens.makers(principals))

        assert makers("ann", "bob") == {"principals/eve", "principals/root"}
        assert makers("carl") == {"principals/zoe"}
        assert makers() == set()

    def test_forgets_exchanged_ones_that_ended(self, database: Database) -> None:
        """Only those whose creator is a workload's issuer, that ended before, and so many."""
        insert_principal(database)
        creators = {
            "w1": "workload:https://issuer.example",
            "w2": "workload:https://other.example",
            "w3": "workload:x",
            "p1": "principals/ann",
            "p2": "principals/workload:",
            "s1": "system",
            "v1": "workloads",
        }
        for id, creator in creators.items():
            end_us = T0 + (100 if id == "w3" else 99)
            insert(database, token(id=id, creator=creator, expire_time_us=end_us), id)

        def forget(limit: int) -> int:
            return database.write(lambda tx: tx.tokens.forget_exchanged(T0 + 100, limit))

        assert [forget(1), forget(5), forget(5)] == [1, 1, 0]
        left = database.read(lambda tx: tx.tokens.list("ann", 0, None, 10))
        assert {each.id for each in left} == creators.keys() - {"w1", "w2"}
        assert database.read(lambda tx: tx.tokens.by_hash(secret_hash("w1"))) is None
