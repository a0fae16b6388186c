"""The audit chain, and requests that are done."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
)

from registry.db.tables.columns import (
    CLUSTERED,
    ByteText,
    metadata,
    number,
    string,
)

# One row a shard, there from the start: what the next event of the shard continues.
event_heads = Table(
    "event_heads",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    number("number"),
    string("hash"),
    number("time_us"),
)

# Triggers refuse to change or delete a row: a guard against bugs, not against whoever owns the
# database. Evidence is the chain of hashes.
#
# In order of time, in which they come: SQLite then adds to the end of the table, and not in as many
# places as there are shards, where each event would have pages torn apart for it.
events = Table(
    "events",
    metadata,
    Column("shard", Integer, nullable=False),
    number("number"),
    number("time_us"),
    string("actor"),
    string("action"),
    string("resource"),
    string("namespace"),
    string("detail_json"),
    string("previous_hash"),
    string("hash"),
    PrimaryKeyConstraint("time_us", "shard", "number"),
    Index(None, "shard", "number", unique=True),
    Index(None, "namespace", "time_us", "shard", "number"),
    Index(None, "resource", "time_us", "shard", "number"),
    **CLUSTERED,
)

requests = Table(
    "requests",
    metadata,
    Column("principal", ByteText, primary_key=True),
    Column("method", ByteText, primary_key=True),
    Column("request_id", ByteText, primary_key=True),
    string("fingerprint"),
    string("result"),
    number("time_us"),
    Index(None, "time_us"),
    **CLUSTERED,
)
