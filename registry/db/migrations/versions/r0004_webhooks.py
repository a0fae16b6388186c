"""Webhooks, their deliveries, and reminders of promotions that wait."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _webhooks()
    _webhook_deliveries()
    _promotion_reminders()


def _row_key(name: str) -> sa.Column[int]:
    return sa.Column(name, _KEY, autoincrement=True, nullable=False)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, _TEXT, nullable=False)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=nullable)


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _primary_key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _foreign_key(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}"
    return sa.ForeignKeyConstraint([column], [target], name=name, ondelete="CASCADE")


def _index(table: str, *columns: str, unique: bool = False) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns), unique=unique)


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        _row_key("key"),
        *map(_text, ("id", "url", "description", "actions", "namespace_pattern")),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        *map(_text, ("disable_reason", "secrets", "position")),
        _number("failing_since_us", nullable=True),
        _text("etag"),
        *map(_number, ("create_time_us", "update_time_us")),
        _text("creator"),
        _primary_key("webhooks", "key"),
    )
    _index("webhooks", "id", unique=True)


def _webhook_deliveries() -> None:
    table = "webhook_deliveries"
    op.create_table(
        table,
        _row_key("key"),
        sa.Column("webhook_key", _KEY, nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        _number("number"),
        *map(_text, ("action", "state", "attempts")),
        *map(
            _number,
            (
                "attempt_count",
                "start_time_us",
                "next_attempt_us",
                "lease_until_us",
                "create_time_us",
            ),
        ),
        _foreign_key(table, "webhook_key", "webhooks.key"),
        _primary_key(table, "key"),
    )
    _index(table, "webhook_key", "shard", "number", unique=True)
    _index(table, "webhook_key", "key")
    _index(table, "create_time_us")
    op.create_index(
        "ix_webhook_deliveries_pending",
        table,
        ["webhook_key", "next_attempt_us"],
        **_where("state = 'pending'"),
    )
    op.create_index(
        "ix_webhook_deliveries_leased", table, ["webhook_key"], **_where("lease_until_us > 0")
    )


def _promotion_reminders() -> None:
    op.create_table(
        "promotion_reminders",
        sa.Column("promotion", _KEY, nullable=False),
        _text("kind"),
        _number("time_us"),
        _foreign_key("promotion_reminders", "promotion", "promotions.number"),
        _primary_key("promotion_reminders", "promotion", "kind"),
        sqlite_with_rowid=False,
    )
