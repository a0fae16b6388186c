"""Policy sets in the database, and what gates were shown. The release before goes on as it did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "policy_sets",
        _text("digest"),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        _number("create_time_us"),
        sa.PrimaryKeyConstraint("digest", name="pk_policy_sets"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "active_policy",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        _text("digest"),
        _number("time_us"),
        sa.PrimaryKeyConstraint("id", name="pk_active_policy"),
    )
    op.create_table(
        "policy_changes",
        sa.Column("number", _KEY, autoincrement=True, nullable=False),
        *map(_text, ("digest", "base_digest", "state", "proposer", "proposer_uid")),
        *map(_text, ("token_creator", "note", "decider", "comment")),
        _number("create_time_us"),
        _number("end_time_us", nullable=True),
        sa.PrimaryKeyConstraint("number", name="pk_policy_changes"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_policy_changes_state_number", "policy_changes", ["state", "number"])
    op.create_table(
        "gate_inputs",
        _text("sha256"),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_gate_inputs"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "gate_records",
        sa.Column("key", _KEY, autoincrement=True, nullable=False),
        sa.Column("promotion", _KEY, nullable=False),
        *map(_text, ("decider", "input_sha256", "policy_digest", "results")),
        _number("create_time_us"),
        sa.ForeignKeyConstraint(
            ["promotion"],
            ["promotions.number"],
            name="fk_gate_records_promotion",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", name="pk_gate_records"),
    )
    op.create_index("ix_gate_records_promotion_key", "gate_records", ["promotion", "key"])
    # Of decisions from before, nobody knows: they count under no rules.
    for name in ("decider_uid", "rules_digest"):
        op.add_column(
            "decisions", sa.Column(name, _TEXT, nullable=False, server_default=sa.text("''"))
        )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, _TEXT, nullable=False)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=nullable)
