"""Tokens: credentials without their secrets, found by the secret's hash."""

from __future__ import annotations

import builtins
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from sqlalchemy import bindparam, delete, insert, or_, select, update

from registry.db.arrays import array, texts
from registry.db.documents import names_of, names_text, text_of
from registry.db.prepared import PreparedConnection
from registry.db.principals import principal_of
from registry.db.rows import AFTER_ALL, AnyRow, behind
from registry.db.tables import principals, tokens
from registry.db.tables.people import EXCHANGED
from registry.domain.access import Principal, Token, makers_of
from registry.domain.pages import Cursor
from registry.domain.scopes import Scope

_principal_key = (
    select(principals.c.key).where(principals.c.id == bindparam("principal")).scalar_subquery()
)
_INSERT = insert(tokens).values(principal_key=_principal_key).returning(tokens.c.key)
_OF_TOKEN = (
    tokens.c.key.label("token_key"),
    tokens.c.id.label("token_id"),
    principals.c.id.label("principal"),
    tokens.c.label,
    tokens.c.creator,
    tokens.c.create_time_us.label("token_create_time_us"),
    tokens.c.expire_time_us,
    tokens.c.revoke_time_us,
    tokens.c.last_use_time_us,
    tokens.c.scopes,
    tokens.c.earlier_makers,
)
_BY_HASH = (
    select(*principals.c, *_OF_TOKEN)
    .join_from(tokens, principals)
    .where(tokens.c.secret_hash == bindparam("hash"))
)
_OF_PRINCIPAL = (
    select(*_OF_TOKEN)
    .join_from(tokens, principals)
    .where(principals.c.id == bindparam("principal"))
)
_GET = _OF_PRINCIPAL.where(tokens.c.id == bindparam("id"))
_PAGE = (
    _OF_PRINCIPAL.where(
        tokens.c.key < bindparam("after"),
        tokens.c.expire_time_us >= bindparam("ended_after"),
        or_(
            tokens.c.revoke_time_us.is_(None),
            tokens.c.revoke_time_us >= bindparam("ended_after"),
        ),
    )
    .order_by(tokens.c.key.desc())
    .limit(bindparam("limit"))
)
_REVOKE = update(tokens).where(tokens.c.key == bindparam("of"))
_ENDING = (
    update(tokens)
    .where(tokens.c.key == bindparam("of"), tokens.c.expire_time_us > bindparam("time"))
    .values(expire_time_us=bindparam("time"))
)
_MAKERS = (
    select(principals.c.id.label("principal"), tokens.c.creator, tokens.c.earlier_makers)
    .join_from(tokens, principals)
    .where(principals.c.id.in_(texts("principals")))
    .distinct()
)
_REVOKE_ALL = (
    update(tokens)
    .where(
        tokens.c.principal_key == _principal_key,
        tokens.c.key != bindparam("kept"),
        tokens.c.revoke_time_us.is_(None),
        tokens.c.expire_time_us > bindparam("time"),
    )
    .values(revoke_time_us=bindparam("time"))
    .returning(tokens.c.id)
)
_TOUCH = (
    update(tokens)
    .where(
        tokens.c.key == bindparam("of"),
        or_(tokens.c.last_use_time_us.is_(None), tokens.c.last_use_time_us < bindparam("time")),
    )
    .values(last_use_time_us=bindparam("time"))
)
_ENDED = (
    select(tokens.c.key)
    .where(EXCHANGED, tokens.c.expire_time_us < bindparam("before"))
    .limit(bindparam("limit"))
)
_FORGET_EXCHANGED = delete(tokens).where(tokens.c.key.in_(_ENDED.scalar_subquery()))


class SqlTokens:
    def __init__(self, connection: PreparedConnection) -> None:
        self._connection = connection

    def insert(self, token: Token, secret_hash: bytes) -> Token:
        given = {
            "principal": token.principal,
            "id": token.id,
            "secret_hash": secret_hash,
            "label": token.label,
            "creator": token.creator,
            "create_time_us": token.create_time_us,
            "expire_time_us": token.expire_time_us,
            "revoke_time_us": token.revoke_time_us,
            "last_use_time_us": token.last_use_time_us,
            "scopes": text_of(
                [(scope.action, scope.model, scope.stage) for scope in token.scopes],
                field="token.scopes",
            ),
            "earlier_makers": names_text(token.earlier_makers, field="token.earlier_makers"),
        }
        return replace(token, key=self._connection.execute(_INSERT, given).scalar_one())

    def get(self, principal: str, id: str) -> Token | None:
        row = self._connection.execute(_GET, {"principal": principal, "id": id}).one_or_none()
        return None if row is None else _token(row)

    def by_hash(self, secret_hash: bytes) -> tuple[Principal, Token] | None:
        row = self._connection.execute(_BY_HASH, {"hash": secret_hash}).one_or_none()
        return None if row is None else (principal_of(row), _token(row))

    def list(
        self, principal: str, ended_after_us: int, after: Cursor | None, limit: int
    ) -> builtins.list[Token]:
        given = {
            "principal": principal,
            "ended_after": ended_after_us,
            "after": behind(after, AFTER_ALL),
            "limit": limit,
        }
        return [_token(row) for row in self._connection.execute(_PAGE, given)]

    def revoke(self, key: int, time_us: int) -> None:
        self._connection.execute_later(_REVOKE, {"of": key, "revoke_time_us": time_us})

    def revoke_all(self, principal: str, kept: int, time_us: int) -> Sequence[str]:
        given = {"principal": principal, "kept": kept, "time": time_us}
        return list(self._connection.execute(_REVOKE_ALL, given).scalars())

    def end_by(self, key: int, time_us: int) -> None:
        self._connection.execute_later(_ENDING, {"of": key, "time": time_us})

    def makers(self, principals: Collection[str]) -> set[str]:
        rows = self._connection.execute(_MAKERS, {"principals": array(principals)})
        return {
            maker
            for row in rows
            for maker in makers_of(row.principal, row.creator, names_of(row.earlier_makers))
        }

    def touch(self, uses: Iterable[tuple[int, int]]) -> None:
        # Sorted, since two writers that take the same rows in different orders wait for each other.
        given = [{"of": key, "time": time_us} for key, time_us in sorted(uses)]
        if given:
            self._connection.execute_later(_TOUCH, given)

    def forget_exchanged(self, before_us: int, limit: int) -> int:
        given = {"before": before_us, "limit": limit}
        return self._connection.execute(_FORGET_EXCHANGED, given).rowcount


def _token(row: AnyRow) -> Token:
    return Token(
        key=row.token_key,
        id=row.token_id,
        principal=row.principal,
        label=row.label,
        create_time_us=row.token_create_time_us,
        expire_time_us=row.expire_time_us,
        revoke_time_us=row.revoke_time_us,
        last_use_time_us=row.last_use_time_us,
        creator=row.creator,
        scopes=_scopes_of(row.scopes),
        earlier_makers=names_of(row.earlier_makers),
    )


@lru_cache(maxsize=4096)
def _scopes_of(text: str) -> tuple[Scope, ...]:
    return tuple(
        Scope(action=action, model=model, stage=stage) for action, model, stage in json.loads(text)
    )
