"""Namespaces, and who works in them."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Index,
    LargeBinary,
    Table,
    text,
)

from registry.db.tables.columns import (
    NEVER_REUSED,
    added_string,
    flag,
    key,
    metadata,
    number,
    of,
    optional_number,
    string,
)

namespaces = Table(
    "namespaces",
    metadata,
    key(),
    string("id"),
    string("uid"),
    string("description"),
    string("owner"),
    string("etag"),
    number("create_time_us"),
    number("update_time_us"),
    string("creator"),
    Index(None, "id", unique=True),
)

principals = Table(
    "principals",
    metadata,
    key(),
    string("id"),
    string("uid"),
    string("kind"),
    string("display_name"),
    # [[role, namespace pattern], ...]; a denying one has true behind these.
    string("grants"),
    # Whether the grants hold role admin on "*".
    flag("admin"),
    flag("disabled"),
    string("etag"),
    number("create_time_us"),
    number("update_time_us"),
    added_string("sponsor", ""),
    Index(None, "id", unique=True),
)

#: Of tokens that were exchanged for a platform's: their creator begins with "workload:".
EXCHANGED = text("creator >= 'workload:' AND creator < 'workload;'")

tokens = Table(
    "tokens",
    metadata,
    key(),
    of("principal_key", "principals.key"),
    string("id"),
    Column("secret_hash", LargeBinary, nullable=False),
    string("label"),
    string("creator"),
    number("create_time_us"),
    number("expire_time_us"),
    optional_number("revoke_time_us"),
    optional_number("last_use_time_us"),
    # [[action, model, stage], ...]
    added_string("scopes", "[]"),
    # [name, ...]
    added_string("earlier_makers", "[]"),
    Index(None, "secret_hash", unique=True),
    Index(None, "principal_key", "id", unique=True),
    # To forget them by; others have no entry in it.
    Index(None, "expire_time_us", sqlite_where=EXCHANGED, postgresql_where=EXCHANGED),
    **NEVER_REUSED,
)
