"""rollback, history: what a stage holds, held, and holds again."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.finding import find_model, find_stage
from registry.cli.params import Moment
from registry.cli.promotions import expect_option
from registry.cli.session import Session, dry_run_option, limit_option, with_session

if TYPE_CHECKING:
    from registry.client.values import StagePeriod


@click.command("rollback")
@click.argument("model")
@click.argument("stage")
@click.option(
    "--to", metavar="@REF", help="This version, if it was ever there; else the one before."
)
@click.option("--to-empty", is_flag=True, help="Leave nothing in the stage.")
@click.option("--note", default="", help="Why.")
@expect_option
@dry_run_option
@with_session
def rollback(
    session: Session,
    model: str,
    stage: str,
    to: str | None,
    to_empty: bool,
    note: str,
    expect: int | None,
    dry_run: bool,
) -> None:
    """Put back what a stage held before; no new decision is asked for."""
    if to and to_empty:
        raise click.UsageError("--to and --to-empty exclude each other.")
    path = find_model(session, model)
    where = find_stage(session, stage)
    selector = to.rpartition("@")[2] if to else ""
    version = session.client.versions.name(f"{path}@{selector}") if selector else ""
    found = session.client.promotions.rollback(
        path,
        where,
        version=version,
        to_empty=to_empty,
        expected_current=expect or 0,
        note=note,
        validate_only=dry_run,
    )
    session.emit(found, _rollback_lines(path, found, dry_run=dry_run))


def _rollback_lines(path: str, found: StagePeriod, *, dry_run: bool) -> list[str]:
    before = str(found.previous_version) if found.previous_version else "nothing"
    after = output.path_of(found.version).rpartition("@")[2] or "nothing"
    decided = (
        f" (decided in promotion {output.path_of(found.promotion)})" if found.promotion else ""
    )
    would = "Would put back " if dry_run else ""
    lines = [f"{would}{path} {found.stage}: {before} -> {after}{decided}."]
    if not dry_run and found.previous_version:
        back = f"--to @{found.previous_version}"
        lines.append(f"Undo: hallmark rollback {path} {found.stage} {back}")
    return lines


@click.command("history")
@click.argument("model")
@click.argument("stage")
@click.option("--at", type=Moment(ahead=False), help="Only what was there at that moment.")
@limit_option
@with_session
def history(session: Session, model: str, stage: str, at: datetime | None, limit: int) -> None:
    """Show which version was in a stage when, newest first."""
    path = find_model(session, model)
    where = find_stage(session, stage)
    found = session.rows(session.client.promotions.history(path, where, at_time=at), limit)
    if not found and not session.json:
        moment = f" at {output.when(at)}" if at else " yet"
        session.say(f"Nothing was in {where} of {path}{moment}.")
        return
    rows = [
        (
            output.path_of(each.version),
            session.digest(each.digest),
            f"since {output.moment(each.start_time)}",
            f"until {output.moment(each.end_time)}" if each.end_time else "still there",
            f"promotion {output.path_of(each.promotion)}" if each.promotion else "",
            f"{'rolled back' if each.rollback else 'moved'} by {output.path_of(each.mover)}",
            each.note.partition("\n")[0][:60],
        )
        for each in found
    ]
    headers = ("version", "digest", "from", "to", "decided in", "how", "note")
    session.emit({"periods": found}, session.table(rows, headers))
