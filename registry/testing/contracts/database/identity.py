"""What tables of directory accounts and of tried passwords have to pass."""

from __future__ import annotations

import dataclasses
from typing import Any

from registry.domain.access import Principal
from registry.domain.directory import DirectoryAccount, Standing
from registry.ports.database import Database
from registry.testing.contracts.database.samples import T0, principal


def insert_principal(database: Database, id: str = "ann") -> Principal:
    stored = database.write(lambda tx: tx.principals.insert(principal(id)))
    assert stored is not None
    return stored


def an_account(owner: Principal, **changes: Any) -> DirectoryAccount:
    value = DirectoryAccount(
        key=0,
        principal_key=owner.key,
        principal=owner.id,
        directory="ldap",
        stable_id=f"id-of-{owner.id}",
        user="Ann",
        groups=("a", "b \N{SNOWMAN}"),
        standing=Standing.ACTIVE,
        read_time_us=T0,
        address="10.0.0.1",
        create_time_us=T0 - 1,
    )
    return dataclasses.replace(value, **changes)


def insert(database: Database, account: DirectoryAccount) -> DirectoryAccount | None:
    return database.write(lambda tx: tx.directory_accounts.insert(account))


class DirectoryAccountsContract:
    def test_comes_back_as_put_in(self, database: Database) -> None:
        """An account is found by its id in the directory and by its principal, all of it."""
        ann = insert_principal(database)
        stored = insert(database, an_account(ann))
        assert stored is not None
        assert dataclasses.replace(stored, key=0) == an_account(ann)
        read = database.read
        assert read(lambda tx: tx.directory_accounts.get("ldap", "id-of-ann")) == stored
        assert read(lambda tx: tx.directory_accounts.of_principal(ann.key)) == stored
        assert read(lambda tx: tx.directory_accounts.get("other", "id-of-ann")) is None
        assert read(lambda tx: tx.directory_accounts.of_principal(ann.key + 1)) is None

    def test_binds_one_to_one(self, database: Database) -> None:
        """No account has two principals, and no principal two accounts."""
        ann, bob = insert_principal(database), insert_principal(database, "bob")
        assert insert(database, an_account(ann))
        assert insert(database, an_account(ann, stable_id="another")) is None
        assert insert(database, an_account(bob, stable_id="id-of-ann")) is None
        assert insert(database, an_account(bob, stable_id="id-of-ann", directory="other"))

    def test_what_was_read_later_stays(self, database: Database) -> None:
        """An update stores all that was read, unless what is there was read later."""
        stored = insert(database, an_account(insert_principal(database)))
        assert stored is not None
        newer = dataclasses.replace(
            stored,
            user="Anna",
            groups=(),
            standing=Standing.GONE,
            read_time_us=T0 + 5,
            address="10.0.0.2",
        )
        assert database.write(lambda tx: tx.directory_accounts.update(newer))
        older = dataclasses.replace(stored, read_time_us=T0 + 4)
        assert not database.write(lambda tx: tx.directory_accounts.update(older))
        found = database.read(lambda tx: tx.directory_accounts.get("ldap", "id-of-ann"))
        assert found == newer
        assert database.write(lambda tx: tx.directory_accounts.update(newer))

    def test_pages_go_by_key(self, database: Database) -> None:
        """Each account is on one page, however short the pages are."""
        stored = [insert(database, an_account(insert_principal(database, id))) for id in "abcde"]

        def page(after_key: int) -> list[DirectoryAccount]:
            return list(database.read(lambda tx: tx.directory_accounts.list(after_key, 2)))

        first = page(0)
        second = page(first[-1].key)
        last = page(second[-1].key)
        assert first + second + last == stored
        assert page(last[-1].key) == []


class LoginAttemptsContract:
    def test_attempts_are_counted_by_address(self, database: Database) -> None:
        """Those of a subject that are not too old are counted, with the time of the first."""
        attempts = [("s", "2", T0), ("s", "1", T0 + 2), ("s", "1", T0 + 1), ("t", "1", T0 + 3)]
        for attempt in attempts:
            database.write(lambda tx, each=attempt: tx.login_attempts.insert(*each))  # type: ignore[misc]

        def count(since_us: int) -> list[tuple[str, int, int]]:
            return database.read(lambda tx: list(tx.login_attempts.count("s", since_us)))

        assert count(T0 - 1) == [("1", 2, T0 + 1), ("2", 1, T0)]
        assert count(T0) == [("1", 2, T0 + 1)]
        assert count(T0 + 2) == []

    def test_they_are_forgotten(self, database: Database) -> None:
        """All of a subject from an address, one of a time, or all that are old."""

        def fn(tx: Any) -> list[object]:
            attempts = tx.login_attempts
            attempts.lock("s")
            for time_us in (T0, T0, T0 + 1, T0 + 2):
                attempts.insert("s", "1", time_us)
            attempts.insert("s", "2", T0)
            attempts.forget_one("s", "1", T0)
            before = list(attempts.count("s", 0))
            purged = attempts.purge(T0 + 1)
            attempts.forget("s", "9")
            after = list(attempts.count("s", 0))
            attempts.forget("s", "1")
            return [before, purged, after, list(attempts.count("s", 0))]

        before, purged, after, end = database.write(fn)
        assert before == [("1", 3, T0), ("2", 1, T0)]
        assert (purged, after, end) == (2, [("1", 2, T0 + 1)], [])
