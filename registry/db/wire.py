"""PostgreSQL asked through libpq's blocking calls, on a connection that psycopg opened.

psycopg waits for an answer in a loop of its own, in which it lets go of the interpreter's lock
several times. With 16 threads at work each of these is a change of threads, and a statement costs
ten times the processor time that it costs one thread alone. A blocking call lets go of it once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus

_GOOD = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


class Wire:
    """One connection, for one thread at a time. Errors are psycopg's."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self._pgconn = connection.pgconn
        self._loader = Transformer(connection)
        #: The server's name for each statement that it has prepared on this connection.
        self._names: dict[str, bytes] = {}

    @property
    def closed(self) -> bool:
        """Whether the server is gone."""
        return self._pgconn.status == ConnStatus.BAD

    def execute(self, command: str) -> None:
        """Run what takes no parameters and returns no rows, such as BEGIN."""
        self._check(self._pgconn.exec_(command.encode()))

    def ask(
        self, statement: str, values: Sequence[Any], make_row: Callable[[Sequence[Any]], Any]
    ) -> tuple[list[Any], int]:
        """The rows that a statement with $1, $2 ... returns, and how many it found or changed."""
        name = self._names.get(statement) or self._prepare(statement)
        texts: list[Any] = [_text(value) for value in values]
        result = self._pgconn.exec_prepared(name, texts)
        self._check(result)
        self._loader.set_pgresult(result)
        return self._loader.load_rows(0, result.ntuples, make_row), result.command_tuples or 0

    def _prepare(self, statement: str) -> bytes:
        name = f"hallmark_{len(self._names)}".encode()
        self._check(self._pgconn.prepare(name, statement.encode()))
        self._names[statement] = name
        return name

    def _check(self, result: Any) -> None:
        if result.status in _GOOD:
            return
        error = error_from_result(result)
        if self.closed:
            # Told as psycopg tells it: without a server there is no code of an error.
            raise psycopg.OperationalError(str(error) or "the connection is lost")
        raise error


def _text(value: Any) -> bytes | None:
    """A value as PostgreSQL reads it in text; its type is in the statement."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, bytes):
        return b"\\x" + value.hex().encode()
    raise TypeError(f"{type(value).__name__} is no type of a column here")
