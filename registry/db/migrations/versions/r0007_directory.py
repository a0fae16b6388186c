"""Accounts in the company's directory, tried passwords, and the groups that deciders held."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column(
        "decisions", sa.Column("groups", _TEXT, nullable=False, server_default=sa.text("'[]'"))
    )
    _directory_accounts()
    _login_attempts()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, _TEXT, nullable=False)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _key() -> sa.Column[int]:
    return sa.Column("key", _KEY, autoincrement=True, nullable=False)


def _directory_accounts() -> None:
    op.create_table(
        "directory_accounts",
        _key(),
        sa.Column("principal_key", _KEY, nullable=False),
        _text("directory"),
        _text("stable_id"),
        _text("user_name"),
        _text("groups"),
        _text("standing"),
        _number("read_time_us"),
        _text("address"),
        _number("create_time_us"),
        sa.ForeignKeyConstraint(
            ["principal_key"],
            ["principals.key"],
            name=op.f("fk_directory_accounts_principal_key"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_directory_accounts")),
    )
    op.create_index(
        op.f("ix_directory_accounts_principal_key"),
        "directory_accounts",
        ["principal_key"],
        unique=True,
    )
    op.create_index(
        op.f("ix_directory_accounts_directory_stable_id"),
        "directory_accounts",
        ["directory", "stable_id"],
        unique=True,
    )


def _login_attempts() -> None:
    op.create_table(
        "login_attempts",
        _key(),
        _text("subject"),
        _text("address"),
        _number("time_us"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_login_attempts")),
    )
    op.create_index(
        op.f("ix_login_attempts_subject_time_us"),
        "login_attempts",
        ["subject", "time_us"],
        unique=False,
    )
    op.create_index(op.f("ix_login_attempts_time_us"), "login_attempts", ["time_us"], unique=False)
