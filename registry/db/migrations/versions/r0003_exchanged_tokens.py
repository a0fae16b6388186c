"""Tokens that were exchanged for a platform's are found by their end, to be forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    exchanged = sa.text("creator >= 'workload:' AND creator < 'workload;'")
    op.create_index(
        "ix_tokens_expire_time_us",
        "tokens",
        ["expire_time_us"],
        sqlite_where=exchanged,
        postgresql_where=exchanged,
    )
