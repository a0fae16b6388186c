"""Who people are in the company's directory, and passwords that were tried."""

from __future__ import annotations

from sqlalchemy import Index, Table

from registry.db.tables.columns import key, metadata, number, of, string

directory_accounts = Table(
    "directory_accounts",
    metadata,
    key(),
    of("principal_key", "principals.key"),
    string("directory"),
    string("stable_id"),
    string("user_name"),
    # By name, as JSON.
    string("groups"),
    string("standing"),
    # When all of this was read in the directory.
    number("read_time_us"),
    string("address"),
    number("create_time_us"),
    Index(None, "principal_key", unique=True),
    Index(None, "directory", "stable_id", unique=True),
)

# One a row, for a quarter of an hour.
login_attempts = Table(
    "login_attempts",
    metadata,
    key(),
    # A keyed hash: what is typed as a name may have been the password.
    string("subject"),
    string("address"),
    number("time_us"),
    Index(None, "subject", "time_us"),
    Index(None, "time_us"),
)
