"""Locks held until the transaction ends. On SQLite there is one writer at a time: none is needed.

A statement that waits for a lock sees rows of other tables as they were before it waited. So lock
first, and read with a statement of its own what the decision depends on.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from sqlalchemy import Select, bindparam, func, select

from registry.db.prepared import PreparedConnection

_ADVISORY = select(func.pg_advisory_xact_lock(bindparam("number")))


def lock_rows(
    connection: PreparedConnection, statement: Select[int], parameters: Mapping[str, object]
) -> None:
    """Hold the rows that a statement finds, as an update of them would, and no stronger: rows may
    still be added that refer to them."""
    if connection.dialect.name == "postgresql":
        connection.execute_later(_locking(statement), parameters)


def lock_number(connection: PreparedConnection, number: int) -> None:
    """Hold what has no row of its own, under a number that stands for it."""
    if connection.dialect.name == "postgresql":
        connection.execute_later(_ADVISORY, {"number": number})


@cache
def _locking(statement: Select[int]) -> Select[int]:
    return statement.with_for_update(key_share=True)
