"""model, list: named lines of versions."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from registry.cli import output
from registry.cli.access import accept_command
from registry.cli.finding import find_model
from registry.cli.session import Session, dry_run_option, limit_option, with_session
from registry.cli.tree import Group

if TYPE_CHECKING:
    from collections.abc import Callable

    from registry.client.values import Model

_FIELDS = ("description", "task", "library", "license", "tags", "languages", "owners")


@click.group("model", cls=Group)
def model() -> None:
    """Create, show, change, delete and like models."""


def _field_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.option("--description", help="What it does."),
        click.option("--task", help="Such as image-classification."),
        click.option("--library", help="Such as onnx."),
        click.option("--license", help="SPDX identifier or LicenseRef."),
        click.option("--tag", "tags", multiple=True, help="May be repeated."),
        click.option("--language", "languages", multiple=True, help="May be repeated."),
        click.option("--owner", "owners", multiple=True, help="May be repeated."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@model.command("create")
@click.argument("name", metavar="MODEL")
@_field_options
@with_session
def create(session: Session, /, name: str, **fields: Any) -> None:
    """Create a model in a namespace that is claimed; `push` does so by itself."""
    given = {key: value for key, value in fields.items() if value}
    made = session.client.models.create(name, **given)
    session.emit(
        made,
        [
            f"Created model {made.path}.",
            f"Add a version: hallmark push FOLDER {made.path}",
            f"Undo: hallmark model delete {made.path}",
        ],
    )


@click.command("list")
@click.argument("namespace", default="")
@click.option("--text", default="", help="In the name or description.")
@click.option("--task", default="", help="Only of this task.")
@click.option("--library", default="", help="Only for this library.")
@click.option("--license", default="", help="Only under this license.")
@click.option("--tag", "tags", multiple=True, help="May be repeated; all must be there.")
@click.option("--owner", default="", help="Only of this owner.")
@click.option("--state", default="", help="At least one version is quarantined, released, ...")
@click.option(
    "--order",
    default="",
    help="name, create_time, update_time, likes or downloads; with ' desc' turned round.",
)
@limit_option
@with_session
def list_models(
    session: Session, /, namespace: str, limit: int, order: str, **filters: Any
) -> None:
    """List models, of NAMESPACE or of all that you may read."""
    found = session.rows(session.client.models.list(namespace, order_by=order, **filters), limit)
    rows = [
        (
            each.path,
            f"v{each.latest_version}" if each.latest_version else "empty",
            ", ".join(f"{stage} {number}" for stage, number in each.stages.items()),
            each.task,
            each.license,
            each.description.partition("\n")[0][:60],
        )
        for each in found
    ]
    headers = ("model", "newest", "stages", "task", "license", "description")
    session.emit({"models": found}, session.table(rows, headers))


model.add_command(list_models)


@model.command("show")
@click.argument("name", metavar="MODEL")
@with_session
def show(session: Session, name: str) -> None:
    """Show a model."""
    found = session.client.models.get(find_model(session, name))
    stages = ", ".join(f"{stage} is version {n}" for stage, n in found.stages.items())
    newest = f"version {found.latest_version}" if found.latest_version else "none yet"
    created = f"{output.when(found.create_time)} by {output.path_of(found.creator)}"
    terms = _terms(session, found.path)
    session.emit(
        output.plain(found) | {"terms": terms},
        [
            found.path,
            *output.details(
                [
                    ("description", found.description),
                    ("newest", newest),
                    ("stages", stages),
                    ("task", found.task),
                    ("library", found.library),
                    ("license", found.license),
                    ("tags", ", ".join(found.tags)),
                    ("languages", ", ".join(found.languages)),
                    ("owners", ", ".join(found.owners)),
                    *_terms_details(terms),
                    ("created", created),
                    ("likes", output.number(found.like_count)),
                    ("downloads", output.number(found.download_count)),
                ]
            ),
        ],
    )


def _terms(session: Session, path: str) -> dict[str, Any] | None:
    """What has to be accepted before files of the model can be fetched, and by which commands."""
    from registry.client.errors import NotFoundError

    try:
        found = session.client.terms.get(path)
    except NotFoundError:
        return None
    commands = {
        "read": f"hallmark access terms {path}",
        "accept": accept_command(path, found),
    }
    return {**output.plain(found), **commands}


def _terms_details(terms: dict[str, Any] | None) -> list[tuple[str, str]]:
    if terms is None:
        return []
    where = "\n".join(filter(None, [terms["label"], terms["url"], terms["read"]]))
    return [("terms", where), ("accept", terms["accept"])]


@model.command("update")
@click.argument("name", metavar="MODEL")
@_field_options
@click.option(
    "--clear",
    type=click.Choice(_FIELDS),
    multiple=True,
    help="Empty this field. May be repeated.",
)
@with_session
def update(session: Session, /, name: str, clear: tuple[str, ...], **fields: Any) -> None:
    """Change a model's fields; lists are replaced as a whole."""
    given = {key: value for key, value in fields.items() if value not in (None, ())}
    given |= {key: () if key in ("tags", "languages", "owners") else "" for key in clear}
    if not given:
        raise click.UsageError("Say what to change, such as --license mit or --clear tags.")
    before = session.client.models.get(find_model(session, name))
    after = session.client.models.update(before.path, etag=before.etag, **given)
    session.emit(
        after,
        [f"Changed {', '.join(given)} of {after.path}.", f"Undo: {_undo(before, list(given))}"],
    )


