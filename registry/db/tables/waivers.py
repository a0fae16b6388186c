"""Exceptions, acceptances and reviews: what people decide on beside promotions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKey, Index, Table, text

from registry.db.tables.columns import (
    NEVER_REUSED,
    Key,
    flag,
    key,
    metadata,
    number,
    of,
    optional_number,
    string,
)


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


waivers = Table(
    "waivers",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=True),
    string("rule"),
    of("model_key", "models.key"),
    string("model"),
    string("namespace"),
    Column("version_key", Key, ForeignKey("versions.key", ondelete="CASCADE"), nullable=True),
    optional_number("version_number"),
    string("digest"),
    string("stage"),
    string("reason"),
    # As stored: one whose time has run out counts as expired.
    string("state"),
    string("requester"),
    # None or one.
    string("decisions"),
    number("create_time_us"),
    number("expire_time_us"),
    optional_number("end_time_us"),
    Index(None, "model_key", "number"),
    Index(None, "namespace", "number"),
    Index(None, "version_key"),
    Index("ix_waivers_open", "expire_time_us", **_where("end_time_us IS NULL")),
    Index("ix_waivers_pending", "expire_time_us", "number", **_where("state = 'pending'")),
    Index(
        "ix_waivers_asked", "requester", "expire_time_us", "number", **_where("state = 'pending'")
    ),
    Index("ix_waivers_granted", "model_key", "expire_time_us", **_where("state = 'granted'")),
    **NEVER_REUSED,
)

# What models asked for, ever; `models.terms_digest` says what one asks for now.
terms = Table(
    "terms",
    metadata,
    key(),
    of("model_key", "models.key"),
    string("digest"),
    string("label"),
    string("text"),
    string("url"),
    number("validity_days"),
    flag("approval_required"),
    number("create_time_us"),
    string("creator"),
    Index(None, "model_key", "digest"),
)

acceptances = Table(
    "acceptances",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=True),
    of("model_key", "models.key"),
    string("model"),
    string("namespace"),
    string("principal"),
    string("requester"),
    string("terms_digest"),
    string("terms_label"),
    string("reason"),
    # As stored: one whose time has run out counts as expired.
    string("state"),
    # None or one.
    string("decisions"),
    number("create_time_us"),
    number("expire_time_us"),
    optional_number("end_time_us"),
    Index(None, "model_key", "principal", "number"),
    Index(None, "namespace", "number"),
    Index(None, "principal", "number"),
    Index("ix_acceptances_open", "expire_time_us", **_where("end_time_us IS NULL")),
    Index("ix_acceptances_pending", "expire_time_us", "number", **_where("state = 'pending'")),
    Index(
        "ix_acceptances_asked",
        "requester",
        "expire_time_us",
        "number",
        **_where("state = 'pending'"),
    ),
    **NEVER_REUSED,
)

reviews = Table(
    "reviews",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=True),
    of("promotion", "promotions.number"),
    of("model_key", "models.key"),
    of("version_key", "versions.key"),
    string("model"),
    string("namespace"),
    number("version_number"),
    string("digest"),
    string("stage"),
    string("requester"),
    string("reason"),
    string("rules"),
    string("state"),
    string("decisions"),
    number("create_time_us"),
    # When it is due.
    number("expire_time_us"),
    optional_number("overdue_time_us"),
    optional_number("end_time_us"),
    Index(None, "promotion"),
    Index(None, "version_key"),
    Index(None, "model_key", "number"),
    Index(None, "namespace", "number"),
    Index("ix_reviews_pending", "expire_time_us", "number", **_where("state = 'pending'")),
    Index(
        "ix_reviews_asked", "requester", "expire_time_us", "number", **_where("state = 'pending'")
    ),
    **NEVER_REUSED,
)
