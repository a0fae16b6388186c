"""Collections as one value: a parameter that the database takes apart, or names in one column.

An IN list with a parameter a value has another text for each length, so none is ever prepared
twice, and ends at some 30,000 values. A parameter that is a JSON array has one text, and 100,000
values are fine.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Table,
    Text,
    bindparam,
    cast,
    column,
    exists,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.expression import TableValuedAlias
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import ScalarSelect
from sqlalchemy.types import TypeEngine


class _Elements(FunctionElement[Any]):
    """The elements of a JSON array, one a row, in column `value`."""

    name = "elements"
    inherit_cache = True


@compiles(_Elements, "sqlite")
def _elements_sqlite(element: _Elements, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_Elements, "postgresql")
def _elements_postgresql(element: _Elements, compiler: SQLCompiler, **options: Any) -> str:
    array = compiler.process(element.clauses, **options)
    # The collation of the columns that it is compared with; two different ones are an error.
    return (
        f'(SELECT value COLLATE "C" AS value FROM json_array_elements_text(CAST({array} AS JSON)))'
    )


class _Rows(FunctionElement[Any]):
    """The elements of a JSON array of arrays, one a row, in column `value`."""

    name = "rows"
    inherit_cache = True


@compiles(_Rows, "sqlite")
def _rows_sqlite(element: _Rows, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_Rows, "postgresql")
def _rows_postgresql(element: _Rows, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array_elements(CAST({compiler.process(element.clauses, **options)} AS JSON))"


class joined(FunctionElement[str | None]):  # noqa: N801 - written as the SQL function that it is
    """All values of a column in one text, with commas between; null where there are none."""

    name = "joined"
    inherit_cache = True


@compiles(joined, "sqlite")
def _joined_sqlite(element: joined, compiler: SQLCompiler, **options: Any) -> str:
    return f"group_concat({compiler.process(element.clauses, **options)})"


@compiles(joined, "postgresql")
def _joined_postgresql(element: joined, compiler: SQLCompiler, **options: Any) -> str:
    return f"string_agg({compiler.process(element.clauses, **options)}, ',')"


def elements(parameter: str) -> TableValuedAlias:
    """What the parameter's array holds, as a table of one column of text, `value`."""
    return _Elements(bindparam(parameter, type_=Text)).table_valued(column("value", Text))


def texts(parameter: str) -> ScalarSelect[str]:
    """For `column.in_(...)`: the texts in the parameter's array."""
    return select(elements(parameter).c.value).scalar_subquery()


def numbers(parameter: str) -> ScalarSelect[int]:
    """For `column.in_(...)`: the whole numbers in the parameter's array."""
    return select(cast(elements(parameter).c.value, BigInteger)).scalar_subquery()


def covered(namespace: ColumnElement[str], parameter: str) -> ColumnElement[bool]:
    """Whether one of the parameter's namespace patterns covers a namespace."""
    patterns = elements(parameter)
    like = namespace.like(patterns.c.value, escape="\\")
    return exists(select(literal(1)).select_from(patterns).where(like))


class _Globbed(FunctionElement[bool]):
    """Whether a pattern, in which `*` stands for any characters, matches a text; case counts."""

    name = "globbed"
    inherit_cache = True
    type = Boolean()


@compiles(_Globbed, "sqlite")
def _globbed_sqlite(element: _Globbed, compiler: SQLCompiler, **options: Any) -> str:
    # LIKE would take capitals for small letters.
    text, pattern = (compiler.process(each, **options) for each in element.clauses)
    return f"({text} GLOB replace(replace({pattern}, '[', '[[]'), '?', '[?]'))"


@compiles(_Globbed, "postgresql")
def _globbed_postgresql(element: _Globbed, compiler: SQLCompiler, **options: Any) -> str:
    text, pattern = (compiler.process(each, **options) for each in element.clauses)
    # chr(37) is the percent sign, which drivers would take for the beginning of a parameter.
    escaped = rf"replace({pattern}, '\', '\\')"
    escaped = rf"replace(replace({escaped}, '_', '\_'), chr(37), '\' || chr(37))"
    return rf"({text} LIKE replace({escaped}, '*', chr(37)) ESCAPE '\')"


def globbed(text: ColumnElement[str], parameter: str) -> ColumnElement[bool]:
    """Whether one of the parameter's patterns over model paths matches a text; they come as
    `texts` do."""
    given = elements(parameter)
    return exists(select(literal(1)).select_from(given).where(_Globbed(text, given.c.value)))


def columns_of(parameter: str, *types: type[TypeEngine[Any]]) -> tuple[ColumnElement[Any], ...]:
    """The columns of the parameter's rows, for INSERT FROM SELECT: many rows in one statement,
    which takes a third of the time of a statement a row."""
    rows = _Rows(bindparam(parameter, type_=Text)).table_valued(column("value", Text))
    return tuple(
        cast(rows.c.value.op("->>")(literal_column(str(number))), type_)
        for number, type_ in enumerate(types)
    )


@cache
def insert_of(table: Table, names: tuple[str, ...], count: int) -> postgresql.Insert:
    """INSERT of so many rows, whose parameters `values_of` makes: for a few rows a third of the
    time of a statement a row, and a quarter of what taking an array apart costs."""
    return postgresql.insert(table).values(
        [{name: bindparam(_place(name, row)) for name in names} for row in range(count)]
    )


def values_of(names: tuple[str, ...], rows: Sequence[Sequence[object]]) -> dict[str, object]:
    """The parameters of `insert_of` for these rows, each with its values in the order of the
    names."""
    return dict(zip(_places(names, len(rows)), chain.from_iterable(rows), strict=True))


@cache
def _places(names: tuple[str, ...], count: int) -> tuple[str, ...]:
    return tuple(_place(name, row) for row in range(count) for name in names)


def _place(name: str, row: int) -> str:
    return f"{name}_{row}"


def split(names: str | None) -> tuple[str, ...]:
    """The names in a text that `joined` made, sorted; none of them may have a comma in it."""
    return tuple(sorted(names.split(","))) if names else ()


def array(values: Collection[str] | Collection[int]) -> str:
    """The value of a parameter of `elements`, `texts` or `numbers`; sorted.

    Sorted, since two writers that take the same rows in different orders wait for each other.
    """
    return json.dumps(sorted(values))


def patterns(values: Collection[str]) -> str:
    """The value of a parameter of `covered`: patterns in which `*` stands for any characters."""
    # Namespaces have no capitals, but SQLite's LIKE takes capitals for small letters.
    return json.dumps([_like(value) for value in values if value == value.lower()])


def _like(pattern: str) -> str:
    for special in ("\\", "%", "_"):
        pattern = pattern.replace(special, "\\" + special)
    return pattern.replace("*", "%")


def rows(values: Iterable[tuple[object, ...]]) -> str:
    """The value of a parameter of `columns_of`."""
    return json.dumps(list(values), ensure_ascii=False)
