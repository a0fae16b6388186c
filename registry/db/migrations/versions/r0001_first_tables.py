"""The first tables. What each is for stands in `registry/db/tables/`, which may have moved on."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    _blob_grants()
    _event_heads()
    _events()
    _manifests()
    _model_numbers()
    _models()
    _namespaces()
    _principals()
    _requests()
    _uploads()
    _commits()
    _likes()
    _manifest_files()
    _model_labels()
    _tokens()
    _upload_files()
    _versions()
    _download_counts()
    _downloads()
    _evaluations()
    _lineage_edges()
    _promotions()
    _refs()
    _decisions()
    _stage_periods()
    _seed_event_heads()
    _guard_events()


def _row_key(name: str) -> sa.Column[int]:
    return sa.Column(name, _KEY, autoincrement=True, nullable=False)


def _key(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, _KEY, nullable=nullable)


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, _TEXT, nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=nullable)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _primary_key(table: str, *columns: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*columns, name=f"pk_{table}")


def _foreign_key(
    table: str, column: str, target: str, *, ondelete: str | None = None
) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}"
    return sa.ForeignKeyConstraint([column], [target], name=name, ondelete=ondelete)


def _index(table: str, *columns: str, unique: bool = False) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns), unique=unique)


def _blob_grants() -> None:
    op.create_table(
        "blob_grants",
        *map(_text, ("namespace", "sha256")),
        _primary_key("blob_grants", "namespace", "sha256"),
        sqlite_with_rowid=False,
    )


def _event_heads() -> None:
    op.create_table(
        "event_heads",
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        _number("number"),
        _text("hash"),
        _number("time_us"),
        _primary_key("event_heads", "shard"),
    )


def _events() -> None:
    op.create_table(
        "events",
        sa.Column("shard", sa.Integer(), autoincrement=False, nullable=False),
        *map(_number, ("number", "time_us")),
        *map(
            _text,
            ("actor", "action", "resource", "namespace", "detail_json", "previous_hash", "hash"),
        ),
        _primary_key("events", "time_us", "shard", "number"),
        sqlite_with_rowid=False,
    )
    _index("events", "namespace", "time_us", "shard", "number")
    _index("events", "resource", "time_us", "shard", "number")
    _index("events", "shard", "number", unique=True)


def _manifests() -> None:
    op.create_table(
        "manifests",
        _row_key("key"),
        _text("digest"),
        *map(_number, ("file_count", "size_bytes")),
        _primary_key("manifests", "key"),
    )
    _index("manifests", "digest", unique=True)


def _model_numbers() -> None:
    op.create_table(
        "model_numbers",
        _text("folded"),
        _number("next"),
        _primary_key("model_numbers", "folded"),
        sqlite_with_rowid=False,
    )


def _models() -> None:
    op.create_table(
        "models",
        _row_key("key"),
        *map(
            _text,
            (
                "uid",
                "path",
                "folded",
                "namespace",
                "description",
                "description_folded",
                "task",
                "library",
                "license",
                "license_folded",
                "tags",
                "languages",
                "owners",
                "etag",
            ),
        ),
        *map(_number, ("create_time_us", "update_time_us")),
        _text("creator"),
        *map(_number, ("latest_version", "next_number", "like_count", "download_count")),
        _primary_key("models", "key"),
        sqlite_autoincrement=True,
    )
    _index("models", "create_time_us", "path")
    op.create_index(
        "ix_models_download_count_path",
        "models",
        [sa.literal_column("download_count DESC"), "path"],
    )
    _index("models", "folded", unique=True)
    op.create_index(
        "ix_models_like_count_path", "models", [sa.literal_column("like_count DESC"), "path"]
    )
    _index("models", "namespace", "path")
    _index("models", "path", unique=True)
    _index("models", "update_time_us", "path")


def _namespaces() -> None:
    op.create_table(
        "namespaces",
        _row_key("key"),
        *map(_text, ("id", "uid", "description", "owner", "etag")),
        *map(_number, ("create_time_us", "update_time_us")),
        _text("creator"),
        _primary_key("namespaces", "key"),
    )
    _index("namespaces", "id", unique=True)


def _principals() -> None:
    op.create_table(
        "principals",
        _row_key("key"),
        *map(_text, ("id", "uid", "kind", "display_name", "grants")),
        _flag("admin"),
        _flag("disabled"),
        _text("etag"),
        *map(_number, ("create_time_us", "update_time_us")),
        _primary_key("principals", "key"),
    )
    _index("principals", "id", unique=True)


def _requests() -> None:
    op.create_table(
        "requests",
        *map(_text, ("principal", "method", "request_id", "fingerprint", "result")),
        _number("time_us"),
        _primary_key("requests", "principal", "method", "request_id"),
        sqlite_with_rowid=False,
    )
    _index("requests", "time_us")


def _uploads() -> None:
    op.create_table(
        "uploads",
        _row_key("key"),
        *map(_text, ("id", "model", "namespace", "creator", "token", "digest")),
        *map(_number, ("create_time_us", "expire_time_us")),
        _flag("ended"),
        _primary_key("uploads", "key"),
        sqlite_autoincrement=True,
    )
    _index("uploads", "id", unique=True)
    op.create_index("ix_uploads_live", "uploads", ["expire_time_us"], **_where("NOT ended"))
    op.create_index(
        "ix_uploads_live_creator", "uploads", ["creator", "expire_time_us"], **_where("NOT ended")
    )


def _commits() -> None:
    op.create_table(
        "commits",
        _row_key("key"),
        _key("model_key"),
        *map(_text, ("id", "tree")),
        _key("manifest_key"),
        _text("parents"),
        _text("first_parent", nullable=True),
        _text("author"),
        _number("create_time_us"),
        _text("message"),
        *map(_number, ("file_count", "size_bytes")),
        _foreign_key("commits", "manifest_key", "manifests.key"),
        _foreign_key("commits", "model_key", "models.key", ondelete="CASCADE"),
        _primary_key("commits", "key"),
    )
    _index("commits", "manifest_key", "model_key")
    _index("commits", "model_key", "id", unique=True)


def _likes() -> None:
    op.create_table(
        "likes",
        _key("model_key"),
        _text("principal"),
        _number("time_us"),
        _foreign_key("likes", "model_key", "models.key", ondelete="CASCADE"),
        _primary_key("likes", "model_key", "principal"),
        sqlite_with_rowid=False,
    )


def _manifest_files() -> None:
    op.create_table(
        "manifest_files",
        _key("manifest_key"),
        _text("path"),
        _number("size_bytes"),
        *map(_text, ("sha256", "media_type")),
        _foreign_key("manifest_files", "manifest_key", "manifests.key", ondelete="CASCADE"),
        _primary_key("manifest_files", "manifest_key", "path"),
        sqlite_with_rowid=False,
    )
    _index("manifest_files", "sha256", "manifest_key")


def _model_labels() -> None:
    op.create_table(
        "model_labels",
        _key("model_key"),
        *map(_text, ("kind", "value")),
        _foreign_key("model_labels", "model_key", "models.key", ondelete="CASCADE"),
        _primary_key("model_labels", "model_key", "kind", "value"),
        sqlite_with_rowid=False,
    )
    _index("model_labels", "kind", "value", "model_key")


def _tokens() -> None:
    op.create_table(
        "tokens",
        _row_key("key"),
        _key("principal_key"),
        _text("id"),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        *map(_text, ("label", "creator")),
        *map(_number, ("create_time_us", "expire_time_us")),
        _number("revoke_time_us", nullable=True),
        _number("last_use_time_us", nullable=True),
        _foreign_key("tokens", "principal_key", "principals.key", ondelete="CASCADE"),
        _primary_key("tokens", "key"),
        sqlite_autoincrement=True,
    )
    _index("tokens", "principal_key", "id", unique=True)
    _index("tokens", "secret_hash", unique=True)


def _upload_files() -> None:
    op.create_table(
        "upload_files",
        _key("upload_key"),
        _text("path"),
        _number("size_bytes"),
        *map(_text, ("sha256", "media_type")),
        _flag("stored"),
        _foreign_key("upload_files", "upload_key", "uploads.key", ondelete="CASCADE"),
        _primary_key("upload_files", "upload_key", "path"),
        sqlite_with_rowid=False,
    )
    _index("upload_files", "sha256", "upload_key")
    op.create_index(
        "ix_upload_files_awaited", "upload_files", ["upload_key"], **_where("NOT stored")
    )


def _versions() -> None:
    op.create_table(
        "versions",
        _row_key("key"),
        _text("uid"),
        _key("model_key"),
        *map(_text, ("model", "namespace")),
        _number("number"),
        _text("digest"),
        _key("commit_key"),
        *map(_text, ("commit_id", "state", "registrant")),
        *map(_number, ("create_time_us", "file_count", "size_bytes")),
        *map(_text, ("spec", "card")),
        _text("verdict", nullable=True),
        _text("findings", nullable=True),
        _text("rules_digest", nullable=True),
        _number("vetting_time_us", nullable=True),
        _text("yank_reason"),
        _text("yanked_from", nullable=True),
        *map(_text, ("contributors", "card_text")),
        _foreign_key("versions", "commit_key", "commits.key", ondelete="CASCADE"),
        _foreign_key("versions", "model_key", "models.key", ondelete="CASCADE"),
        _primary_key("versions", "key"),
        sqlite_autoincrement=True,
    )
    _index("versions", "commit_key")
    _index("versions", "model_key", "number", unique=True)
    _index("versions", "model_key", "state", "number")
    op.create_index(
        "ix_versions_quarantined",
        "versions",
        ["key"],
        sqlite_where=sa.text("state = 'quarantined'"),
        postgresql_where=sa.text("state = 'quarantined'"),
    )


def _download_counts() -> None:
    op.create_table(
        "download_counts",
        _key("version_key"),
        _text("principal"),
        *map(_number, ("download_count", "last_time_us")),
        _foreign_key("download_counts", "version_key", "versions.key", ondelete="CASCADE"),
        _primary_key("download_counts", "version_key", "principal"),
        sqlite_with_rowid=False,
    )


def _downloads() -> None:
    op.create_table(
        "downloads",
        _text("id"),
        _key("version_key"),
        _text("principal"),
        _number("time_us"),
        _foreign_key("downloads", "version_key", "versions.key", ondelete="CASCADE"),
        _primary_key("downloads", "id"),
        sqlite_with_rowid=False,
    )
    _index("downloads", "version_key")


def _evaluations() -> None:
    op.create_table(
        "evaluations",
        _row_key("key"),
        _key("version_key"),
        *map(_text, ("uid", "evaluation", "metrics", "dataset", "tool", "reporter")),
        _number("create_time_us"),
        _foreign_key("evaluations", "version_key", "versions.key", ondelete="CASCADE"),
        _primary_key("evaluations", "key"),
    )
    _index("evaluations", "version_key", "key")


def _lineage_edges() -> None:
    op.create_table(
        "lineage_edges",
        _key("child_key"),
        _text("parent"),
        _key("parent_key", nullable=True),
        *map(_text, ("parent_namespace", "kind", "creator")),
        _number("create_time_us"),
        _foreign_key("lineage_edges", "child_key", "versions.key", ondelete="CASCADE"),
        _foreign_key("lineage_edges", "parent_key", "versions.key", ondelete="SET NULL"),
        _primary_key("lineage_edges", "child_key", "parent"),
        sqlite_with_rowid=False,
    )
    _index("lineage_edges", "parent_key")


def _promotions() -> None:
    op.create_table(
        "promotions",
        _row_key("number"),
        _key("model_key"),
        _key("version_key"),
        *map(_text, ("model", "namespace")),
        _number("version_number"),
        *map(_text, ("digest", "stage", "state", "requester", "note", "waiting")),
        _number("previous_number", nullable=True),
        *map(_number, ("expected_current", "create_time_us", "expire_time_us")),
        _number("end_time_us", nullable=True),
        _foreign_key("promotions", "model_key", "models.key", ondelete="CASCADE"),
        _foreign_key("promotions", "version_key", "versions.key", ondelete="CASCADE"),
        _primary_key("promotions", "number"),
        sqlite_autoincrement=True,
    )
    _index("promotions", "model_key", "number")
    _index("promotions", "namespace", "number")
    op.create_index(
        "ix_promotions_pending",
        "promotions",
        ["expire_time_us"],
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    _index("promotions", "version_key", "stage")


def _refs() -> None:
    op.create_table(
        "refs",
        _key("model_key"),
        *map(_text, ("folded", "id", "kind")),
        _key("version_key", nullable=True),
        _text("commit_id", nullable=True),
        _number("update_time_us"),
        _text("updater"),
        sa.ForeignKeyConstraint(
            ["model_key", "commit_id"],
            ["commits.model_key", "commits.id"],
            name="fk_refs_model_key_commit_id",
            ondelete="CASCADE",
        ),
        _foreign_key("refs", "model_key", "models.key", ondelete="CASCADE"),
        _foreign_key("refs", "version_key", "versions.key", ondelete="CASCADE"),
        _primary_key("refs", "model_key", "folded"),
        sqlite_with_rowid=False,
    )
    _index("refs", "model_key", "id")
    op.create_index(
        "ix_refs_version_key_id",
        "refs",
        ["version_key", "id"],
        **_where("version_key IS NOT NULL"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.create_index(
            "ix_refs_model_key_commit_id",
            "refs",
            ["model_key", "commit_id"],
            postgresql_where=sa.text("commit_id IS NOT NULL"),
        )


def _decisions() -> None:
    op.create_table(
        "decisions",
        _row_key("key"),
        _key("promotion"),
        *map(_text, ("decider", "outcome", "roles", "digest", "policy_digest", "comment")),
        _number("create_time_us"),
        _foreign_key("decisions", "promotion", "promotions.number", ondelete="CASCADE"),
        _primary_key("decisions", "key"),
    )
    _index("decisions", "promotion", "decider", unique=True)


def _stage_periods() -> None:
    op.create_table(
        "stage_periods",
        _row_key("key"),
        _key("model_key"),
        _key("version_key"),
        _number("version_number"),
        *map(_text, ("digest", "stage")),
        _number("start_time_us"),
        _number("end_time_us", nullable=True),
        _key("promotion", nullable=True),
        *map(_text, ("mover", "note")),
        _flag("rollback"),
        _number("previous_number", nullable=True),
        _foreign_key("stage_periods", "model_key", "models.key", ondelete="CASCADE"),
        _foreign_key("stage_periods", "promotion", "promotions.number", ondelete="CASCADE"),
        _foreign_key("stage_periods", "version_key", "versions.key", ondelete="CASCADE"),
        _primary_key("stage_periods", "key"),
    )
    _index("stage_periods", "model_key", "stage", "key")
    op.create_index(
        "ix_stage_periods_open",
        "stage_periods",
        ["model_key", "stage"],
        unique=True,
        **_where("end_time_us IS NULL"),
    )
    _index("stage_periods", "promotion")
    _index("stage_periods", "version_key")


def _seed_event_heads() -> None:
    heads = sa.table("event_heads", *map(sa.column, ("shard", "number", "hash", "time_us")))
    empty = {"number": 0, "hash": "0" * 64, "time_us": 0}
    op.bulk_insert(heads, [{"shard": shard, **empty} for shard in range(16)])


def _guard_events() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER events_no_{verb.lower()} BEFORE {verb} ON events "
                "BEGIN SELECT RAISE(ABORT, 'events are never changed or deleted'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'events are never changed or deleted'; END $$"
    )
    op.execute(
        "CREATE TRIGGER events_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON events "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
