"""Statements that come again and again, run at little more than the driver's own cost.

SQLAlchemy looks a statement up, makes a context, a cursor result and row objects anew for each
execution: about 25 microseconds, more than SQLite takes to answer. Nearly all of our statements are
made once, at import, so their text and the order of their parameters can be kept.
"""

from __future__ import annotations

import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast
from weakref import ref

from sqlalchemy import Connection, Dialect, Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.event import listen
from sqlalchemy.exc import MultipleResultsFound, NoResultFound
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import Insert, UpdateBase
from sqlalchemy.sql.selectable import SelectBase

from registry.db.file import File
from registry.db.wire import Wire

Parameters: TypeAlias = Mapping[str, Any]
Convert: TypeAlias = Callable[[Any], Any]
#: Statement, values and how to make a row, to rows and their number.
Ask: TypeAlias = Callable[
    [str, Sequence[Any], Callable[[Sequence[Any]], Any]], tuple[list[Any], int]
]
#: Statement and values, of whose outcome nothing is asked.
Later: TypeAlias = Callable[[str, Sequence[Any]], object]

#: Writes parameters as $1, $2 ..., which is what the server itself understands.
_NUMBERED: Dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class Rows:
    """All rows of an answer, with the methods of a CursorResult that this package uses."""

    __slots__ = ("_rows", "rowcount")

    def __init__(self, rows: list[Any], rowcount: int) -> None:
        self._rows = rows
        #: How many rows the statement changed.
        self.rowcount = rowcount

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def all(self) -> list[Any]:
        return self._rows

    def first(self) -> Any:
        return self._rows[0] if self._rows else None

    def one_or_none(self) -> Any:
        if len(self._rows) > 1:
            raise MultipleResultsFound(f"{len(self._rows)} rows where one was expected")
        return self._rows[0] if self._rows else None

    def one(self) -> Any:
        row = self.one_or_none()
        if row is None:
            raise NoResultFound("no row where one was expected")
        return row

    def scalar(self) -> Any:
        return self._rows[0][0] if self._rows else None

    def scalar_one_or_none(self) -> Any:
        row = self.one_or_none()
        return None if row is None else row[0]

    def scalar_one(self) -> Any:
        return self.one()[0]

    def scalars(self) -> Rows:
        return Rows([row[0] for row in self._rows], self.rowcount)


class Prepared:
    """A statement's text for one driver and one set of parameters."""

    def __init__(self, compiled: SQLCompiler, columns: Sequence[Any]) -> None:
        dialect = compiled.dialect
        binds = [(name, bind) for bind, name in compiled.bind_names.items()]
        self.text = str(compiled)
        self._names = tuple(compiled.positiontup or ())
        #: What the statement itself says, such as the LIMIT of a subquery.
        self._said = {name: bind.effective_value for name, bind in binds if not bind.required}
        make_type: Any = namedtuple  # whose names type checkers want to read in the source
        self._row = make_type("Row", [column.key for column in columns], rename=True)._make
        self._converts: list[tuple[int, Convert]] = [
            (place, convert)
            for place, column in enumerate(columns)
            if (convert := column.type.dialect_impl(dialect).result_processor(dialect, None))
        ]

    def run(self, ask: Ask, parameters: Parameters) -> Rows:
        """Run once, and read the whole answer."""
        if self._converts:
            rows, count = ask(self.text, self.values(parameters), self._converted)
        else:
            rows, count = ask(self.text, self.values(parameters), self._row)
        return Rows(rows, count)

    def values(self, given: Parameters) -> list[Any]:
        """The values of parameters in the order in which the text has them."""
        if self._said:
            given = {**self._said, **given}
        return [*map(given.__getitem__, self._names)]

    def _converted(self, row: Sequence[Any]) -> Any:
        values = list(row)
        for place, convert in self._converts:
            values[place] = convert(values[place])
        return self._row(values)


#: By statement, then by driver and names of parameters; None where the text depends on the values.
#: Statements that are gone are forgotten. (A WeakKeyDictionary, without the way through its code.)
_kept: dict[ref[Any], dict[tuple[str, ...], Prepared | None]] = {}


class PreparedConnection(Connection):
    """SQLAlchemy's connection, with a shorter way for statements that it has seen before.

    A statement made for one call comes once, and takes SQLAlchemy's way. What comes back has the
    methods of `Rows`; errors are the driver's own, as `failures` knows them.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        opened: Any = self.connection.driver_connection
        #: Ours, since SQLAlchemy's own commands would not go past statements that are kept back.
        self.driver: Wire | File = (
            File(opened) if isinstance(opened, sqlite3.Connection) else Wire(opened)
        )
        self._ask: Ask = self.driver.ask
        self._later: Later = self.driver.later
        if isinstance(self.driver, Wire):
            listen(self, "before_cursor_execute", self._flush)

    def execute(  # type: ignore[override]
        self, statement: Any, parameters: Any = None, *, execution_options: Any = None
    ) -> Rows:
        several = parameters if isinstance(parameters, list) else [parameters or {}]
        prepared = self._prepared(statement, several[0])
        if prepared is None:
            options = execution_options
            return cast(Rows, super().execute(statement, parameters, execution_options=options))
        for each in several[:-1]:
            prepared.run(self._ask, each)
        return prepared.run(self._ask, several[-1])

    def execute_later(self, statement: Any, parameters: Any) -> None:
        """Run a statement of whose outcome nothing is asked, rows and their number included.

        PostgreSQL gets it with the next one that is asked, or with COMMIT, and only then its error
        is raised. In units of work only.
        """
        several = parameters if isinstance(parameters, list) else [parameters]
        prepared = self._prepared(statement, several[0])
        if prepared is None:
            super().execute(statement, parameters)
            return
        for each in several:
            self._later(prepared.text, prepared.values(each))

    def _prepared(self, statement: Any, parameters: Parameters) -> Prepared | None:
        kept = _kept.get(ref(statement))
        if kept is None:
            if isinstance(statement, SelectBase | UpdateBase):
                _kept[ref(statement, _kept.pop)] = {}
            return None
        key = (self.dialect.name, *parameters)
        try:
            return kept[key]
        except KeyError:
            prepared = kept[key] = _prepare(statement, self.dialect, list(parameters))
            return prepared

    def _flush(self, *_: object) -> None:
        """What comes by SQLAlchemy's way is said to psycopg, past our own."""
        self.driver.flush()


def _prepare(statement: Any, dialect: Dialect, names: list[str]) -> Prepared | None:
    columns = tuple(statement.exported_columns)
    if isinstance(statement, Insert) and not columns:
        # Else it would return a new row's key, which was not asked for.
        statement = statement.inline()
    if dialect.name == "postgresql":
        dialect = _NUMBERED
    compiled = statement.compile(dialect=dialect, column_keys=names)
    if compiled.post_compile_params or compiled.literal_execute_params:
        return None
    return Prepared(compiled, columns)
