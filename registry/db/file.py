"""SQLite asked through its driver, with the methods of `wire.Wire`.

There is no way to and from a server to be saved: nothing is kept back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any


class File:
    """One connection, for one thread at a time. Errors are the driver's."""

    #: There is no server to lose.
    closed = False

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.later = connection.execute
        self.begin = connection.execute

    def commit(self) -> None:
        self.connection.execute("COMMIT")

    def roll_back(self) -> None:
        self.connection.execute("ROLLBACK")

    def flush(self) -> None:
        """Nothing is kept back."""

    def ask(
        self, statement: str, values: Sequence[Any], make_row: Callable[[Sequence[Any]], Any]
    ) -> tuple[list[Any], int]:
        """The rows that a statement returns, and how many it changed."""
        cursor = self.connection.execute(statement, values)
        if cursor.description is None:
            return [], cursor.rowcount
        return list(map(make_row, cursor.fetchall())), cursor.rowcount
