"""waiver: exceptions, for a time, from one rule of the policy."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.finding import find_model, find_reference, find_stage
from registry.cli.params import Moment
from registry.cli.session import Session, limit_option, with_session
from registry.cli.shapes import number_in, said
from registry.cli.tree import Group

if TYPE_CHECKING:
    from registry.client.judged import Waiver


@click.group("waiver", cls=Group)
def waiver() -> None:
    """Ask for exceptions from a rule, decide on them, end them."""


@waiver.command("request")
@click.argument("rule")
@click.argument("target", metavar="MODEL[@REF]")
@click.option("--reason", required=True, help="Why; shown to those who decide.")
@click.option("--stage", default="", help="Only for this stage; else for all.")
@click.option(
    "--until",
    type=Moment(ahead=True),
    help="When it ends: at most 90 days ahead, by default 30.",
)
@with_session
def request(
    session: Session, rule: str, target: str, reason: str, stage: str, until: datetime | None
) -> None:
    """Ask to be let off RULE, such as METRIC-1, for a version or for a whole model."""
    name = f"models/{find_model(session, target)}" if "@" not in target else ""
    found = session.client.waivers.request(
        name or session.client.versions.name(find_reference(session, target)),
        rule,
        reason=reason,
        stage=find_stage(session, stage) if stage else "",
        expire_time=until,
    )
    session.emit(
        found,
        [
            f"Waiver {found.number} asked for: {_limited(found)}.",
            f"Needs a decision by role security: hallmark waiver decide {found.number} --approve",
            f"Undo: hallmark waiver withdraw {found.number}",
        ],
    )


@waiver.command("decide")
@click.argument("number", metavar="WAIVER")
@click.option("--approve", "outcome", flag_value="approve", help="Grant it.")
@click.option("--reject", "outcome", flag_value="reject", help="Refuse it.")
@click.option("--comment", default="", help="Why.")
@with_session
def decide(session: Session, number: str, outcome: str | None, comment: str) -> None:
    """Grant or refuse a waiver that somebody else asked for."""
    if outcome is None:
        raise click.UsageError("Say --approve or --reject.")
    found = session.client.waivers.decide(_number(number), outcome, comment=comment)
    lines = [f"Waiver {found.number} is {found.state}: {_subject(found)}."]
    if found.state == "granted":
        lines = [
            f"Waiver {found.number} is granted: {_limited(found)}.",
            f"Undo: hallmark waiver revoke {found.number}",
        ]
    session.emit(found, lines)


@waiver.command("list")
@click.argument("scope", metavar="[MODEL|NAMESPACE]", default="")
@click.option(
    "--state",
    type=click.Choice(["pending", "granted", "rejected", "withdrawn", "revoked", "expired"]),
    help="Only those.",
)
@click.option("--rule", default="", help="Only from this rule.")
@limit_option
@with_session
def list_waivers(session: Session, scope: str, state: str | None, rule: str, limit: int) -> None:
    """List waivers, newest first: of a model, of a namespace, or all that you may read."""
    found = session.rows(session.client.waivers.list(scope, state=state or "", rule=rule), limit)
    rows = [
        (
            str(each.number),
            _subject(each),
            _state(each),
            f"by {output.path_of(each.requester)}",
            f"until {output.when(each.end_time or each.expire_time)}",
        )
        for each in found
    ]
    headers = ("waiver", "exception", "state", "requester", "time")
    session.emit({"waivers": found}, session.table(rows, headers))


@waiver.command("show")
@click.argument("number", metavar="WAIVER")
@with_session
def show(session: Session, number: str) -> None:
    """Show a waiver: from what, why, and who decided."""
    found = session.client.waivers.get(_number(number))
    asked = f"{output.when(found.create_time)} by {output.path_of(found.requester)}"
    session.emit(
        found,
        [
            f"Waiver {found.number}: {_subject(found)}   {_state(found)}",
            *output.details(
                [
                    ("digest", session.digest(found.digest)),
                    ("asked", asked),
                    ("reason", found.reason),
                    ("decision", said(found.decision) if found.decision else ""),
                    (
                        "policy",
                        session.digest(found.decision.policy_digest) if found.decision else "",
                    ),
                    ("ended", output.when(found.end_time)),
                    ("until", output.when(found.expire_time) if not found.end_time else ""),
                ]
            ),
            *(_lapsed(found) if found.lapsed else ()),
        ],
    )


@waiver.command("withdraw")
@click.argument("number", metavar="WAIVER")
@with_session
def withdraw(session: Session, number: str) -> None:
    """Take back a waiver that nobody has decided on yet."""
    found = session.client.waivers.withdraw(_number(number))
    session.emit(found, [f"Waiver {found.number} is {found.state}.", _again(found)])


@waiver.command("revoke")
@click.argument("number", metavar="WAIVER")
@click.option("--comment", default="", help="Why.")
@with_session
def revoke(session: Session, number: str, comment: str) -> None:
    """End a granted waiver before its time."""
    found = session.client.waivers.revoke(_number(number), comment=comment)
    session.emit(found, [f"Waiver {found.number} is {found.state}.", _again(found)])


def _subject(found: Waiver) -> str:
    stage = f" -> {found.stage}" if found.stage else ""
    return f"{found.rule} for {output.path_of(found.target)}{stage}"


def _limited(found: Waiver) -> str:
    return f"{_subject(found)}, until {output.when(found.expire_time)}"


def _state(found: Waiver) -> str:
    return "lapsed" if found.lapsed else found.state


def _lapsed(found: Waiver) -> tuple[str, ...]:
    return (
        "Granted, and no longer counted: the policy or the vetting result has changed since.",
        _again(found),
    )


def _again(found: Waiver) -> str:
    target = output.path_of(found.target)
    return f"Ask again: hallmark waiver request {found.rule} {target} --reason WHY"


def _number(text: str) -> str:
    return number_in(text, "waiver", "waivers")
