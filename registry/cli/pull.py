"""pull: a version's files into a new folder."""

from __future__ import annotations

import time
from pathlib import Path

import click

from registry.cli import output
from registry.cli.finding import find_reference
from registry.cli.push import stopped
from registry.cli.session import Session, with_session


@click.command("pull")
@click.argument("reference", metavar="MODEL@REF")
@click.argument("target", metavar="[FOLDER]", required=False, type=click.Path(path_type=Path))
@click.option("--sync", is_flag=True, help="Have the disk hold it all before it appears.")
@click.option(
    "--layout",
    type=click.Choice(["triton", "hf", "mlflow"]),
    default=None,
    help="Lay them out for who loads them: in a model repository of Triton, a cache of the Hugging "
    "Face Hub's client, or as an MLflow model.",
)
@click.option("--triton", metavar="RELEASE", default="", help="The release they are for: 25.10.")
@click.option("--replace", is_flag=True, help="Replace what an earlier pull put there.")
@with_session
def pull(
    session: Session,
    reference: str,
    target: Path | None,
    sync: bool,
    layout: str | None,
    triton: str,
    replace: bool,
) -> None:
    """Fetch a version's files, each verified, into FOLDER.

    FOLDER (by default the model's last name) must not exist, or be empty; it appears whole, in one
    step. A pull that is cut goes on where it stopped when it is run again.

    With --layout triton FOLDER is a model repository: the version's own folders in it, which may be
    there from an earlier pull, appear in one step each. --layout hf does so in a cache.
    """
    if layout == "triton" and not triton:
        raise click.UsageError(
            "For which release of Triton? Say it with --triton RELEASE; see them with: "
            "hallmark ready releases"
        )
    reference = find_reference(session, reference)
    place = target or Path(reference.partition("@")[0].rpartition("/")[2])
    begun_s = time.monotonic()
    try:
        result = session.client.pull(
            reference,
            place,
            layout=layout or "",
            triton=triton,
            # A repository or cache is pulled into again and again.
            replace=replace or layout in ("triton", "hf"),
            sync=sync,
            progress=session.progress,
        )
    except KeyboardInterrupt:
        raise stopped(session) from None
    except _refusals():
        if triton:
            _show_report(session, reference, triton)
        raise
    took = output.took(time.monotonic() - begun_s)
    version = result.version
    files = f"{output.counted(len(result.files), 'file')}, {output.size(result.size_bytes)}"
    digest = session.digest(version.digest)
    if result.already_there:
        lines = [f"{result.target} already is {version.ref} ({files}), verified again in {took}."]
    else:
        received = ""
        if result.received_bytes != result.size_bytes:
            received = f", {output.size(result.received_bytes)} of it fetched now"
        lines = [f"{version.ref}   {digest}   {files} verified in {took}{received}"]
        lines.append(f"  wrote {result.target}")
    session.emit(result, lines)


def _refusals() -> type[Exception]:
    from registry.client.errors import PolicyRefusedError

    return PolicyRefusedError


def _show_report(session: Session, reference: str, release: str) -> None:
    """Why a version is not ready, above the refusal that says that it is not."""
    from registry.cli.ready_lines import report_lines
    from registry.domain.readiness import Readiness

    version = session.client.versions.get(reference)
    report = session.client.readiness.get(version.name, release).report
    if report is not None and report.readiness is not Readiness.READY:
        for line in report_lines(version.ref, report):
            session.note(line)
