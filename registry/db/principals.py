"""Principals: people and robots, and what they were granted."""

from __future__ import annotations

import builtins
import json
from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects import postgresql

from registry.db.arrays import array, texts
from registry.db.documents import text_of
from registry.db.locks import lock_number
from registry.db.prepared import PreparedConnection
from registry.db.rows import AnyRow, behind
from registry.db.tables import principals
from registry.domain.access import Grant, Principal, PrincipalKind, Role, administers
from registry.domain.pages import Cursor

#: What changers of grants hold. "grants" in ASCII.
_LOCK_NUMBER = 0x6772616E7473

_INSERT = postgresql.insert(principals).on_conflict_do_nothing().returning(principals.c.key)
_ALL = select(principals)
_GET = _ALL.where(principals.c.id == bindparam("id"))
_SPONSORS = select(principals.c.sponsor).where(principals.c.id.in_(texts("ids")))
_PAGE = (
    _ALL.where(principals.c.id > bindparam("after"))
    .order_by(principals.c.id)
    .limit(bindparam("limit"))
)
# The columns that are set are those of the parameters.
_UPDATE = update(principals).where(
    principals.c.key == bindparam("of"), principals.c.etag == bindparam("expected")
)
_ADMINS = (
    select(func.count())
    .select_from(principals)
    .where(principals.c.admin.is_(True), principals.c.disabled.is_(False))
)


class SqlPrincipals:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def insert(self, principal: Principal) -> Principal | None:
        given = {
            "id": principal.id,
            "uid": principal.uid,
            "kind": principal.kind.value,
            "create_time_us": principal.create_time_us,
            **_editable(principal),
        }
        key = self._connection.execute(_INSERT, given).scalar_one_or_none()
        return None if key is None else replace(principal, key=key)

    def get(self, id: str) -> Principal | None:
        row = self._connection.execute(_GET, {"id": id}).one_or_none()
        return None if row is None else principal_of(row)

    def sponsors(self, ids: Collection[str]) -> set[str]:
        found = self._connection.execute(_SPONSORS, {"ids": array(ids)}).scalars()
        return {sponsor for sponsor in found if sponsor}

    def list(self, after: Cursor | None, limit: int) -> builtins.list[Principal]:
        given = {"after": behind(after, ""), "limit": limit}
        return [principal_of(row) for row in self._connection.execute(_PAGE, given)]

    def update(self, principal: Principal, expected_etag: str) -> bool:
        given = {"of": principal.key, "expected": expected_etag, **_editable(principal)}
        return self._connection.execute(_UPDATE, given).rowcount == 1

    def lock_all(self) -> None:
        lock_number(self._connection, _LOCK_NUMBER)

    def enabled_admins(self) -> int:
        count: int = self._connection.execute(_ADMINS).scalar_one()
        return count


def principal_of(row: AnyRow) -> Principal:
    """From a row with all columns of `principals` under their own names."""
    return Principal(
        key=row.key,
        id=row.id,
        uid=row.uid,
        kind=PrincipalKind(row.kind),
        display_name=row.display_name,
        grants=grants_of(row.grants),
        disabled=row.disabled,
        etag=row.etag,
        create_time_us=row.create_time_us,
        update_time_us=row.update_time_us,
        sponsor=row.sponsor,
    )


@lru_cache(maxsize=4096)
def grants_of(text: str) -> tuple[Grant, ...]:
    return tuple(
        Grant(role=Role(role), namespace_pattern=pattern, deny=bool(deny))
        for role, pattern, *deny in json.loads(text)
    )


def _editable(principal: Principal) -> dict[str, object]:
    # A grant that denies nothing is written as the release before reads it.
    grants = [
        (grant.role.value, grant.namespace_pattern, *((True,) if grant.deny else ()))
        for grant in principal.grants
    ]
    return {
        "display_name": principal.display_name,
        "grants": text_of(grants, field="grants"),
        "admin": administers(principal.grants),
        "disabled": principal.disabled,
        "sponsor": principal.sponsor,
        "etag": principal.etag,
        "update_time_us": principal.update_time_us,
    }
