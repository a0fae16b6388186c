"""Models, the files of their commits, and the versions cut from these."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Table,
    text,
)

from registry.db.tables.columns import (
    CLUSTERED,
    NEVER_REUSED,
    WRITTEN_IN_PLACE,
    ByteText,
    Key,
    derived_number,
    key,
    metadata,
    number,
    of,
    optional_number,
    optional_string,
    string,
)

MINUTE_US = 60_000_000

models = Table(
    "models",
    metadata,
    key(),
    string("uid"),
    string("path"),
    string("folded"),
    string("namespace"),
    string("description"),
    # As `description`, case-folded, for filters.
    string("description_folded"),
    string("task"),
    string("library"),
    string("license"),
    string("license_folded"),
    string("tags"),
    string("languages"),
    string("owners"),
    string("etag"),
    number("create_time_us"),
    number("update_time_us"),
    # By which models are found in order of time. Indexed itself, the time would change an index
    # with each new version, and PostgreSQL then writes to all indexes of the row anew.
    derived_number("update_minute", f"update_time_us / {MINUTE_US}"),
    string("creator"),
    number("latest_version"),
    number("next_number"),
    # Kept in step with `likes` and `downloads` by whoever writes those.
    number("like_count"),
    number("download_count"),
    # Of the terms under which its files may be fetched; empty where it has none.
    Column("terms_digest", ByteText, nullable=False, server_default=""),
    Index(None, "path", unique=True),
    Index(None, "folded", unique=True),
    Index(None, "namespace", "path"),
    Index(None, "create_time_us", "path"),
    Index(None, "update_minute"),
    **NEVER_REUSED,
    **WRITTEN_IN_PLACE,
)

# Most liked first, ties by name: what people ask for.
Index("ix_models_like_count_path", models.c.like_count.desc(), models.c.path)
Index("ix_models_download_count_path", models.c.download_count.desc(), models.c.path)

# The tags and owners of a model once more, one a row, for filters.
model_labels = Table(
    "model_labels",
    metadata,
    of("model_key", "models.key", primary_key=True),
    # "tag" or "owner".
    Column("kind", ByteText, primary_key=True),
    Column("value", ByteText, primary_key=True),
    Index(None, "kind", "value", "model_key"),
    **CLUSTERED,
)

# Where a model that was deleted ended: a number that was given out is never given out again. Read
# when a model of that name is made anew.
model_numbers = Table(
    "model_numbers",
    metadata,
    Column("folded", ByteText, primary_key=True),
    number("next"),
    **CLUSTERED,
)

manifests = Table(
    "manifests",
    metadata,
    key(),
    string("digest"),
    number("file_count"),
    number("size_bytes"),
    Index(None, "digest", unique=True),
)

manifest_files = Table(
    "manifest_files",
    metadata,
    of("manifest_key", "manifests.key", primary_key=True),
    Column("path", ByteText, primary_key=True),
    number("size_bytes"),
    string("sha256"),
    string("media_type"),
    Index(None, "sha256", "manifest_key"),
    **CLUSTERED,
)

commits = Table(
    "commits",
    metadata,
    key(),
    of("model_key", "models.key"),
    string("id"),
    string("tree"),
    # The manifest whose digest is `tree`.
    Column("manifest_key", Key, ForeignKey("manifests.key"), nullable=False),
    string("parents"),
    optional_string("first_parent"),
    string("author"),
    number("create_time_us"),
    string("message"),
    number("file_count"),
    number("size_bytes"),
    Index(None, "model_key", "id", unique=True),
    # By which a version's files are found too, since its commit has the same.
    Index(None, "manifest_key", "model_key"),
)

versions = Table(
    "versions",
    metadata,
    key(),
    string("uid"),
    of("model_key", "models.key"),
    string("model"),
    string("namespace"),
    number("number"),
    string("digest"),
    # A commit of the same model, whose tree is `digest`.
    of("commit_key", "commits.key"),
    string("commit_id"),
    string("state"),
    string("registrant"),
    number("create_time_us"),
    number("file_count"),
    number("size_bytes"),
    string("spec"),
    # The card without its text.
    string("card"),
    # These four are set together.
    optional_string("verdict"),
    optional_string("findings"),
    optional_string("rules_digest"),
    optional_number("vetting_time_us"),
    string("yank_reason"),
    optional_string("yanked_from"),
    string("contributors"),
    # At most a megabyte that nobody but its reader needs: last, so that SQLite finds all the others
    # without walking through it.
    string("card_text"),
    Index(None, "model_key", "number", unique=True),
    Index(None, "commit_key"),
    Index(None, "model_key", "state", "number"),
    Index(
        "ix_versions_quarantined",
        "key",
        sqlite_where=text("state = 'quarantined'"),
        postgresql_where=text("state = 'quarantined'"),
    ),
    # Released, or yanked from there, and vetting has turned against them: few at any time.
    Index(
        "ix_versions_doubted",
        "key",
        sqlite_where=text("(state = 'released' OR yanked_from = 'released') AND verdict <> 'pass'"),
        postgresql_where=text(
            "(state = 'released' OR yanked_from = 'released') AND verdict <> 'pass'"
        ),
    ),
    Index(
        "ix_versions_vetted",
        "key",
        sqlite_where=text("state = 'vetted'"),
        postgresql_where=text("state = 'vetted'"),
    ),
    **NEVER_REUSED,
)

evaluations = Table(
    "evaluations",
    metadata,
    key(),
    of("version_key", "versions.key"),
    string("uid"),
    string("evaluation"),
    string("metrics"),
    string("dataset"),
    string("tool"),
    string("reporter"),
    number("create_time_us"),
    Index(None, "version_key", "key"),
)
