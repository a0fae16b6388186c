"""Whether versions are ready for releases of Triton is known.

The release before goes on as it did.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "assessments",
        sa.Column("key", _KEY, autoincrement=True, nullable=False),
        sa.Column("digest", _TEXT, nullable=False),
        sa.Column("model", _TEXT, nullable=False),
        sa.Column("release", _TEXT, nullable=False),
        sa.Column("wanted", _TEXT, nullable=False),
        sa.Column("tools_digest", _TEXT, nullable=False),
        sa.Column("readiness", _TEXT, nullable=True),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("wanted_us", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("lease_until_us", sa.BigInteger(), nullable=False),
        sa.Column("problem", _TEXT, nullable=False),
        sa.Column("report", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_assessments"),
    )
    pending = sa.text("wanted <> tools_digest")
    op.create_index(
        "ix_assessments_pending",
        "assessments",
        ["wanted_us"],
        sqlite_where=pending,
        postgresql_where=pending,
    )
    op.create_index(
        "ix_assessments_digest_model_release",
        "assessments",
        ["digest", "model", "release"],
        unique=True,
    )
