"""Uploads, downloads and likes."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Index,
    Table,
    text,
)

from registry.db.tables.columns import (
    CLUSTERED,
    NEVER_REUSED,
    ByteText,
    flag,
    key,
    metadata,
    number,
    of,
    string,
)

uploads = Table(
    "uploads",
    metadata,
    key(),
    string("id"),
    string("model"),
    string("namespace"),
    string("creator"),
    string("token"),
    string("digest"),
    number("create_time_us"),
    number("expire_time_us"),
    flag("ended"),
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
    **NEVER_REUSED,
)

upload_files = Table(
    "upload_files",
    metadata,
    of("upload_key", "uploads.key", primary_key=True),
    Column("path", ByteText, primary_key=True),
    number("size_bytes"),
    string("sha256"),
    string("media_type"),
    flag("stored"),
    Index(None, "sha256", "upload_key"),
    Index(
        "ix_upload_files_awaited",
        "upload_key",
        sqlite_where=text("NOT stored"),
        postgresql_where=text("NOT stored"),
    ),
    **CLUSTERED,
)

blob_grants = Table(
    "blob_grants",
    metadata,
    Column("namespace", ByteText, primary_key=True),
    Column("sha256", ByteText, primary_key=True),
    **CLUSTERED,
)

# One row a counted download, so that none counts twice.
downloads = Table(
    "downloads",
    metadata,
    Column("id", ByteText, primary_key=True),
    of("version_key", "versions.key"),
    string("principal"),
    number("time_us"),
    Index(None, "version_key"),
    **CLUSTERED,
)

download_counts = Table(
    "download_counts",
    metadata,
    of("version_key", "versions.key", primary_key=True),
    Column("principal", ByteText, primary_key=True),
    number("download_count"),
    number("last_time_us"),
    **CLUSTERED,
)

likes = Table(
    "likes",
    metadata,
    of("model_key", "models.key", primary_key=True),
    Column("principal", ByteText, primary_key=True),
    number("time_us"),
    **CLUSTERED,
)
