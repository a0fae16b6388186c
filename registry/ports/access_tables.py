"""The tables of people, robots and their tokens; see `tables.py`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

from registry.domain.access import Principal, Token
from registry.domain.pages import Cursor


class Principals(Protocol):
    def insert(self, principal: Principal) -> Principal | None:
        """The stored value, or None where the id is taken."""

    def get(self, id: str) -> Principal | None: ...

    def list(self, after: Cursor | None, limit: int) -> Sequence[Principal]:
        """By id, behind `after` = (id,)."""

    def update(self, principal: Principal, expected_etag: str) -> bool: ...

    def sponsors(self, ids: Collection[str]) -> set[str]:
        """Who answers for those of these that are robots."""

    def lock_all(self) -> None:
        """Serialise changes of grants, so that two of them cannot both remove the last admin."""

    def enabled_admins(self) -> int:
        """How many enabled principals hold role admin on "*"."""


class Tokens(Protocol):
    def insert(self, token: Token, secret_hash: bytes) -> Token: ...

    def get(self, principal: str, id: str) -> Token | None: ...

    def by_hash(self, secret_hash: bytes) -> tuple[Principal, Token] | None: ...

    def list(
        self, principal: str, ended_after_us: int, after: Cursor | None, limit: int
    ) -> Sequence[Token]:
        """Newest first by key, behind `after` = (key,); without those that ended before."""

    def revoke(self, key: int, time_us: int) -> None: ...

    def revoke_all(self, principal: str, kept: int, time_us: int) -> Sequence[str]:
        """Revoke those that have not ended, but the one with this key; their ids."""

    def end_by(self, key: int, time_us: int) -> None:
        """It expires then, unless it would before."""

    def makers(self, principals: Collection[str]) -> set[str]:
        """The makers of all tokens that these principals ever had."""

    def touch(self, uses: Iterable[tuple[int, int]]) -> None:
        """Store last use times: (key, time_us)."""

    def forget_exchanged(self, before_us: int, limit: int) -> int:
        """Delete at most `limit` whose creator begins with "workload:" and that ended before."""
