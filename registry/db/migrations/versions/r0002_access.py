"""Scopes and makers of tokens, sponsors of robots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    # With defaults, since the release before knows nothing of them and inserts rows.
    _add("tokens", "scopes", "[]")
    _add("tokens", "earlier_makers", "[]")
    _add("principals", "sponsor", "")


def _add(table: str, column: str, default: str) -> None:
    op.add_column(table, sa.Column(column, _TEXT, nullable=False, server_default=default))