@model.command("delete")
@click.argument("name", metavar="MODEL")
@dry_run_option
@with_session
def delete(session: Session, name: str, dry_run: bool) -> None:
    """Delete a model with all its versions, by its whole name."""
    found = session.client.models.get(name)
    session.client.models.delete(name, etag=found.etag, validate_only=dry_run)
    versions = output.counted(found.latest_version, "version number")
    if dry_run:
        lines = [f"Would delete {found.path} and its versions ({versions} used so far)."]
    else:
        lines = [
            f"Deleted {found.path} and its versions ({versions} used so far).",
            "This cannot be undone; files pushed again get a new version number.",
        ]
    session.emit({"name": found.name, "deleted": not dry_run}, lines)


@model.command("like")
@click.argument("name", metavar="MODEL")
@with_session
def like(session: Session, name: str) -> None:
    """Like a model."""
    path = find_model(session, name)
    count = session.client.usage.like(path)
    session.emit(
        {"model": path, "like_count": count},
        [f"You like {path}, {_others(count)}.", f"Undo: hallmark model unlike {path}"],
    )


@model.command("unlike")
@click.argument("name", metavar="MODEL")
@with_session
def unlike(session: Session, name: str) -> None:
    """Take your like back."""
    path = find_model(session, name)
    count = session.client.usage.unlike(path)
    session.emit(
        {"model": path, "like_count": count},
        [
            f"You no longer like {path}; {output.counted(count, 'other')} still.",
            f"Undo: hallmark model like {path}",
        ],
    )


@model.command("usage")
@click.argument("name", metavar="MODEL")
@with_session
def usage(session: Session, name: str) -> None:
    """Show downloads per version and, with the right to, per principal."""
    found = session.client.usage.get(find_model(session, name))
    liked = ", yours among them" if found.liked else ""
    downloads = output.counted(found.download_count, "download")
    likes = output.counted(found.like_count, "like")
    line = f"{output.path_of(found.model)}: {downloads}, {likes}{liked}"
    versions = [
        (
            f"  {output.path_of(row.version)}",
            output.number(row.download_count),
            output.when(row.last_time),
        )
        for row in found.versions
    ]
    people = [
        (
            f"  {output.path_of(row.principal)}",
            output.path_of(row.version),
            output.number(row.download_count),
            output.when(row.last_time),
        )
        for row in found.principals
    ]
    session.emit(found, [line, *output.table(versions), *output.table(people)])


def _undo(before: Model, fields: list[str]) -> str:
    """The command that puts the fields back."""
    words = ["hallmark", "model", "update", before.path]
    for field in fields:
        value = getattr(before, field)
        if not value:
            words += ["--clear", field]
        elif isinstance(value, str):
            words += [f"--{field}", value]
        else:
            option = f"--{field.removesuffix('s')}"
            words += [part for each in value for part in (option, each)]
    return shlex.join(words)


def _others(count: int) -> str:
    return "as the first" if count <= 1 else f"as {output.counted(count - 1, 'other')} do"
