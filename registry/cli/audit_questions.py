"""audit who-approved, who-pulled, stage: answers, each with the event that proves it."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from registry.cli import output
from registry.cli.finding import find_reference, find_stage
from registry.cli.params import Moment
from registry.cli.session import Session, limit_option, with_session

if TYPE_CHECKING:
    from registry.client.values import Event

#: A version of a model by its whole name, which is all that can be said of one that is gone.
_GONE = re.compile(r"(?:models/)?([^/@]+/[^/@]+)@([1-9][0-9]{0,17})")
_PROOF = "Proof of a row: hallmark audit prove EVENT"


@click.command("who-approved")
@click.argument("reference", metavar="MODEL@REF")
@with_session
def who_approved(session: Session, reference: str) -> None:
    """Show who decided on a version, for which stage, in what role and when.

    From the audit log, so versions of deleted models are answered for too: MODEL@NUMBER.
    """
    version = _version_of(session, reference)
    found = _decisions(session, version)
    rows = [
        (
            output.moment(each["time"]),
            each["outcome"],
            output.path_of(each["decider"]),
            ", ".join(each["roles"]),
            each["stage"],
            f"promotion {output.path_of(each['promotion'])}",
            each["event"],
            each["comment"],
        )
        for each in found
    ]
    headers = ("time", "outcome", "who", "as", "stage", "promotion", "event", "comment")
    lines = session.table(rows, headers) or [f"Nobody decided on {output.path_of(version)}."]
    session.emit({"version": version, "decisions": found}, lines)
    session.note(_PROOF if found else "")


@click.command("who-pulled")
@click.argument("reference", metavar="MODEL@REF")
@click.option("--since", type=Moment(ahead=False), help="From then, inclusive.")
@limit_option
@with_session
def who_pulled(session: Session, reference: str, since: datetime | None, limit: int) -> None:
    """Show who fetched a version's bytes, and when, newest first.

    From the audit log, so versions of deleted models are answered for too: MODEL@NUMBER.
    """
    version = _version_of(session, reference)
    listing = session.client.events.list(
        _namespace(version),
        resource=version,
        action="version.fetch",
        start_time=since,
    )
    found = [
        {
            "time": event.time,
            "principal": event.actor,
            "version": version,
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
        {"version": version, "pulls": found},
        lines or [f"Nobody pulled {output.path_of(version)}."],
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


def _version_of(session: Session, reference: str) -> str:
    """The name of the version that is meant; as it was written where its model is there no more."""
    from registry.client.errors import NotFoundError

    try:
        return session.client.resolve(find_reference(session, reference)).version.name
    except NotFoundError:
        gone = _GONE.fullmatch(reference)
        if gone is None:
            raise
        version = f"models/{gone[1]}/versions/{gone[2]}"
        # Without a trace in the log it never was there.
        made = session.client.events.list(_namespace(version), resource=version, action="version.")
        if next(iter(made), None) is None:
            raise
        return version


def _decisions(session: Session, version: str) -> list[dict[str, Any]]:
    """Newest first: decisions on promotions of a version, stages taken by break-glass, and the
    reviews of these."""
    namespace = _namespace(version)
    events = list(session.client.events.list(namespace, action="promotion."))
    asked = {
        event.resource: said
        for event in events
        if event.action == "promotion.create"
        for said in [json.loads(event.detail_json)]
        if said["version"] == version
    }
    mine = [
        event
        for event in events
        if event.resource in asked and event.action in ("promotion.decide", "promotion.break_glass")
    ]
    found = [_decision(event, event.resource, asked) for event in mine]
    if any(event.action == "promotion.break_glass" for event in mine):
        for event in session.client.events.list(namespace, action="review.decide"):
            promotion = f"promotions/{json.loads(event.detail_json)['promotion']}"
            if promotion in asked:
                found.append(_decision(event, promotion, asked))
    return sorted(found, key=lambda each: each["time"], reverse=True)


def _decision(event: Event, promotion: str, asked: dict[str, Any]) -> dict[str, Any]:
    said = json.loads(event.detail_json)
    outcome = said.get("outcome", "break_glass")
    return {
        "time": event.time,
        "outcome": f"review: {outcome}" if event.action == "review.decide" else outcome,
        "decider": event.actor,
        "roles": said.get("roles", []),
        "stage": asked[promotion]["stage"],
        "promotion": promotion,
        "digest": asked[promotion]["digest"],
        "policy_digest": said["policy_digest"],
        "comment": said.get("comment", said.get("reason", "")),
        "event": event.name,
    }


def _namespace(name: str) -> str:
    return output.path_of(name).partition("/")[0]
