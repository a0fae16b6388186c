"""namespace: the first segment of models' names."""

from __future__ import annotations

import shlex

import click

from registry.cli import output
from registry.cli.session import Session, dry_run_option, limit_option, with_session
from registry.cli.tree import Group


@click.group("namespace", cls=Group)
def namespace() -> None:
    """Claim, list, change and give back namespaces."""


@namespace.command("create")
@click.argument("name", metavar="NAMESPACE")
@click.option("--description", default="", help="What lives there.")
@click.option("--owner", default="", help="The group that answers for it.")
@with_session
def create(session: Session, name: str, description: str, owner: str) -> None:
    """Claim a namespace."""
    made = session.client.namespaces.create(name, description=description, owner=owner)
    session.emit(
        made,
        [
            f"Claimed namespace {made.id}.",
            f"Let people in: hallmark principal grant PRINCIPAL registrant:{made.id}",
            f"Undo: hallmark namespace delete {made.id}",
        ],
    )


@namespace.command("list")
@limit_option
@with_session
def list_namespaces(session: Session, limit: int) -> None:
    """List the namespaces that you may read."""
    found = session.rows(session.client.namespaces.list(), limit)
    rows = [(each.id, each.owner, each.description.partition("\n")[0][:60]) for each in found]
    session.emit({"namespaces": found}, session.table(rows, ("namespace", "owner", "description")))


@namespace.command("show")
@click.argument("name", metavar="NAMESPACE")
@with_session
def show(session: Session, name: str) -> None:
    """Show a namespace."""
    found = session.client.namespaces.get(name)
    created = f"{output.when(found.create_time)} by {output.path_of(found.creator)}"
    session.emit(
        found,
        [
            found.id,
            *output.details(
                [
                    ("owner", found.owner),
                    ("description", found.description),
                    ("created", created),
                ]
            ),
        ],
    )


@namespace.command("update")
@click.argument("name", metavar="NAMESPACE")
@click.option("--description", help="What lives there.")
@click.option("--owner", help="The group that answers for it.")
@with_session
def update(session: Session, name: str, description: str | None, owner: str | None) -> None:
    """Change description or owner."""
    if description is None and owner is None:
        raise click.UsageError("Say what to change: --description or --owner.")
    before = session.client.namespaces.get(name)
    after = session.client.namespaces.update(
        name, description=description, owner=owner, etag=before.etag
    )
    undo = ["hallmark", "namespace", "update", after.id]
    if description is not None:
        undo += ["--description", before.description]
    if owner is not None:
        undo += ["--owner", before.owner]
    session.emit(after, [f"Changed namespace {after.id}.", f"Undo: {shlex.join(undo)}"])


@namespace.command("delete")
@click.argument("name", metavar="NAMESPACE")
@dry_run_option
@with_session
def delete(session: Session, name: str, dry_run: bool) -> None:
    """Give a namespace back; it has to be empty."""
    found = session.client.namespaces.get(name)
    session.client.namespaces.delete(name, etag=found.etag, validate_only=dry_run)
    done = "Would give back" if dry_run else "Gave back"
    given = {"--description": found.description, "--owner": found.owner}
    options = [word for option, value in given.items() if value for word in (option, value)]
    undo = shlex.join(["hallmark", "namespace", "create", found.id, *options])
    session.emit(
        {"name": found.name, "deleted": not dry_run},
        [f"{done} namespace {found.id}."] + ([] if dry_run else [f"Undo: {undo}"]),
    )
