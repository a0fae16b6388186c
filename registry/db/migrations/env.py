"""Alembic's entry: runs the revisions on the connection, in the transaction, that it is given."""

from __future__ import annotations

from alembic import context

from registry.db.tables import metadata

# No batch mode: it rebuilds tables behind our back and drops what it does not know, such as
# indexes on expressions. A revision that has to rebuild a table on SQLite says so step by step.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=False,
)
# Without context.begin_transaction(): BEGIN and COMMIT are `registry.db.schema`'s.
context.run_migrations()
