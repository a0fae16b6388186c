"""Policy sets, which of them is active, and what gates were shown."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, Table

from registry.db.tables.columns import (
    CLUSTERED,
    NEVER_REUSED,
    ByteText,
    Key,
    key,
    metadata,
    number,
    of,
    optional_number,
    string,
)

# Never changed: a digest stands for one content.
policy_sets = Table(
    "policy_sets",
    metadata,
    Column("digest", ByteText, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    number("create_time_us"),
    **CLUSTERED,
)

# One row, of id 1, from the first start on.
active_policy = Table(
    "active_policy",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    string("digest"),
    number("time_us"),
)

policy_changes = Table(
    "policy_changes",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=True),
    string("digest"),
    string("base_digest"),
    string("state"),
    string("proposer"),
    string("proposer_uid"),
    string("token_creator"),
    string("note"),
    string("decider"),
    string("comment"),
    number("create_time_us"),
    optional_number("end_time_us"),
    Index(None, "state", "number"),
    **NEVER_REUSED,
)

# By their sha256; they outlive the promotion, as the audit log does.
gate_inputs = Table(
    "gate_inputs",
    metadata,
    Column("sha256", ByteText, primary_key=True),
    Column("document", LargeBinary, nullable=False),
    **CLUSTERED,
)

# In order of `key`.
gate_records = Table(
    "gate_records",
    metadata,
    key(),
    of("promotion", "promotions.number"),
    string("decider"),
    string("input_sha256"),
    string("policy_digest"),
    string("results"),
    number("create_time_us"),
    Index(None, "promotion", "key"),
)
