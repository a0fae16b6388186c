"""audit who-approved, who-pulled, stage: answers, each with the event that proves it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from registry.cli import output
from registry.cli.finding import find_reference, find_stage
from registry.cli.params import Moment
from registry.cli.session import Session, limit_option, with_session

if TYPE_CHECKING:
    from registry.client.values import Event, Version

_PROOF = "Proof of a row: hallmark audit prove EVENT"


@click.command("who-approved")
@click.argument("reference", metavar="MODEL@REF")
@with_session
def who_approved(session: Session, reference: str) -> None:
    """Show who decided on a version, for which stage, in what role and when."""
    version = session.client.resolve(find_reference(session, reference)).version
    model = version.model
    found = []
    for promotion in session.client.promotions.list(model):
        if promotion.version != version.name:
            continue
        for event in session.client.events.list(
            _namespace(model), resource=promotion.name, action="promotion.decide"
        ):
            said = json.loads(event.detail_json)
            found.append(
                {
                    "time": event.time,
                    "outcome": said["outcome"],
                    "decider": event.actor,
                    "roles": said["roles"],
                    "groups": said.get("groups", []),
                    "conditions": said.get("conditions", []),
                    "stage": promotion.stage,
                    "promotion": promotion.name,
                    "digest": said["digest"],
                    "policy_digest": said["policy_digest"],
                    "comment": said["comment"],
                    "event": event.name,
                }
            )
    rows = [
        (
            output.moment(each["time"]),
            each["outcome"],
            output.path_of(each["decider"]),
            ", ".join([*each["roles"], *(f"group {group}" for group in each["groups"])]),
            each["stage"],
            f"promotion {output.path_of(each['promotion'])}",
            each["event"],
            "; ".join(
                filter(None, [each["comment"], *map("on condition: {}".format, each["conditions"])])
            ),
        )
        for each in found
    ]
    headers = ("time", "outcome", "who", "as", "stage", "promotion", "event", "comment")
    lines = session.table(rows, headers) or [f"Nobody decided on {_named(session, version)}."]
    session.emit({"version": version.name, "decisions": found}, lines)
    session.note(_PROOF if found else "")


@click.command("who-pulled")
@click.argument("reference", metavar="MODEL@REF")
@click.option("--since", type=Moment(ahead=False), help="From then, inclusive.")
@limit_option
@with_session
def who_pulled(session: Session, reference: str, since: datetime | None, limit: int) -> None:
    """Show who fetched a version's bytes, and when, newest first."""
    version = session.client.resolve(find_reference(session, reference)).version
    listing = session.client.events.list(
        _namespace(version.model),
        resource=version.name,
        action="version.fetch",
        start_time=since,
    )
    found = [
        {
            "time": event.time,
            "principal": event.actor,
            "version": version.name,
            "digest": json.loads(event.detail_json)["digest"],
            "event": event.name,
        }
        for event in session.rows(listing, limit)
    ]
    rows = [
        (
            output.moment(each["time"]),
            output.path_of(each["principal"]),
            session.digest(each["digest"]),
            each["event"],
        )
        for each in found
    ]
    lines = session.table(rows, ("time", "who", "digest", "event"))
    session.emit(
        {"version": version.name, "pulls": found},
        lines or [f"Nobody pulled {_named(session, version)}."],
    )
    session.note(_PROOF if found else "")


@click.command("stage")
@click.argument("stage", metavar="STAGE")
@click.argument("namespace", default="")
@click.option("--at", type=Moment(ahead=False), required=True, help="At that moment.")
@with_session
def stage(session: Session, stage: str, namespace: str, at: datetime) -> None:
    """Show what was in STAGE at a time, of all models of NAMESPACE, or of all.

    From the audit log, so models are shown too that were deleted since.
    """
    where = find_stage(session, stage)
    found = _held(session, where, namespace, at)
    rows = [
        (
            f"{each['model']}@{each['number']}",
            f"since {output.moment(each['since'])}",
            output.path_of(each["mover"]),
            f"promotion {each['promotion']}" if each["promotion"] else "",
            each["event"],
        )
        for each in found
    ]
    lines = session.table(rows, ("version", "since", "moved by", "promotion", "event"))
    session.emit(
        {"stage": where, "at": at, "versions": found},
        lines or [f"Nothing was in {where} at {output.moment(at)}."],
    )
    session.note(_PROOF if found else "")


def _held(session: Session, stage: str, namespace: str, at: datetime) -> list[dict[str, Any]]:
    """By model: the last move of its stage up to then, unless it was emptied or deleted since."""
    # A move at that very moment counts, as in `history --at`.
    end = at + timedelta(microseconds=1)
    moves: dict[str, Event] = {}
    for event in session.client.events.list(namespace, action="stage.", end_time=end):
        model, _, own = event.resource.removeprefix("models/").rpartition("/stages/")
        if own == stage:
            moves.setdefault(model, event)
    deleted: dict[str, Event] = {}
    for event in session.client.events.list(namespace, action="model.delete", end_time=end):
        deleted.setdefault(event.resource.removeprefix("models/"), event)
    held = []
    for model, event in sorted(moves.items()):
        said = json.loads(event.detail_json)
        if said.get("to") is None or _is_behind(deleted.get(model), event):
            continue
        held.append(
            {
                "model": model,
                "number": said["to"],
                "version": f"models/{model}/versions/{said['to']}",
                "since": event.time,
                "mover": event.actor,
                "promotion": said.get("promotion"),
                "event": event.name,
            }
        )
    return held


def _is_behind(deletion: Event | None, move: Event) -> bool:
    """Both lie in one shard, which has an order."""
    if deletion is None:
        return False
    return int(deletion.name.rpartition("/")[2]) > int(move.name.rpartition("/")[2])


def _namespace(model: str) -> str:
    return model.partition("/")[0]


def _named(session: Session, version: Version) -> str:
    return f"{version.ref} ({session.digest(version.digest)})"
