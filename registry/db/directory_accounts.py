"""Accounts in the company's directory, and whom they belong to here."""

from __future__ import annotations

import builtins
from dataclasses import replace

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import postgresql

from registry.db.documents import names_of, names_text
from registry.db.prepared import PreparedConnection
from registry.db.rows import AnyRow
from registry.db.tables import directory_accounts, principals
from registry.domain.directory import DirectoryAccount, Standing

_a = directory_accounts.c
_INSERT = postgresql.insert(directory_accounts).on_conflict_do_nothing().returning(_a.key)
_ALL = select(*directory_accounts.c, principals.c.id.label("principal")).join_from(
    directory_accounts, principals
)
_GET = _ALL.where(_a.directory == bindparam("directory"), _a.stable_id == bindparam("stable_id"))
_OF_PRINCIPAL = _ALL.where(_a.principal_key == bindparam("of"))
_PAGE = _ALL.where(_a.key > bindparam("after")).order_by(_a.key).limit(bindparam("limit"))
_UPDATE = update(directory_accounts).where(
    _a.key == bindparam("of"), _a.read_time_us <= bindparam("read_until")
)


class SqlDirectoryAccounts:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def insert(self, account: DirectoryAccount) -> DirectoryAccount | None:
        given = {
            "principal_key": account.principal_key,
            "directory": account.directory,
            "stable_id": account.stable_id,
            "create_time_us": account.create_time_us,
            **_readable(account),
        }
        key = self._connection.execute(_INSERT, given).scalar_one_or_none()
        return None if key is None else replace(account, key=key)

    def get(self, directory: str, stable_id: str) -> DirectoryAccount | None:
        given = {"directory": directory, "stable_id": stable_id}
        row = self._connection.execute(_GET, given).one_or_none()
        return None if row is None else _account(row)

    def of_principal(self, principal_key: int) -> DirectoryAccount | None:
        row = self._connection.execute(_OF_PRINCIPAL, {"of": principal_key}).one_or_none()
        return None if row is None else _account(row)

    def list(self, after_key: int, limit: int) -> builtins.list[DirectoryAccount]:
        given = {"after": after_key, "limit": limit}
        return [_account(row) for row in self._connection.execute(_PAGE, given)]

    def update(self, account: DirectoryAccount) -> bool:
        given = {"of": account.key, "read_until": account.read_time_us, **_readable(account)}
        return self._connection.execute(_UPDATE, given).rowcount == 1


def _readable(account: DirectoryAccount) -> dict[str, object]:
    """What each look into the directory may change."""
    return {
        "user_name": account.user,
        "groups": names_text(account.groups, field="groups"),
        "standing": account.standing.value,
        "read_time_us": account.read_time_us,
        "address": account.address,
    }


def _account(row: AnyRow) -> DirectoryAccount:
    return DirectoryAccount(
        key=row.key,
        principal_key=row.principal_key,
        principal=row.principal,
        directory=row.directory,
        stable_id=row.stable_id,
        user=row.user_name,
        groups=names_of(row.groups),
        standing=Standing(row.standing),
        read_time_us=row.read_time_us,
        address=row.address,
        create_time_us=row.create_time_us,
    )
