"""Names that point to versions, the decisions that move them, and descent."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Table,
    false,
    text,
)

from registry.db.tables.columns import (
    CLUSTERED,
    NEVER_REUSED,
    ByteText,
    Key,
    flag,
    key,
    metadata,
    number,
    of,
    optional_number,
    optional_string,
    string,
)

# Aliases and tags point to a version, branches to a commit. "References" is a word of SQL.
refs = Table(
    "refs",
    metadata,
    of("model_key", "models.key", primary_key=True),
    # The id case-folded: ids of a model differ in more than case.
    Column("folded", ByteText, primary_key=True),
    string("id"),
    string("kind"),
    Column("version_key", Key, ForeignKey("versions.key", ondelete="CASCADE"), nullable=True),
    optional_string("commit_id"),
    number("update_time_us"),
    string("updater"),
    ForeignKeyConstraint(
        ["model_key", "commit_id"], ["commits.model_key", "commits.id"], ondelete="CASCADE"
    ),
    Index(None, "model_key", "id"),
    # Without branches, so that a branch that moves changes no index.
    Index(
        "ix_refs_version_key_id",
        "version_key",
        "id",
        sqlite_where=text("version_key IS NOT NULL"),
        postgresql_where=text("version_key IS NOT NULL"),
    ),
    **CLUSTERED,
)

# For each commit that goes with its model, PostgreSQL looks for branches at it, and through all
# rows that the same transaction has deleted.
Index(
    "ix_refs_model_key_commit_id",
    refs.c.model_key,
    refs.c.commit_id,
    postgresql_where=text("commit_id IS NOT NULL"),
).ddl_if(dialect="postgresql")

promotions = Table(
    "promotions",
    metadata,
    Column("number", Key, primary_key=True, autoincrement=True),
    of("model_key", "models.key"),
    of("version_key", "versions.key"),
    string("model"),
    string("namespace"),
    number("version_number"),
    string("digest"),
    string("stage"),
    # As stored: a pending one whose time has run out counts as expired.
    string("state"),
    string("requester"),
    string("note"),
    string("waiting"),
    optional_number("previous_number"),
    number("expected_current"),
    number("create_time_us"),
    number("expire_time_us"),
    optional_number("end_time_us"),
    # Whether it moved the stage without the decisions asked for; a review says what others think.
    Column("break_glass", Boolean, nullable=False, server_default=false()),
    Index(None, "model_key", "number"),
    Index(None, "version_key", "stage"),
    Index(None, "namespace", "number"),
    Index(
        "ix_promotions_pending",
        "expire_time_us",
        sqlite_where=text("state = 'pending'"),
        postgresql_where=text("state = 'pending'"),
    ),
    Index(
        "ix_promotions_asked",
        "requester",
        "expire_time_us",
        "number",
        sqlite_where=text("state = 'pending'"),
        postgresql_where=text("state = 'pending'"),
    ),
    **NEVER_REUSED,
)

# In order of `key`: a changed mind is a new row in place of the old one.
decisions = Table(
    "decisions",
    metadata,
    key(),
    of("promotion", "promotions.number"),
    string("decider"),
    string("outcome"),
    string("roles"),
    string("digest"),
    string("policy_digest"),
    string("comment"),
    number("create_time_us"),
    Column("conditions", ByteText, nullable=False, server_default="[]"),
    optional_number("expire_time_us"),
    # The default is for releases that know no groups.
    Column("groups", ByteText, nullable=False, server_default=text("'[]'")),
    Column("decider_uid", ByteText, nullable=False, server_default=text("''")),
    Column("rules_digest", ByteText, nullable=False, server_default=text("''")),
    Index(None, "promotion", "decider", unique=True),
)

stage_periods = Table(
    "stage_periods",
    metadata,
    key(),
    of("model_key", "models.key"),
    of("version_key", "versions.key"),
    number("version_number"),
    string("digest"),
    string("stage"),
    number("start_time_us"),
    optional_number("end_time_us"),
    Column(
        "promotion",
        Key,
        ForeignKey("promotions.number", ondelete="CASCADE"),
        nullable=True,
    ),
    string("mover"),
    string("note"),
    flag("rollback"),
    optional_number("previous_number"),
    Index(None, "model_key", "stage", "key"),
    Index(None, "promotion"),
    Index(None, "version_key"),
    # Whatever else goes wrong, no stage ever holds two versions.
    Index(
        "ix_stage_periods_open",
        "model_key",
        "stage",
        unique=True,
        sqlite_where=text("end_time_us IS NULL"),
        postgresql_where=text("end_time_us IS NULL"),
    ),
)

# An edge goes with its child. Without its parent it stays and goes on naming it.
lineage_edges = Table(
    "lineage_edges",
    metadata,
    of("child_key", "versions.key", primary_key=True),
    # Resource name of a version, which no later one can bear again.
    Column("parent", ByteText, primary_key=True),
    Column("parent_key", Key, ForeignKey("versions.key", ondelete="SET NULL"), nullable=True),
    string("parent_namespace"),
    string("kind"),
    string("creator"),
    number("create_time_us"),
    Index(None, "parent_key"),
    **CLUSTERED,
)
