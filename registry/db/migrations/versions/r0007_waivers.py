"""Waivers; conditions and times of decisions."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0001"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _waivers()
    # With a default, since servers of the release before go on adding decisions without it.
    op.add_column("decisions", sa.Column("conditions", _TEXT, nullable=False, server_default="[]"))
    op.add_column("decisions", sa.Column("expire_time_us", sa.BigInteger(), nullable=True))
    _index("promotions", "ix_promotions_asked", "requester", "expire_time_us", "number", **_PENDING)


def _waivers() -> None:
    op.create_table(
        "waivers",
        sa.Column("number", _KEY, autoincrement=True, nullable=False),
        _text("rule"),
        _key("model_key"),
        *map(_text, ("model", "namespace")),
        _key("version_key", nullable=True),
        _number("version_number", nullable=True),
        *map(_text, ("digest", "stage", "reason", "state", "requester", "decisions")),
        *map(_number, ("create_time_us", "expire_time_us")),
        _number("end_time_us", nullable=True),
        _of("waivers", "model_key", "models.key"),
        _of("waivers", "version_key", "versions.key"),
        sa.PrimaryKeyConstraint("number", name="pk_waivers"),
        sqlite_autoincrement=True,
    )
    _index("waivers", "ix_waivers_model_key_number", "model_key", "number")
    _index("waivers", "ix_waivers_namespace_number", "namespace", "number")
    _index("waivers", "ix_waivers_version_key", "version_key")
    _index("waivers", "ix_waivers_open", "expire_time_us", **_where("end_time_us IS NULL"))
    _index("waivers", "ix_waivers_pending", "expire_time_us", "number", **_PENDING)
    _index("waivers", "ix_waivers_asked", "requester", "expire_time_us", "number", **_PENDING)
    _index(
        "waivers",
        "ix_waivers_granted",
        "model_key",
        "expire_time_us",
        **_where("state = 'granted'"),
    )


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


_PENDING = _where("state = 'pending'")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, _TEXT, nullable=False)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def _key(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, _KEY, nullable=nullable)


def _of(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], [target], name=f"fk_{table}_{column}", ondelete="CASCADE"
    )


def _index(table: str, name: str, *columns: str, **options: Any) -> None:
    op.create_index(name, table, list(columns), **options)
