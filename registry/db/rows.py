"""Rows as the statements return them, and what pages of them need."""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import Row

from registry.domain.pages import Cursor

#: Whatever its columns are; they are read by name, and their types are those of the tables.
AnyRow: TypeAlias = Row[*tuple[Any, ...]]

#: Behind every key, number and time.
AFTER_ALL = 2**63 - 1


def behind(after: Cursor | None, start: str | int) -> str | int:
    """Where a page of a list with one sort column starts."""
    return after[0] if after else start
