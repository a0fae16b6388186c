"""A new version changes no index of its model.

PostgreSQL then writes the row in the page where it was (a heap-only tuple), in place of an entry in
each of eight indexes; and it needs room there. The release before goes on as it did.
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    postgresql = op.get_bind().dialect.name == "postgresql"
    op.execute(
        "ALTER TABLE models ADD COLUMN update_minute BIGINT GENERATED ALWAYS AS "
        f"(update_time_us / 60000000) {'STORED' if postgresql else 'VIRTUAL'} NOT NULL"
    )
    op.drop_index("ix_models_update_time_us_path", "models")
    op.create_index("ix_models_update_minute", "models", ["update_minute"])
    if postgresql:
        op.execute("ALTER TABLE models SET (fillfactor = 80)")
