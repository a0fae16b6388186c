"""What all tables are made of: kinds of columns, names of indexes and constraints."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    Text,
)

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
