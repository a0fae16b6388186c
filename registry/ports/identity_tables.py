"""The tables of a unit of work that are about who people are elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from registry.domain.directory import DirectoryAccount


class DirectoryAccounts(Protocol):
    """What binds principals to accounts in the company's directory: one account a principal."""

    def insert(self, account: DirectoryAccount) -> DirectoryAccount | None:
        """The stored value, or None where the account or the principal is bound already."""

    def get(self, directory: str, stable_id: str) -> DirectoryAccount | None: ...

    def of_principal(self, principal_key: int) -> DirectoryAccount | None: ...

    def list(self, after_key: int, limit: int) -> Sequence[DirectoryAccount]:
        """By key, behind `after_key`."""

    def update(self, account: DirectoryAccount) -> bool:
        """Store user, groups, standing, address and when that was read; False where what is there
        was read later."""


class LoginAttempts(Protocol):
    """Passwords that were tried and have not turned out to be right."""

    def lock(self, subject: str) -> None:
        """Serialise those who try passwords of one subject."""

    def insert(self, subject: str, address: str, time_us: int) -> None: ...

    def count(self, subject: str, since_us: int) -> Sequence[tuple[str, int, int]]:
        """(address, how many, when the first), of those not older, by address."""

    def forget(self, subject: str, address: str) -> None:
        """The password was right."""

    def forget_one(self, subject: str, address: str, time_us: int) -> None:
        """An attempt that told nothing of the password."""

    def purge(self, before_us: int) -> int:
        """Forget old ones; how many."""
