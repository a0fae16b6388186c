"""Checkpoints of the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "audit_checkpoints",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("time_us", sa.BigInteger(), nullable=False),
        sa.Column("note", _TEXT, nullable=False),
        sa.Column("public_key", _TEXT, nullable=False),
        sa.Column("event_count", sa.BigInteger(), nullable=False),
        sa.Column("frontiers", _TEXT, nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_audit_checkpoints"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_checkpoints_no_{verb.lower()} BEFORE {verb} ON "
                "audit_checkpoints BEGIN "
                "SELECT RAISE(ABORT, 'checkpoints are never changed or deleted'); END"
            )
        return
    # The function came with the first tables; it refuses whatever it is asked about.
    op.execute(
        "CREATE TRIGGER audit_checkpoints_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON "
        "audit_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
