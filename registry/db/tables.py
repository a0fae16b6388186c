"""The tables, alike on SQLite and PostgreSQL. Their history is in `migrations/`.

Conventions: `key` is a row's integer key and never leaves the server; times are integer
microseconds UTC; text that is sorted or compared has byte order on both databases; lists and nested
values are canonical JSON text, read and written whole. A model's path and a version's number never
change, hence are repeated where a hot read would otherwise need a join.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes only a column of type INTEGER an alias of its row id.
_Key = BigInteger().with_variant(Integer(), "sqlite")
# Without it PostgreSQL sorts by the locale that its cluster was made with.
_Text = Text().with_variant(Text(collation="C"), "postgresql")
# Tables addressed by something other than `key` are, on SQLite, their own index.
_CLUSTERED: dict[str, Any] = {"sqlite_with_rowid": False}
# Keys and numbers that outlive their row (in tickets, in people's notes) are never given out twice.
_NEVER_REUSED: dict[str, Any] = {"sqlite_autoincrement": True}


def _key() -> Column[int]:
    return Column("key", _Key, primary_key=True, autoincrement=True)


def _text(name: str) -> Column[str]:
    return Column(name, _Text, nullable=False)


def _optional_text(name: str) -> Column[str | None]:
    return Column(name, _Text, nullable=True)


def _number(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False)


def _optional_number(name: str) -> Column[int | None]:
    return Column(name, BigInteger, nullable=True)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def _of(name: str, target: str, *, primary_key: bool = False) -> Column[int]:
    """A reference to a row without which this one goes too."""
    return Column(
        name,
        _Key,
        ForeignKey(target, ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


namespaces = Table(
    "namespaces",
    metadata,
    _key(),
    _text("id"),
    _text("uid"),
    _text("description"),
    _text("owner"),
    _text("etag"),
    _number("create_time_us"),
    _number("update_time_us"),
    _text("creator"),
    Index(None, "id", unique=True),
)

principals = Table(
    "principals",
    metadata,
    _key(),
    _text("id"),
    _text("uid"),
    _text("kind"),
    _text("display_name"),
    # [[role, namespace pattern], ...]
    _text("grants"),
    # Whether the grants hold role admin on "*".
    _flag("admin"),
    _flag("disabled"),
    _text("etag"),
    _number("create_time_us"),
    _number("update_time_us"),
    Index(None, "id", unique=True),
)

tokens = Table(
    "tokens",
    metadata,
    _key(),
    _of("principal_key", "principals.key"),
    _text("id"),
    Column("secret_hash", LargeBinary, nullable=False),
    _text("label"),
    _text("creator"),
    _number("create_time_us"),
    _number("expire_time_us"),
    _optional_number("revoke_time_us"),
    _optional_number("last_use_time_us"),
    Index(None, "secret_hash", unique=True),
    Index(None, "principal_key", "id", unique=True),
    **_NEVER_REUSED,
)

models = Table(
    "models",
    metadata,
    _key(),
    _text("uid"),
    _text("path"),
    _text("folded"),
    _text("namespace"),
    _text("description"),
    # As `description`, case-folded, for filters.
    _text("description_folded"),
    _text("task"),
    _text("library"),
    _text("license"),
    _text("license_folded"),
    _text("tags"),
    _text("languages"),
    _text("owners"),
    _text("etag"),
    _number("create_time_us"),
    _number("update_time_us"),
    _text("creator"),
    _number("latest_version"),
    _number("next_number"),
    # Kept in step with `likes` and `downloads` by whoever writes those.
    _number("like_count"),
    _number("download_count"),
    Index(None, "path", unique=True),
    Index(None, "folded", unique=True),
    Index(None, "namespace", "path"),
    Index(None, "create_time_us", "path"),
    Index(None, "update_time_us", "path"),
    **_NEVER_REUSED,
)

# Most liked first, ties by name: what people ask for.
Index("ix_models_like_count_path", models.c.like_count.desc(), models.c.path)
Index("ix_models_download_count_path", models.c.download_count.desc(), models.c.path)

# The tags and owners of a model once more, one a row, for filters.
model_labels = Table(
    "model_labels",
    metadata,
    _of("model_key", "models.key", primary_key=True),
    # "tag" or "owner".
    Column("kind", _Text, primary_key=True),
    Column("value", _Text, primary_key=True),
    Index(None, "kind", "value", "model_key"),
    **_CLUSTERED,
)

# Where a model that was deleted ended: a number that was given out is never given out again. Read
# when a model of that name is made anew.
model_numbers = Table(
    "model_numbers",
    metadata,
    Column("folded", _Text, primary_key=True),
    _number("next"),
    **_CLUSTERED,
)

manifests = Table(
    "manifests",
    metadata,
    _key(),
    _text("digest"),
    _number("file_count"),
    _number("size_bytes"),
    Index(None, "digest", unique=True),
)

manifest_files = Table(
    "manifest_files",
    metadata,
    _of("manifest_key", "manifests.key", primary_key=True),
    Column("path", _Text, primary_key=True),
    _number("size_bytes"),
    _text("sha256"),
    _text("media_type"),
    Index(None, "sha256", "manifest_key"),
    **_CLUSTERED,
)

commits = Table(
    "commits",
    metadata,
    _key(),
    _of("model_key", "models.key"),
    _text("id"),
    _text("tree"),
    # The manifest whose digest is `tree`.
    Column("manifest_key", _Key, ForeignKey("manifests.key"), nullable=False),
    _text("parents"),
    _optional_text("first_parent"),
    _text("author"),
    _number("create_time_us"),
    _text("message"),
    _number("file_count"),
    _number("size_bytes"),
    Index(None, "model_key", "id", unique=True),
    # By which a version's files are found too, since its commit has the same.
    Index(None, "manifest_key", "model_key"),
)

versions = Table(
    "versions",
    metadata,
    _key(),
    _text("uid"),
    _of("model_key", "models.key"),
    _text("model"),
    _text("namespace"),
    _number("number"),
    _text("digest"),
    # A commit of the same model, whose tree is `digest`.
    _of("commit_key", "commits.key"),
    _text("commit_id"),
    _text("state"),
    _text("registrant"),
    _number("create_time_us"),
    _number("file_count"),
    _number("size_bytes"),
    _text("spec"),
    # The card without its text.
    _text("card"),
    # These four are set together.
    _optional_text("verdict"),
    _optional_text("findings"),
    _optional_text("rules_digest"),
    _optional_number("vetting_time_us"),
    _text("yank_reason"),
    _optional_text("yanked_from"),
    _text("contributors"),
    # At most a megabyte that nobody but its reader needs: last, so that SQLite finds all the others
    # without walking through it.
    _text("card_text"),
    Index(None, "model_key", "number", unique=True),
    Index(None, "commit_key"),
    Index(None, "model_key", "state", "number"),
    Index(
        "ix_versions_quarantined",
        "key",
        sqlite_where=text("state = 'quarantined'"),
        postgresql_where=text("state = 'quarantined'"),
    ),
    **_NEVER_REUSED,
)

evaluations = Table(
    "evaluations",
    metadata,
    _key(),
    _of("version_key", "versions.key"),
    _text("uid"),
    _text("evaluation"),
    _text("metrics"),
    _text("dataset"),
    _text("tool"),
    _text("reporter"),
    _number("create_time_us"),
    Index(None, "version_key", "key"),
)

# Aliases and tags point to a version, branches to a commit. "References" is a word of SQL.
refs = Table(
    "refs",
    metadata,
    _of("model_key", "models.key", primary_key=True),
    # The id case-folded: ids of a model differ in more than case.
    Column("folded", _Text, primary_key=True),
    _text("id"),
    _text("kind"),
    Column("version_key", _Key, ForeignKey("versions.key", ondelete="CASCADE"), nullable=True),
    _optional_text("commit_id"),
    _number("update_time_us"),
    _text("updater"),
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
    **_CLUSTERED,
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
    Column("number", _Key, primary_key=True, autoincrement=True),
    _of("model_key", "models.key"),
    _of("version_key", "versions.key"),
    _text("model"),
    _text("namespace"),
    _number("version_number"),
    _text("digest"),
    _text("stage"),
    # As stored: a pending one whose time has run out counts as expired.
    _text("state"),
    _text("requester"),
    _text("note"),
    _text("waiting"),
    _optional_number("previous_number"),
    _number("expected_current"),
    _number("create_time_us"),
    _number("expire_time_us"),
    _optional_number("end_time_us"),
    Index(None, "model_key", "number"),
    Index(None, "version_key", "stage"),
    Index(None, "namespace", "number"),
    Index(
        "ix_promotions_pending",
        "expire_time_us",
        sqlite_where=text("state = 'pending'"),
        postgresql_where=text("state = 'pending'"),
    ),
    **_NEVER_REUSED,
)

# In order of `key`: a changed mind is a new row in place of the old one.
decisions = Table(
    "decisions",
    metadata,
    _key(),
    _of("promotion", "promotions.number"),
    _text("decider"),
    _text("outcome"),
    _text("roles"),
    _text("digest"),
    _text("policy_digest"),
    _text("comment"),
    _number("create_time_us"),
    Index(None, "promotion", "decider", unique=True),
)

stage_periods = Table(
    "stage_periods",
    metadata,
    _key(),
    _of("model_key", "models.key"),
    _of("version_key", "versions.key"),
    _number("version_number"),
    _text("digest"),
    _text("stage"),
    _number("start_time_us"),
    _optional_number("end_time_us"),
    Column(
        "promotion",
        _Key,
        ForeignKey("promotions.number", ondelete="CASCADE"),
        nullable=True,
    ),
    _text("mover"),
    _text("note"),
    _flag("rollback"),
    _optional_number("previous_number"),
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
    _of("child_key", "versions.key", primary_key=True),
    # Resource name of a version, which no later one can bear again.
    Column("parent", _Text, primary_key=True),
    Column("parent_key", _Key, ForeignKey("versions.key", ondelete="SET NULL"), nullable=True),
    _text("parent_namespace"),
    _text("kind"),
    _text("creator"),
    _number("create_time_us"),
    Index(None, "parent_key"),
    **_CLUSTERED,
)

uploads = Table(
    "uploads",
    metadata,
    _key(),
    _text("id"),
    _text("model"),
    _text("namespace"),
    _text("creator"),
    _text("token"),
    _text("digest"),
    _number("create_time_us"),
    _number("expire_time_us"),
    _flag("ended"),
    Index(None, "id", unique=True),
    Index(
        "ix_uploads_live_creator",
        "creator",
        "expire_time_us",
        sqlite_where=text("NOT ended"),
        postgresql_where=text("NOT ended"),
    ),
    Index(
        "ix_uploads_live",
        "expire_time_us",
        sqlite_where=text("NOT ended"),
        postgresql_where=text("NOT ended"),
    ),
    **_NEVER_REUSED,
)

upload_files = Table(
    "upload_files",
    metadata,
    _of("upload_key", "uploads.key", primary_key=True),
    Column("path", _Text, primary_key=True),
    _number("size_bytes"),
    _text("sha256"),
    _text("media_type"),
    _flag("stored"),
    Index(None, "sha256", "upload_key"),
    Index(
        "ix_upload_files_awaited",
        "upload_key",
        sqlite_where=text("NOT stored"),
        postgresql_where=text("NOT stored"),
    ),
    **_CLUSTERED,
)

blob_grants = Table(
    "blob_grants",
    metadata,
    Column("namespace", _Text, primary_key=True),
    Column("sha256", _Text, primary_key=True),
    **_CLUSTERED,
)

# One row a counted download, so that none counts twice.
downloads = Table(
    "downloads",
    metadata,
    Column("id", _Text, primary_key=True),
    _of("version_key", "versions.key"),
    _text("principal"),
    _number("time_us"),
    Index(None, "version_key"),
    **_CLUSTERED,
)

download_counts = Table(
    "download_counts",
    metadata,
    _of("version_key", "versions.key", primary_key=True),
    Column("principal", _Text, primary_key=True),
    _number("download_count"),
    _number("last_time_us"),
    **_CLUSTERED,
)

likes = Table(
    "likes",
    metadata,
    _of("model_key", "models.key", primary_key=True),
    Column("principal", _Text, primary_key=True),
    _number("time_us"),
    **_CLUSTERED,
)

# One row a shard, there from the start: what the next event of the shard continues.
event_heads = Table(
    "event_heads",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    _number("number"),
    _text("hash"),
    _number("time_us"),
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
    _number("number"),
    _number("time_us"),
    _text("actor"),
    _text("action"),
    _text("resource"),
    _text("namespace"),
    _text("detail_json"),
    _text("previous_hash"),
    _text("hash"),
    PrimaryKeyConstraint("time_us", "shard", "number"),
    Index(None, "shard", "number", unique=True),
    Index(None, "namespace", "time_us", "shard", "number"),
    Index(None, "resource", "time_us", "shard", "number"),
    **_CLUSTERED,
)

requests = Table(
    "requests",
    metadata,
    Column("principal", _Text, primary_key=True),
    Column("method", _Text, primary_key=True),
    Column("request_id", _Text, primary_key=True),
    _text("fingerprint"),
    _text("result"),
    _number("time_us"),
    Index(None, "time_us"),
    **_CLUSTERED,
)
