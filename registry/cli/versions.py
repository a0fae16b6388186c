"""version: numbered, immutable snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.facts import facts
from registry.cli.finding import find_model, find_reference
from registry.cli.params import DatasetParam, numbers_of
from registry.cli.search import search
from registry.cli.session import Session, dry_run_option, limit_option, with_session
from registry.cli.shapes import version_lines
from registry.cli.tree import Group
from registry.cli.waiting import await_verdict, verdict_exit

if TYPE_CHECKING:
    from registry.client.values import Dataset, Evaluation, Version


@click.group("version", cls=Group)
def version() -> None:
    """List, show, yank and evaluate versions."""


@version.command("list")
@click.argument("model")
@click.option("--state", default="", help="quarantined, vetted, rejected, released, ...")
@limit_option
@with_session
def list_versions(session: Session, model: str, state: str, limit: int) -> None:
    """List a model's versions, newest first."""
    path = find_model(session, model)
    found = session.rows(session.client.versions.list(path, state=state), limit)
    rows = [
        (
            each.ref,
            session.digest(each.digest),
            each.state,
            output.when(each.create_time),
            output.path_of(each.registrant),
            output.size(each.size_bytes),
            ", ".join((*each.stages, *each.references)),
        )
        for each in found
    ]
    headers = ("version", "digest", "state", "created", "by", "size", "names")
    session.emit({"versions": found}, session.table(rows, headers))


@version.command("show")
@click.argument("reference", metavar="MODEL@REF")
@click.option("--wait", is_flag=True, help="Wait for the verdict; exit code 1 if it is not pass.")
@with_session
def show(session: Session, reference: str, wait: bool) -> None:
    """Show a version: state, card, metrics, bases, findings, evaluations."""
    found = _get(session, reference)
    if wait:
        found = await_verdict(session, found)
    measured = list(session.client.versions.evaluations(found.ref))
    session.emit(
        {"version": found, "evaluations": measured},
        [*version_lines(session, found), *_evaluation_lines(session, measured)],
    )
    if wait:
        raise click.exceptions.Exit(verdict_exit(found))


@version.command("files")
@click.argument("reference", metavar="MODEL@REF")
@limit_option
@with_session
def files(session: Session, reference: str, limit: int) -> None:
    """List a version's files."""
    found = session.rows(session.client.versions.files(find_reference(session, reference)), limit)
    rows = [
        (
            each.path,
            output.number(each.size_bytes) if session.full else output.size(each.size_bytes),
            session.digest(f"sha256:{each.sha256}"),
            each.media_type,
        )
        for each in found
    ]
    session.emit({"files": found}, session.table(rows, ("path", "size", "digest", "type")))


version.add_command(facts)
version.add_command(search)


@version.command("cut")
@click.argument("model")
@click.argument("revision", default="main")
@click.option("--description", default="", help="What this version is.")
@with_session
def cut(session: Session, model: str, revision: str, description: str) -> None:
    """Make a version of a commit, or of a branch's head (by default main)."""
    from registry.client.values import VersionSpec

    spec = VersionSpec(description=description)
    made = session.client.versions.cut(find_model(session, model), revision, spec=spec)
    session.emit(
        made,
        [
            f"Created {made.ref}   {session.digest(made.digest)}   {made.state}, vetting started",
            f"  hallmark version show {made.ref} --wait",
        ],
    )


@version.command("yank")
@click.argument("reference", metavar="MODEL@REF")
@click.option("--reason", required=True, help="Shown to those who still run it.")
@dry_run_option
@with_session
def yank(session: Session, reference: str, reason: str, dry_run: bool) -> None:
    """Withdraw a version from every name; by digest it can still be fetched."""
    found = _get(session, reference)
    gone = session.client.versions.yank(found.ref, reason, validate_only=dry_run)
    done = "Would yank" if dry_run else "Yanked"
    undo = [] if dry_run else [f"Undo: hallmark version unyank {found.ref}"]
    session.emit(gone, [f"{done} {found.ref}; only its number and digest mean it then.", *undo])


@version.command("unyank")
@click.argument("reference", metavar="MODEL@REF")
@with_session
def unyank(session: Session, reference: str) -> None:
    """Undo a yank."""
    back = session.client.versions.unyank(find_reference(session, reference))
    session.emit(
        back,
        [
            f"{back.ref} is {back.state} again.",
            f"Undo: hallmark version yank {back.ref} --reason WHY",
        ],
    )


@version.command("evaluate")
@click.argument("reference", metavar="MODEL@REF")
@click.argument("evaluation")
@click.option(
    "--metrics", multiple=True, required=True, metavar="KEY=NUMBER|FILE.json", help="Repeatable."
)
@click.option(
    "--dataset",
    type=DatasetParam(digest_required=True),
    required=True,
    metavar="NAME@sha256:...",
    help="What it was measured on.",
)
@click.option("--tool", default="", help="What measured, with its version.")
@with_session
def evaluate(
    session: Session,
    reference: str,
    evaluation: str,
    metrics: tuple[str, ...],
    dataset: Dataset,
    tool: str,
) -> None:
    """Add a measured result to a version, such as EVALUATION holdout; it stays for good."""
    made = session.client.versions.evaluate(
        find_reference(session, reference),
        evaluation,
        numbers_of(metrics, option="--metrics"),
        dataset=dataset,
        tool=tool,
    )
    session.emit(
        made,
        [
            f"{output.path_of(made.version)}: {made.evaluation} {output.pairs(made.metrics)}",
            "It cannot be taken back; a newer one of the same name stands before it.",
        ],
    )


def _get(session: Session, reference: str) -> Version:
    return session.client.versions.get(find_reference(session, reference))


def _evaluation_lines(session: Session, measured: list[Evaluation]) -> list[str]:
    rows = [
        (
            f"  {each.evaluation}",
            output.pairs(each.metrics),
            f"on {each.dataset.name} {session.digest(each.dataset.digest)}",
            f"by {output.path_of(each.reporter)} {output.when(each.create_time)}",
        )
        for each in measured
    ]
    return ["  measured:", *(f"  {line}" for line in output.table(rows))] if rows else []
