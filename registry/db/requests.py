"""Requests that were done, so that a repeat is answered and not done again."""

from __future__ import annotations

from sqlalchemy import and_, bindparam, delete, select
from sqlalchemy.dialects import postgresql

from registry.db.prepared import PreparedConnection
from registry.db.tables import requests
from registry.ports.tables import DoneRequest

_this = and_(
    requests.c.principal == bindparam("principal"),
    requests.c.method == bindparam("method"),
    requests.c.request_id == bindparam("request_id"),
)
_FIND = select(requests.c.fingerprint, requests.c.result).where(_this)
_FORGET = delete(requests).where(_this)
_SAVE = postgresql.insert(requests).on_conflict_do_nothing().returning(requests.c.time_us)
_PURGE = delete(requests).where(requests.c.time_us < bindparam("before"))


class SqlRequests:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def find(self, principal: str, method: str, request_id: str) -> DoneRequest | None:
        given = {"principal": principal, "method": method, "request_id": request_id}
        row = self._connection.execute(_FIND, given).one_or_none()
        return None if row is None else DoneRequest(fingerprint=row.fingerprint, result=row.result)

    def save(
        self, principal: str, method: str, request_id: str, done: DoneRequest, time_us: int
    ) -> bool:
        given = {
            "principal": principal,
            "method": method,
            "request_id": request_id,
            "fingerprint": done.fingerprint,
            "result": done.result,
            "time_us": time_us,
        }
        return self._connection.execute(_SAVE, given).scalar_one_or_none() is not None

    def forget(self, principal: str, method: str, request_id: str) -> None:
        given = {"principal": principal, "method": method, "request_id": request_id}
        self._connection.execute_later(_FORGET, given)

    def purge(self, before_us: int) -> int:
        return self._connection.execute(_PURGE, {"before": before_us}).rowcount
