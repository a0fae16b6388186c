"""What vetting learned of files, how far it is, and what is to be vetted anew."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Table, text

from registry.db.tables.columns import (
    CLUSTERED,
    NEVER_REUSED,
    Key,
    key,
    metadata,
    number,
    of,
    optional_number,
    optional_string,
    string,
)

file_results = Table(
    "file_results",
    metadata,
    key(),
    string("sha256"),
    string("role"),
    # Empty where the result depends on the bytes alone.
    string("files_digest"),
    string("rules_digest"),
    string("verdict"),
    string("format"),
    number("size_bytes"),
    string("found_sha256"),
    string("findings"),
    string("vouches_for"),
    number("time_us"),
    # Megabytes at times, that few readers need: last, so that SQLite finds all the others without
    # walking through it.
    string("facts"),
    Index(None, "sha256", "role", "rules_digest", "files_digest", unique=True),
    Index(
        "ix_file_results_unread",
        "key",
        sqlite_where=text("found_sha256 <> sha256"),
        postgresql_where=text("found_sha256 <> sha256"),
    ),
)

# What a search finds of a result: see `registry/domain/traits.py`.
file_traits = Table(
    "file_traits",
    metadata,
    of("result_key", "file_results.key", primary_key=True),
    Column("kind", string("kind").type, primary_key=True, nullable=False),
    Column("value", string("value").type, primary_key=True, nullable=False),
    # Of the one kind that is a number.
    optional_number("number"),
    Index(None, "kind", "value", "result_key"),
    **CLUSTERED,
)

# One for each list of files that is being looked at.
vetting_runs = Table(
    "vetting_runs",
    metadata,
    Column("digest", string("digest").type, primary_key=True, nullable=False),
    Column("rules_digest", string("rules_digest").type, primary_key=True, nullable=False),
    number("file_count"),
    number("size_bytes"),
    number("files_done"),
    number("bytes_done"),
    string("path"),
    string("problem"),
    number("attempts"),
    number("start_time_us"),
    number("update_time_us"),
    **CLUSTERED,
)

vetting_reruns = Table(
    "vetting_reruns",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=True),
    # Both empty: all versions there were.
    string("model"),
    number("version_number"),
    string("requester"),
    number("create_time_us"),
    number("version_count"),
    number("done_count"),
    optional_number("end_time_us"),
    **NEVER_REUSED,
)

# Versions that wait for the verdict of a rerun.
vetting_marks = Table(
    "vetting_marks",
    metadata,
    of("version_key", "versions.key", primary_key=True),
    Column("rerun", Key, ForeignKey("vetting_reruns.number"), nullable=False),
    Index(None, "rerun"),
)

vetting_changes = Table(
    "vetting_changes",
    metadata,
    Column("rerun", Key, ForeignKey("vetting_reruns.number"), primary_key=True, nullable=False),
    of("version_key", "versions.key", primary_key=True),
    string("version"),
    string("was"),
    string("to_state"),
    optional_string("was_verdict"),
    string("verdict"),
    Index(None, "version_key"),
    **CLUSTERED,
)
