"""What all tables are made of: kinds of columns, names of indexes and constraints."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    ForeignKey,
    Integer,
    MetaData,
    Text,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import DDLCompiler

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes only a column of type INTEGER an alias of its row id.
Key = BigInteger().with_variant(Integer(), "sqlite")
# Without it PostgreSQL sorts by the locale that its cluster was made with.
ByteText = Text().with_variant(Text(collation="C"), "postgresql")
# Tables addressed by something other than `key` are, on SQLite, their own index.
CLUSTERED: dict[str, Any] = {"sqlite_with_rowid": False}
# Keys and numbers that outlive their row (in tickets, in people's notes) are never given out twice.
NEVER_REUSED: dict[str, Any] = {"sqlite_autoincrement": True}
# Rows that change often, and in no column that an index has. PostgreSQL writes those where they are
# as long as there is room in their page.
WRITTEN_IN_PLACE: dict[str, Any] = {"postgresql_with": {"fillfactor": 80}}


def key() -> Column[int]:
    return Column("key", Key, primary_key=True, autoincrement=True)


def string(name: str) -> Column[str]:
    return Column(name, ByteText, nullable=False)


def added_string(name: str, default: str) -> Column[str]:
    """One that came after its table, so that rows of an older release have this value."""
    return Column(name, ByteText, nullable=False, server_default=default)


def optional_string(name: str) -> Column[str | None]:
    return Column(name, ByteText, nullable=True)


def number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def optional_number(name: str) -> Column[int | None]:
    return Column(name, BigInteger, nullable=True)


def flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def of(name: str, target: str, *, primary_key: bool = False) -> Column[int]:
    """A reference to a row without which this one goes too."""
    return Column(
        name,
        Key,
        ForeignKey(target, ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


class _Derived(Computed):
    """What a row has by its other columns. PostgreSQL keeps it, as it must to have an index on it;
    SQLite, where no such column can be added to a table, works it out."""


@compiles(_Derived, "postgresql")
def _stored(element: _Derived, compiler: DDLCompiler, **_: Any) -> str:
    return f"GENERATED ALWAYS AS ({element.sqltext}) STORED"


@compiles(_Derived, "sqlite")
def _virtual(element: _Derived, compiler: DDLCompiler, **_: Any) -> str:
    return f"GENERATED ALWAYS AS ({element.sqltext}) VIRTUAL"


def derived_number(name: str, expression: str) -> Column[int]:
    return Column(name, BigInteger, _Derived(expression), nullable=False)
