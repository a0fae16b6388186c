"""PostgreSQL asked through libpq's blocking calls, on a connection that psycopg opened.

psycopg waits for an answer in a loop of its own, in which it lets go of the interpreter's lock
several times. With 16 threads at work each of these is a change of threads, and a statement costs
ten times the processor time that it costs one thread alone. A blocking call lets go of it once.

For the same reason, what nobody awaits an answer to is kept back, and sent with what comes next as
one text of several commands: one trip to the server and back, and one blocking call. libpq's own
pipelines would take three calls a statement, and psycopg waits in one of them (PQgetResult) without
letting others run at all, the one whose row lock is waited for included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

#: Of libpq: CONNECTION_BAD; PGRES_COMMAND_OK and PGRES_TUPLES_OK. As numbers, since the driver
#: is loaded only where PostgreSQL is in use.
_BAD = 1
_GOOD = (1, 2)
#: What is kept back is sent at the latest when it has grown so long.
_HELD_BYTES_MAX = 1_000_000


class Wire:
    """One connection, for one thread at a time. Errors are psycopg's.

    The error of a command that was kept back is raised by the call that sends it; the server has
    run none of those behind it then.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        from psycopg.adapt import Transformer
        from psycopg.pq import Escaping

        self.connection = connection
        self._pgconn = connection.pgconn
        self._literal = Escaping(self._pgconn).escape_literal
        self._loader = Transformer(connection)
        #: The server's name for each statement that it has prepared on this connection.
        self._names: dict[str, bytes] = {}
        #: What is kept back, in order, and how long it is.
        self._held: list[bytes] = []
        self._held_bytes = 0
        #: Whether nothing was sent since `begin`.
        self._unsent = False

    @property
    def closed(self) -> bool:
        """Whether the server is gone."""
        return self._pgconn.status == _BAD

    def begin(self, command: str) -> None:
        """Begin a transaction with the next command that is sent."""
        self._hold(command.encode())
        self._unsent = True

    def commit(self) -> None:
        """Send what is kept back, and COMMIT with it."""
        self._hold(b"COMMIT")
        self.flush()

    def roll_back(self) -> None:
        """Forget what is kept back, and undo what was sent since `begin`."""
        self._forget()
        self._send(b"ROLLBACK")

    def prove(self) -> None:
        """Send what is kept back if nothing was sent since `begin`: so a connection that was cut
        while it lay idle is found out before COMMIT is on its way."""
        if self._unsent:
            self.flush()

    def flush(self) -> None:
        """Send what is kept back."""
        if self._held:
            commands = b";".join(self._held)
            self._forget()
            self._send(commands)

    def later(self, statement: str, values: Sequence[Any]) -> None:
        """Run a statement with $1, $2 ... at the latest before the next one that is asked, or
        before COMMIT."""
        command = self._execution(statement, values)
        self._held.append(command)
        self._held_bytes += len(command)
        if self._held_bytes > _HELD_BYTES_MAX:
            self.flush()

    def ask(
        self, statement: str, values: Sequence[Any], make_row: Callable[[Sequence[Any]], Any]
    ) -> tuple[list[Any], int]:
        """The rows that a statement with $1, $2 ... returns, and how many it found or changed."""
        if self._held:
            commands = b";".join((*self._held, self._execution(statement, values)))
            self._forget()
            result = self._send(commands)
        else:
            name = self._names.get(statement) or self._prepare(statement)
            texts: list[Any] = [_text(value) for value in values]
            result = self._pgconn.exec_prepared(name, texts)
            self._check(result)
        self._loader.set_pgresult(result)
        return self._loader.load_rows(0, result.ntuples, make_row), result.command_tuples or 0

    def _hold(self, command: bytes) -> None:
        self._held.append(command)
        self._held_bytes += len(command)

    def _forget(self) -> None:
        self._held.clear()
        self._held_bytes = 0
        self._unsent = False

    def _execution(self, statement: str, values: Sequence[Any]) -> bytes:
        name = self._names.get(statement) or self._prepare(statement)
        given = ",".join(
            [
                # Most of what comes, spelled here: a version has 70 values, and a call for each of
                # them takes as long as the rest of the way to libpq.
                "NULL"
                if value is None
                else f"'{value}'"
                if (kind := type(value)) is int
                or (kind is str and not ("'" in value or "\\" in value or "\0" in value))
                else self._argument(value)
                for value in values
            ]
        ).encode()
        return b"EXECUTE %b(%b)" % (name, given) if given else b"EXECUTE %b" % name

    def _argument(self, value: Any) -> str:
        text = _text(value)
        return "NULL" if text is None else bytes(self._literal(text)).decode()

    def _prepare(self, statement: str) -> bytes:
        name = f"hallmark_{len(self._names)}".encode()
        self._check(self._pgconn.prepare(name, statement.encode()))
        self._names[statement] = name
        return name

    def _send(self, commands: bytes) -> Any:
        """The answer to the last of these commands, if all of them are good."""
        result = self._pgconn.exec_(commands)
        self._check(result)
        return result

    def _check(self, result: Any) -> None:
        if result.status in _GOOD:
            return
        import psycopg
        from psycopg.errors import error_from_result

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
        if "\0" in value:
            # libpq would take it for the end of the text.
            from psycopg import DataError

            raise DataError("PostgreSQL takes no NUL in text")
        return value.encode()
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, bytes):
        return b"\\x" + value.hex().encode()
    raise TypeError(f"{type(value).__name__} is no type of a column here")
