"""commit: points on a branch."""

from __future__ import annotations

import click

from registry.cli import output
from registry.cli.finding import find_model
from registry.cli.session import Session, limit_option, with_session
from registry.cli.tree import Group


@click.group("commit", cls=Group)
def commit() -> None:
    """List and show commits."""


@commit.command("list")
@click.argument("model")
@click.argument("revision", default="")
@limit_option
@with_session
def list_commits(session: Session, model: str, revision: str, limit: int) -> None:
    """List the commits that a branch (by default main) or commit leads to, newest first."""
    path = find_model(session, model)
    found = session.rows(session.client.commits.list(path, revision), limit)
    rows = [
        (
            session.digest(each.id),
            output.when(each.create_time),
            output.path_of(each.author),
            output.counted(each.file_count, "file"),
            output.size(each.size_bytes),
            each.message.partition("\n")[0][:60],
        )
        for each in found
    ]
    headers = ("commit", "created", "author", "files", "size", "message")
    session.emit({"commits": found}, session.table(rows, headers))


@commit.command("show")
@click.argument("name", metavar="MODEL@COMMIT")
@with_session
def show(session: Session, name: str) -> None:
    """Show a commit, by its id or a unique beginning of 7 hex digits or more."""
    model, at, commit_id = name.partition("@")
    if not at:
        raise click.UsageError(f"Which commit of {model}? See: hallmark commit list {model}")
    found = session.client.commits.get(find_model(session, model), commit_id)
    files = f"{output.number(found.file_count)}, {output.size(found.size_bytes)}"
    created = f"{output.when(found.create_time)} by {output.path_of(found.author)}"
    session.emit(
        found,
        [
            found.id,
            *output.details(
                [
                    ("message", found.message),
                    ("created", created),
                    ("parents", "\n".join(found.parents)),
                    ("tree", session.digest(found.tree)),
                    ("files", files),
                ]
            ),
        ],
    )
