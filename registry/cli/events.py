"""events, audit: what was changed, when, by whom, and whether the record of it is intact."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from registry.cli import output
from registry.cli.params import Moment
from registry.cli.session import Session, limit_option, with_session
from registry.cli.tree import Group

if TYPE_CHECKING:
    from registry.client.values import AuditReport


@click.command("events")
@click.argument("namespace", default="")
@click.option("--resource", default="", help="A resource's name, such as models/fraud/scorer.")
@click.option("--actor", default="", help="Who did it.")
@click.option("--action", default="", help="Such as version.create, or version. for all of these.")
@click.option("--since", type=Moment(ahead=False), help="From then, inclusive.")
@click.option("--until", type=Moment(ahead=False), help="Until then, exclusive.")
@click.option("--oldest-first", is_flag=True)
@limit_option
@with_session
def events(
    session: Session,
    /,
    namespace: str,
    since: datetime | None,
    until: datetime | None,
    oldest_first: bool,
    limit: int,
    **filters: Any,
) -> None:
    """List audit events of NAMESPACE, or of everything, newest first."""
    if filters["actor"] and not filters["actor"].startswith("principals/"):
        filters["actor"] = f"principals/{filters['actor']}".replace("principals/system", "system")
    listing = session.client.events.list(
        namespace,
        start_time=since,
        end_time=until,
        order_by="time" if oldest_first else "",
        **filters,
    )
    found = session.rows(listing, limit)
    rows = [
        (
            output.when(each.time),
            each.action,
            output.path_of(each.resource),
            output.path_of(each.actor),
            each.name if session.full else "",
            each.detail_json if each.detail_json != "{}" else "",
        )
        for each in found
    ]
    headers = ("time", "action", "resource", "actor", "event", "detail")
    session.emit({"events": found}, session.table(rows, headers))


@click.group("audit", cls=Group)
def audit() -> None:
    """Verify and list the audit log."""


@audit.command("verify")
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="A registry's folder, to be read without asking its server.",
)
@with_session
def verify(session: Session, home: Path | None) -> None:
    """Recompute every hash of the audit log; exit code 1 names the first bad record.

    The server does so, or with --home this command: for where no server runs, or one that is not
    trusted to look at itself. It only reads, and harms no server that runs.
    """
    if home is not None and session.url:
        raise click.UsageError("--home asks no server: leave out --url, or --home to ask that one.")
    found = session.client.events.verify() if home is None else _verified_in(home)
    shards = output.counted(found.shard_count, "shard")
    lines = [f"{output.counted(found.event_count, 'event')} in {shards}: intact."]
    if session.full:
        lines += output.table(
            (f"  shard {head.shard}", output.number(head.number), head.hash) for head in found.heads
        )
    session.emit(found, lines)
    if not session.full:
        session.note("A log cut off at its end looks intact; keep the heads: add --full or --json")


def _verified_in(home: Path) -> AuditReport:
    """What the server of that folder would answer."""
    from registry.app.offline import run_audit_verify
    from registry.client.values import AuditReport, ShardHead

    summary = run_audit_verify(home)
    return AuditReport(
        event_count=summary.event_count,
        shard_count=len(summary.heads),
        heads=tuple(
            ShardHead(shard=head.shard, number=head.number, hash=head.hash)
            for head in summary.heads
        ),
    )


audit.add_command(events, "list")
