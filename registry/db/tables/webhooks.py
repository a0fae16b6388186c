"""Who is told of events, what waits to be told, and reminders that were given."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, text

from registry.db.tables.columns import (
    CLUSTERED,
    ByteText,
    flag,
    key,
    metadata,
    number,
    of,
    optional_number,
    string,
)

webhooks = Table(
    "webhooks",
    metadata,
    key(),
    string("id"),
    string("url"),
    string("description"),
    string("actions"),
    string("namespace_pattern"),
    flag("enabled"),
    string("disable_reason"),
    # [[sealed secret, time of expiry or null], ...], the newest first.
    string("secrets"),
    # A number for each shard.
    string("position"),
    optional_number("failing_since_us"),
    string("etag"),
    number("create_time_us"),
    number("update_time_us"),
    string("creator"),
    Index(None, "id", unique=True),
)

# The rows are the queue. A row that is leased is due again when its lease ends.
webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    key(),
    of("webhook_key", "webhooks.key"),
    # Of the event; -1 for a test, whose number is its time.
    Column("shard", Integer, nullable=False),
    number("number"),
    string("action"),
    string("state"),
    # [[time, duration in ms, status, error], ...]
    string("attempts"),
    number("attempt_count"),
    number("start_time_us"),
    number("next_attempt_us"),
    number("lease_until_us"),
    number("create_time_us"),
    Index(None, "webhook_key", "shard", "number", unique=True),
    Index(None, "webhook_key", "key"),
    Index(None, "create_time_us"),
    Index(
        "ix_webhook_deliveries_pending",
        "webhook_key",
        "next_attempt_us",
        sqlite_where=text("state = 'pending'"),
        postgresql_where=text("state = 'pending'"),
    ),
    Index(
        "ix_webhook_deliveries_leased",
        "webhook_key",
        sqlite_where=text("lease_until_us > 0"),
        postgresql_where=text("lease_until_us > 0"),
    ),
)

# By `InboxKind`: each has a table of its own, so this one refers to none. Numbers are never given
# out twice, so a row that outlives what it is about is in nobody's way.
reminders = Table(
    "reminders",
    metadata,
    Column("kind", ByteText, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("mark", ByteText, primary_key=True),
    **CLUSTERED,
)

# For servers of the revision before `reminders`: nothing here uses it, and a later release removes
# it.
promotion_reminders = Table(
    "promotion_reminders",
    metadata,
    of("promotion", "promotions.number", primary_key=True),
    Column("kind", ByteText, primary_key=True),
    number("time_us"),
    **CLUSTERED,
)
