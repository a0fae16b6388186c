"""What vetting learned can be searched, and what it has turned against is found.

Results from before are found once they are made anew.

The release before goes on as it did.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    result = sa.ForeignKey("file_results.key", ondelete="CASCADE", name="fk_file_traits_result_key")
    op.create_table(
        "file_traits",
        sa.Column("result_key", _KEY, result, nullable=False),
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("value", _TEXT, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("result_key", "kind", "value", name="pk_file_traits"),
        sqlite_with_rowid=False,
    )
    doubted = sa.text("(state = 'released' OR yanked_from = 'released') AND verdict <> 'pass'")
    op.create_index(
        "ix_versions_doubted",
        "versions",
        ["key"],
        sqlite_where=doubted,
        postgresql_where=doubted,
    )
    op.create_index(
        "ix_file_traits_kind_value_result_key", "file_traits", ["kind", "value", "result_key"]
    )
