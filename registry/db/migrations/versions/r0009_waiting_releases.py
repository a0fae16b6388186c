"""Versions that wait for the gate release are found. The release before goes on as it did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_index(
        "ix_versions_vetted",
        "versions",
        ["key"],
        sqlite_where=sa.text("state = 'vetted'"),
        postgresql_where=sa.text("state = 'vetted'"),
    )
