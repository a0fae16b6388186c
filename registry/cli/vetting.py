"""vet status, rerun and changes: what the server says of vetting."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from registry.cli import exits, output
from registry.cli.bars import progress_for
from registry.cli.finding import find_model, find_reference
from registry.cli.ready_lines import brief_lines
from registry.cli.session import Session, command_line, limit_option, with_session
from registry.cli.waiting import verdict_exit, verdict_lines

if TYPE_CHECKING:
    from registry.client.readiness import Readiness
    from registry.client.vetting_values import VettingChange, VettingRerun, VettingStatus

_POLL_S = 0.5


@click.command("status")
@click.argument("reference", metavar="MODEL@REF")
@click.option("--follow", is_flag=True, help="Show how it goes on, until there is a verdict.")
@with_session
def status(session: Session, reference: str, follow: bool) -> None:
    """Show how far the vetting of a version is.

    With --follow exit code 0 for a pass, 1 for a fail or where the policy holds it back, 5 for
    unknown.
    """
    client = session.client
    name = client.versions.get(find_reference(session, reference)).name
    found = client.vetting.status(name)
    if follow and not found.done:
        found = _follow(session, found)
    version = client.versions.get(output.path_of(name))
    known = _readiness(session, name, follow=follow) if found.done else []
    lines = verdict_lines(version) if found.done else _status_lines(version.ref, found)
    session.emit(
        {"status": found, "version": version, "readiness": known}, [*lines, *brief_lines(known)]
    )
    if follow:
        raise click.exceptions.Exit(verdict_exit(version))


@click.command("rerun")
@click.argument("scope", metavar="[MODEL | MODEL@REF]", required=False, default="")
@click.option("--all", "everything", is_flag=True, help="All versions of all models.")
@click.option("--follow", is_flag=True, help="Wait until it is done, and show what it changed.")
@with_session
def rerun(session: Session, scope: str, everything: bool, follow: bool) -> None:
    """Have a version, a model's versions or all of them vetted anew.

    For after a change of rules or tools, and where a file was unknown for a reason that is gone.
    With --follow exit code 1 where a version came out worse than it was.
    """
    if everything == bool(scope):
        raise click.UsageError("Name a model or a version, or say --all.")
    begun = session.client.vetting.rerun(_scope(session, scope))
    if not follow:
        session.emit(begun, _rerun_lines(begun, []))
        return
    begun = _follow_rerun(session, begun)
    changed = list(session.client.vetting.changes(begun.name))
    session.emit({"rerun": begun, "changes": changed}, _rerun_lines(begun, changed))
    raise click.exceptions.Exit(exits.REFUSED if any(map(is_worse, changed)) else exits.DONE)


@click.command("changes")
@click.argument("number", metavar="RERUN", type=int)
@limit_option
@with_session
def changes(session: Session, number: int, limit: int) -> None:
    """Show how far a rerun is, and what it has changed."""
    found = session.client.vetting.get_rerun(number)
    changed = session.rows(session.client.vetting.changes(number), limit)
    session.emit({"rerun": found, "changes": changed}, _rerun_lines(found, changed))


#: From good to bad; a version without a verdict could not be told either.
_VERDICTS = ("pass", "unknown", "fail")


def is_worse(change: VettingChange) -> bool:
    """Whether it is gone from where it was released, or its verdict is a worse one: in its period
    of grace a version stays where it is."""
    if change.was_state == "released" and change.state != "released":
        return True
    was, verdict = (
        _VERDICTS.index(each if each in _VERDICTS else "unknown")
        for each in (change.was_verdict, change.verdict)
    )
    return verdict > was


def _scope(session: Session, text: str) -> str:
    if not text:
        return ""
    if "@" in text:
        return session.client.versions.get(find_reference(session, text)).name
    return f"models/{find_model(session, text)}"


def _follow(session: Session, found: VettingStatus) -> VettingStatus:
    from registry.client.progress import FileStep

    name = output.path_of(found.version)
    progress = progress_for(session)
    done_bytes, problem = found.bytes_done, ""
    progress.begin("vet", [FileStep(path=name, size_bytes=found.size_bytes, done_bytes=done_bytes)])
    try:
        while not found.done:
            time.sleep(_POLL_S)
            found = session.client.vetting.status(found.version)
            # Begun anew elsewhere, it counts again what is known already.
            progress.advance(name, max(0, found.bytes_done - done_bytes))
            done_bytes = max(done_bytes, found.bytes_done)
            if found.problem != problem:
                problem = found.problem
                session.note(f"  {problem}")
    except KeyboardInterrupt:
        session.note(f"\nVetting goes on without you. See it with:\n  {command_line()}")
        raise click.exceptions.Exit(exits.INTERRUPTED) from None
    finally:
        progress.end()
    return found


def _follow_rerun(session: Session, begun: VettingRerun) -> VettingRerun:
    said = begun.done_count
    try:
        while begun.end_time is None:
            time.sleep(_POLL_S)
            begun = session.client.vetting.get_rerun(begun.name)
            if begun.done_count != said:
                said = begun.done_count
                session.note(f"  {output.number(said)} of {output.number(begun.version_count)}")
    except KeyboardInterrupt:
        number = begun.name.rpartition("/")[2]
        session.note(f"\nIt goes on without you. See it with:\n  hallmark vet changes {number}")
        raise click.exceptions.Exit(exits.INTERRUPTED) from None
    return begun


def _readiness(session: Session, name: str, *, follow: bool) -> list[Readiness]:
    """What is known of it, for the releases that were asked about; with their reports."""
    from registry.client.readiness import await_report

    reports = session.client.readiness
    known = []
    for each in reports.list(name):
        if follow and each.pending:
            await_report(reports, name, each.release, on_problem=session.note)
        known.append(reports.get(name, each.release))
    return known


def _status_lines(ref: str, found: VettingStatus) -> list[str]:
    if not found.running:
        return [f"{ref} waits for its turn.", f"  hallmark vet status {ref} --follow"]
    files = f"{output.number(found.files_done)} of {output.counted(found.file_count, 'file')}"
    sizes = f"{output.size(found.bytes_done)} of {output.size(found.size_bytes)}"
    lines = [f"{ref} is looked at: {files}, {sizes}"]
    if found.path:
        lines.append(f"  now     {found.path}")
    if found.problem:
        lines.append(f"  in the way: {found.problem}")
    return [*lines, f"  hallmark vet status {ref} --follow"]


def _rerun_lines(found: VettingRerun, changed: list[VettingChange]) -> list[str]:
    number = found.name.rpartition("/")[2]
    about = output.path_of(found.scope) if found.scope else "all models"
    total = output.counted(found.version_count, "version")
    has = "has its" if found.version_count == 1 else "have their"
    counts = f"{output.number(found.done_count)} of {total} {has} new verdict"
    state = "done" if found.end_time else f"goes on; hallmark vet changes {number}"
    lines = [f"Rerun {number} of {about}: {counts}, {state}"]
    for each in changed:
        was = f"{each.was_state} ({each.was_verdict or 'no verdict'})"
        lines.append(f"  {output.path_of(each.version)}  {was} -> {each.state} ({each.verdict})")
    if found.end_time and not changed:
        lines.append("  Nothing has changed.")
    in_grace = [each for each in changed if each.state == "released" and each.verdict != "pass"]
    if in_grace:
        ref = output.path_of(in_grace[0].version)
        lines.append(f"Released for as long as their grace lasts: hallmark version show {ref}")
    return lines
