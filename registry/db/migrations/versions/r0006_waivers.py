"""Waivers; conditions and times of decisions; terms of models;
break-glass and its reviews."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _waivers()
    _terms()
    op.add_column(
        "promotions",
        sa.Column("break_glass", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    _reviews()
    op.add_column("models", sa.Column("terms_digest", _TEXT, nullable=False, server_default=""))
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


def _terms() -> None:
    op.create_table(
        "terms",
        sa.Column("key", _KEY, autoincrement=True, nullable=False),
        _key("model_key"),
        *map(_text, ("digest", "label", "text", "url")),
        _number("validity_days"),
        sa.Column("approval_required", sa.Boolean(), nullable=False),
        _number("create_time_us"),
        _text("creator"),
        _of("terms", "model_key", "models.key"),
        sa.PrimaryKeyConstraint("key", name="pk_terms"),
    )
    _index("terms", "ix_terms_model_key_digest", "model_key", "digest")
    op.create_table(
        "acceptances",
        sa.Column("number", _KEY, autoincrement=True, nullable=False),
        _key("model_key"),
        *map(_text, ("model", "namespace", "principal", "requester")),
        *map(_text, ("terms_digest", "terms_label", "reason", "state", "decisions")),
        *map(_number, ("create_time_us", "expire_time_us")),
        _number("end_time_us", nullable=True),
        _of("acceptances", "model_key", "models.key"),
        sa.PrimaryKeyConstraint("number", name="pk_acceptances"),
        sqlite_autoincrement=True,
    )
    table, due = "acceptances", ("expire_time_us", "number")
    _index(table, f"ix_{table}_model_key_principal_number", "model_key", "principal", "number")
    _index(table, f"ix_{table}_namespace_number", "namespace", "number")
    _index(table, f"ix_{table}_principal_number", "principal", "number")
    _index(table, f"ix_{table}_open", "expire_time_us", **_where("end_time_us IS NULL"))
    _index(table, f"ix_{table}_pending", *due, **_PENDING)
    _index(table, f"ix_{table}_asked", "requester", *due, **_PENDING)


def _reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("number", _KEY, autoincrement=True, nullable=False),
        *map(_key, ("promotion", "model_key", "version_key")),
        *map(_text, ("model", "namespace")),
        _number("version_number"),
        *map(_text, ("digest", "stage", "requester", "reason", "rules", "state", "decisions")),
        *map(_number, ("create_time_us", "expire_time_us")),
        _number("overdue_time_us", nullable=True),
        _number("end_time_us", nullable=True),
        _of("reviews", "promotion", "promotions.number"),
        _of("reviews", "model_key", "models.key"),
        _of("reviews", "version_key", "versions.key"),
        sa.PrimaryKeyConstraint("number", name="pk_reviews"),
        sqlite_autoincrement=True,
    )
    _index("reviews", "ix_reviews_promotion", "promotion")
    _index("reviews", "ix_reviews_version_key", "version_key")
    _index("reviews", "ix_reviews_model_key_number", "model_key", "number")
    _index("reviews", "ix_reviews_namespace_number", "namespace", "number")
    _index("reviews", "ix_reviews_pending", "expire_time_us", "number", **_PENDING)
    _index("reviews", "ix_reviews_asked", "requester", "expire_time_us", "number", **_PENDING)


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
