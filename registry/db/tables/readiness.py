"""Whether versions are ready for releases of Triton, and what is still to be assessed."""

from __future__ import annotations

from sqlalchemy import Index, Table, text

from registry.db.tables.columns import key, metadata, number, optional_string, string

_PENDING = text("wanted <> tools_digest")

assessments = Table(
    "assessments",
    metadata,
    key(),
    # Of the manifest.
    string("digest"),
    string("model"),
    string("release"),
    # Rules and tools by which a report is wanted; those of the report, empty without one.
    string("wanted"),
    string("tools_digest"),
    optional_string("readiness"),
    number("time_us"),
    number("wanted_us"),
    number("attempts"),
    number("lease_until_us"),
    string("problem"),
    # Long: last, so that SQLite finds all the others without walking through it.
    string("report"),
    Index(None, "digest", "model", "release", unique=True),
    Index("ix_assessments_pending", "wanted_us", sqlite_where=_PENDING, postgresql_where=_PENDING),
)
