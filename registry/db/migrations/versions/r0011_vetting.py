"""What vetting learned of files, how far it is, and what is to be vetted anew."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _results()
    _runs()
    _reruns()


def _results() -> None:
    op.create_table(
        "file_results",
        sa.Column("key", _KEY, autoincrement=True, nullable=False),
        *(
            sa.Column(name, _TEXT, nullable=False)
            for name in ("sha256", "role", "files_digest", "rules_digest", "verdict", "format")
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("found_sha256", _TEXT, nullable=False),
        sa.Column("findings", _TEXT, nullable=False),
        sa.Column("vouches_for", _TEXT, nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("facts", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_file_results"),
    )
    op.create_index(
        "ix_file_results_sha256_role_rules_digest_files_digest",
        "file_results",
        ["sha256", "role", "rules_digest", "files_digest"],
        unique=True,
    )
    unread = sa.text("found_sha256 <> sha256")
    op.create_index(
        "ix_file_results_unread",
        "file_results",
        ["key"],
        sqlite_where=unread,
        postgresql_where=unread,
    )


def _runs() -> None:
    op.create_table(
        "vetting_runs",
        sa.Column("digest", _TEXT, nullable=False),
        sa.Column("rules_digest", _TEXT, nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("file_count", "size_bytes", "files_done", "bytes_done")
        ),
        sa.Column("path", _TEXT, nullable=False),
        sa.Column("problem", _TEXT, nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("attempts", "start_time_us", "update_time_us")
        ),
        sa.PrimaryKeyConstraint("digest", "rules_digest", name="pk_vetting_runs"),
        sqlite_with_rowid=False,
    )


def _reruns() -> None:
    op.create_table(
        "vetting_reruns",
        sa.Column("number", _KEY, autoincrement=True, nullable=False),
        sa.Column("model", _TEXT, nullable=False),
        sa.Column("version_number", sa.BigInteger(), nullable=False),
        sa.Column("requester", _TEXT, nullable=False),
        *(
            sa.Column(name, sa.BigInteger(), nullable=False)
            for name in ("create_time_us", "version_count", "done_count")
        ),
        sa.Column("end_time_us", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_vetting_reruns"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "vetting_marks",
        _version_key("vetting_marks"),
        _rerun("vetting_marks"),
        sa.PrimaryKeyConstraint("version_key", name="pk_vetting_marks"),
    )
    op.create_index("ix_vetting_marks_rerun", "vetting_marks", ["rerun"])
    op.create_table(
        "vetting_changes",
        _rerun("vetting_changes"),
        _version_key("vetting_changes"),
        *(sa.Column(name, _TEXT, nullable=False) for name in ("version", "was", "to_state")),
        sa.Column("was_verdict", _TEXT, nullable=True),
        sa.Column("verdict", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("rerun", "version_key", name="pk_vetting_changes"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_vetting_changes_version_key", "vetting_changes", ["version_key"])


def _version_key(table: str) -> sa.Column[int]:
    name = f"fk_{table}_version_key"
    key = sa.ForeignKey("versions.key", ondelete="CASCADE", name=name)
    return sa.Column("version_key", _KEY, key, nullable=False)


def _rerun(table: str) -> sa.Column[int]:
    key = sa.ForeignKey("vetting_reruns.number", name=f"fk_{table}_rerun")
    return sa.Column("rerun", _KEY, key, nullable=False)
