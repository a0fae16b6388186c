"""ref, resolve: names for versions and commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.finding import find_model, find_reference
from registry.cli.session import Session, limit_option, with_session
from registry.cli.tree import Group

if TYPE_CHECKING:
    from registry.client.values import Reference, Resolved


@click.command("resolve")
@click.argument("reference", metavar="MODEL@REF")
@with_session
def resolve(session: Session, reference: str) -> None:
    """Say which version a number, digest, commit, alias, tag, branch or stage means now."""
    found = session.client.resolve(find_reference(session, reference))
    session.emit(found, [_resolved_line(session, found)])


def _resolved_line(session: Session, found: Resolved) -> str:
    version = found.version
    parts = [version.ref, session.digest(version.digest), version.state]
    if found.since_time is not None:
        since = f"there since {output.when(found.since_time)}"
        number = output.path_of(found.promotion)
        parts.append(f"{since} by promotion {number}" if number else since)
    return "  ".join(parts)


@click.group("ref", cls=Group)
def ref() -> None:
    """List, set and delete aliases, tags and branches."""


ref.add_command(resolve)


@ref.command("list")
@click.argument("model")
@click.option("--kind", type=click.Choice(["alias", "tag", "branch", "stage"]), help="Only those.")
@limit_option
@with_session
def list_references(session: Session, model: str, kind: str | None, limit: int) -> None:
    """List a model's names, stages included."""
    path = find_model(session, model)
    found = session.rows(session.client.references.list(path, kind=kind or ""), limit)
    rows = [
        (
            each.id,
            each.kind,
            output.path_of(each.target),
            session.digest(each.digest),
            output.when(each.update_time),
            output.path_of(each.updater),
        )
        for each in found
    ]
    headers = ("name", "kind", "target", "digest", "since", "by")
    session.emit({"references": found}, session.table(rows, headers))


@ref.command("set")
@click.argument("model")
@click.argument("name")
@click.argument("target", metavar="[MODEL]@REF")
@click.option("--tag", "kind", flag_value="tag", help="A tag, which never moves.")
@click.option("--branch", "kind", flag_value="branch", help="A branch; the target is a commit.")
@click.option("--expect", metavar="@REF|none", help="Only if it points there now.")
@with_session
def set_reference(
    session: Session, model: str, name: str, target: str, kind: str | None, expect: str | None
) -> None:
    """Point an alias to a version, such as: hallmark ref set fraud/scorer latest @7

    Stages move by `hallmark promote` only.
    """
    path = find_model(session, model)
    before = _existing(session, path, name)
    whole = _target(session, path, target, kind)
    expected = expect if expect in (None, "none") else _target(session, path, expect, kind)
    after = session.client.references.set(
        path, name, whole, kind=kind or "alias", expected=expected or ""
    )
    session.emit(
        after,
        [
            f"{path}: {after.kind} {after.id} is {output.path_of(after.target)}"
            + (f", was {output.path_of(before.target)}." if before else "."),
            f"Undo: {_undo(path, after, before)}",
        ],
    )


@ref.command("delete")
@click.argument("model")
@click.argument("name")
@click.option("--expect", metavar="@REF", help="Only if it points there now.")
@with_session
def delete(session: Session, model: str, name: str, expect: str | None) -> None:
    """Delete an alias, branch or tag."""
    path = find_model(session, model)
    before = session.client.references.get(path, name)
    expected = _target(session, path, expect, before.kind) if expect else before.target
    session.client.references.delete(path, name, expected=expected)
    kind = "" if before.kind == "alias" else f" --{before.kind}"
    short = before.target.rpartition("/")[2]
    session.emit(
        before,
        [
            f"Deleted {before.kind} {name} of {path}, which was {output.path_of(before.target)}.",
            f"Undo: hallmark ref set {path} {name} @{short}{kind}",
        ],
    )


def _existing(session: Session, path: str, name: str) -> Reference | None:
    from registry.client.errors import NotFoundError

    try:
        return session.client.references.get(path, name)
    except NotFoundError as error:
        if error.metadata.get("kind") == "model":
            raise
        return None


def _target(session: Session, path: str, text: str, kind: str | None) -> str:
    """The resource name of what a branch (a commit) or another name (a version) points to."""
    model, at, selector = text.rpartition("@")
    if model and find_model(session, model) != path:
        raise click.UsageError(f"{text} is not of {path}; a name points within its own model.")
    if not at:
        selector = text
    if kind == "branch":
        return session.client.commits.get(path, selector).name
    return session.client.versions.name(f"{path}@{selector}")


def _undo(path: str, after: Reference, before: Reference | None) -> str:
    if before is None:
        return f"hallmark ref delete {path} {after.id}"
    if after.kind == "tag":
        return "nothing was changed"
    short = before.target.rpartition("/")[2]
    kind = "" if before.kind == "alias" else f" --{before.kind}"
    return f"hallmark ref set {path} {after.id} @{short}{kind}"
