"""Reminders of all that waits in an inbox, in one table. What `promotion_reminders` holds is
copied, and of open proposals what the audit log says was given.

A server of revision 0009 goes on with `promotion_reminders` and the log, so the old table stays,
with its rows, until a later release removes it. Neither table learns what is given by way of the
other: while servers of both revisions run, a promotion that comes to a mark may be told of twice,
once by each, and so may a proposal of which the older server tells first.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_OF_PROPOSALS = """
SELECT policy_changes.number AS number, events.detail_json AS detail
FROM policy_changes
JOIN events ON events.resource = 'policyChanges/' || policy_changes.number
WHERE policy_changes.state = 'pending' AND events.action = 'policy.remind'
"""


def upgrade() -> None:
    table = op.create_table(
        "reminders",
        sa.Column("kind", _TEXT, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("mark", _TEXT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "number", "mark", name="pk_reminders"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO reminders (kind, number, mark)"
        " SELECT 'promotion', promotion, kind FROM promotion_reminders"
    )
    found = op.get_bind().execute(sa.text(_OF_PROPOSALS))
    given = {(row.number, json.loads(row.detail)["when"]) for row in found}
    op.bulk_insert(
        table, [{"kind": "policy", "number": n, "mark": mark} for n, mark in sorted(given)]
    )
