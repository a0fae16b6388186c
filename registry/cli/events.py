"""events: what was changed, when, by whom."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import click

from registry.cli import output
from registry.cli.params import Moment
from registry.cli.session import Session, limit_option, with_session


@click.command("events")
@click.argument("namespace", default="")
@click.option("--resource", default="", help="A resource's name, such as models/fraud/scorer.")
@click.option("--actor", default="", help="Who did it.")
@click.option("--action", default="", help="Such as version.create, or version. for all of these.")
@click.option("--since", type=Moment(ahead=False), help="From then, inclusive.")
@click.option("--until", type=Moment(ahead=False), help="Until then, exclusive.")
@click.option("--oldest-first", is_flag=True, help="Not the newest first.")
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
            each.resource.removeprefix("models/"),
            output.path_of(each.actor),
            each.name if session.full else "",
            _detail(session, each.detail_json),
        )
        for each in found
    ]
    headers = ("time", "action", "resource", "actor", "event", "detail")
    session.emit({"events": found}, session.table(rows, headers))


def _detail(session: Session, detail_json: str) -> str:
    """What an event holds beside its columns, without what is empty: `outcome approve, from 1`."""
    found = json.loads(detail_json)
    return ", ".join(
        f"{key.removesuffix('_us')} {_shown(session, key, value)}"
        for key, value in found.items()
        if value not in ("", None, [], {})
    )


def _shown(session: Session, key: str, value: object) -> str:
    if key.endswith("_time_us") and isinstance(value, int):
        return output.when(datetime.fromtimestamp(value / 1_000_000, UTC))
    if isinstance(value, list) and all(isinstance(each, str | int) for each in value):
        return " ".join(_shown(session, "", each) for each in value)
    if isinstance(value, str):
        return session.digest(value) if value.startswith("sha256:") else value
    return json.dumps(value, ensure_ascii=False)
