"""Checkpoints of the audit log."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table

from registry.db.tables.columns import metadata, number, optional_string, string

# Triggers refuse to change or delete a row, as they do for events. `note` is what counts; the
# others are what it says once more, for questions, and `frontiers` what the next one grows from.
audit_checkpoints = Table(
    "audit_checkpoints",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    number("time_us"),
    string("note"),
    string("public_key"),
    number("event_count"),
    optional_string("frontiers"),
)
