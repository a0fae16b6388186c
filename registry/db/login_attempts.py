"""Passwords that were tried and have not turned out to be right."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from sqlalchemy import bindparam, delete, func, insert, select

from registry.db.locks import lock_number
from registry.db.prepared import PreparedConnection
from registry.db.tables import login_attempts

#: Beside the hash of a subject, what those hold who try its passwords. "logi" in ASCII.
_LOCK_NUMBER = 0x6C6F6769

_a = login_attempts.c
_INSERT = insert(login_attempts)
_of_subject = _a.subject == bindparam("of")
_of_address = _a.address == bindparam("at")
_COUNT = (
    select(_a.address, func.count().label("number"), func.min(_a.time_us).label("first"))
    .where(_of_subject, _a.time_us > bindparam("since"))
    .group_by(_a.address)
    .order_by(_a.address)
)
_FORGET = delete(login_attempts).where(_of_subject, _of_address)
_ONE = (
    select(_a.key)
    .where(_of_subject, _of_address, _a.time_us == bindparam("time"))
    .order_by(_a.key)
    .limit(1)
    .scalar_subquery()
)
_FORGET_ONE = delete(login_attempts).where(_a.key == _ONE)
_PURGE = delete(login_attempts).where(_a.time_us < bindparam("before"))


class SqlLoginAttempts:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def lock(self, subject: str) -> None:
        lock_number(self._connection, _LOCK_NUMBER << 32 | zlib.crc32(subject.encode()))

    def insert(self, subject: str, address: str, time_us: int) -> None:
        given = {"subject": subject, "address": address, "time_us": time_us}
        self._connection.execute_later(_INSERT, given)

    def count(self, subject: str, since_us: int) -> Sequence[tuple[str, int, int]]:
        rows = self._connection.execute(_COUNT, {"of": subject, "since": since_us})
        return [(row.address, row.number, row.first) for row in rows]

    def forget(self, subject: str, address: str) -> None:
        self._connection.execute_later(_FORGET, {"of": subject, "at": address})

    def forget_one(self, subject: str, address: str, time_us: int) -> None:
        self._connection.execute_later(_FORGET_ONE, {"of": subject, "at": address, "time": time_us})

    def purge(self, before_us: int) -> int:
        return self._connection.execute(_PURGE, {"before": before_us}).rowcount
