"""info: the server's version, addresses and limits."""

from __future__ import annotations

import click

from registry.cli import output
from registry.cli.session import Session, with_session


@click.command("info")
@with_session
def info(session: Session) -> None:
    """Show the server's version, addresses and limits. Needs no token."""
    found = session.client.info()
    lines = [
        f"Hallmark {found.version} at {found.http_url}",
        *output.details(
            [
                ("stages", ", ".join(found.exclusive_stages)),
                ("policy", session.digest(found.policy_digest)),
                ("database", f"{found.database}, schema {found.schema_revision}"),
                ("largest file", output.size(found.file_size_bytes_max)),
                ("warning", "for development only" if found.development else ""),
            ]
        ),
    ]
    session.emit(found, lines)
