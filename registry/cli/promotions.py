"""promote, decide, promotion: how a version enters a stage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.errors import rule_lines
from registry.cli.finding import find_reference, find_stage
from registry.cli.params import Moment
from registry.cli.session import Session, dry_run_option, limit_option, with_session
from registry.cli.shapes import number_in, said
from registry.cli.tree import Group

if TYPE_CHECKING:
    from registry.client.values import Promotion


class Expected(click.ParamType[int]):
    """A version's number, or none."""

    name = "number|none"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        text = str(value).removeprefix("@")
        if text == "none":
            return -1
        if not text.isascii() or not text.isdigit() or int(text) == 0:
            self.fail(f"found {value!r}, expected a version's number, or none.", param, ctx)
        return int(text)


expect_option = click.option(
    "--expect",
    type=Expected(),
    default=None,
    help="Only if the stage holds this version, or none, when it moves.",
)


@click.command("promote")
@click.argument("reference", metavar="MODEL@REF")
@click.argument("stage")
@click.option("--note", default="", help="Why; shown to those who decide.")
@expect_option
@click.option(
    "--until",
    type=Moment(ahead=True),
    help="When it ends undecided: at most 90 days ahead, by default 14.",
)
@click.option(
    "--break-glass", is_flag=True, help="Move it now; two others have to review that within 3 days."
)
@dry_run_option
@with_session
def promote(
    session: Session,
    reference: str,
    stage: str,
    note: str,
    expect: int | None,
    until: datetime | None,
    break_glass: bool,
    dry_run: bool,
) -> None:
    """Ask for a version to enter a stage, such as production."""
    if break_glass and not note.strip():
        raise click.UsageError("--break-glass needs a reason: add --note WHY.")
    name = session.client.versions.name(find_reference(session, reference))
    found = session.client.promotions.create(
        name,
        find_stage(session, stage),
        note=note,
        expected_current=expect or 0,
        expire_time=until,
        validate_only=dry_run,
        break_glass=break_glass,
    )
    session.emit(found, _opened_lines(found, dry_run=dry_run))


@click.command("decide")
@click.argument("promotion")
@click.option("--approve", "outcome", flag_value="approve", help="Say yes.")
@click.option("--reject", "outcome", flag_value="reject", help="Say no; that ends it.")
@click.option("--comment", default="", help="Why.")
@click.option("--digest", default="", help="The version's digest, if you looked at it before.")
@click.option(
    "--until",
    type=Moment(ahead=True),
    help="When an approval stops counting: at most 366 days ahead.",
)
@click.option("--condition", "conditions", multiple=True, help="A condition; again for more.")
@expect_option
@with_session
def decide(
    session: Session,
    promotion: str,
    outcome: str | None,
    comment: str,
    digest: str,
    until: datetime | None,
    conditions: tuple[str, ...],
    expect: int | None,
) -> None:
    """Approve or reject a promotion, by its number."""
    if outcome is None:
        raise click.UsageError("Say --approve or --reject.")
    number = _number(promotion)
    if not digest:
        digest = session.client.promotions.get(number).digest
    found = session.client.promotions.decide(
        number,
        outcome,
        digest=digest,
        comment=comment,
        expected_current=expect or 0,
        conditions=conditions,
        expire_time=until,
    )
    session.emit(found, _decided_lines(found, outcome))


@click.group("promotion", cls=Group)
def promotion() -> None:
    """Show, list and withdraw promotions."""


@promotion.command("show")
@click.argument("number", metavar="PROMOTION")
@with_session
def show(session: Session, number: str) -> None:
    """Show a promotion: what it asks, who said what, what it waits for."""
    found = session.client.promotions.get(_number(number))
    session.emit(found, promotion_lines(session, found))


@promotion.command("list")
@click.argument("scope", metavar="[MODEL|NAMESPACE]", default="")
@click.option(
    "--state",
    type=click.Choice(["pending", "completed", "rejected", "withdrawn", "expired"]),
    help="Only those.",
)
@click.option("--stage", default="", help="Only to this stage.")
@limit_option
@with_session
def list_promotions(
    session: Session, scope: str, state: str | None, stage: str, limit: int
) -> None:
    """List promotions, newest first: of a model, of a namespace, or all that you may read."""
    listing = session.client.promotions.list(scope, state=state or "", stage=stage)
    found = session.rows(listing, limit)
    rows = [
        (
            str(each.number),
            f"{output.path_of(each.version)} -> {each.stage}",
            each.state,
            f"by {output.path_of(each.requester)}",
            output.when(each.create_time),
            f"waits for {', '.join(rule.rule for rule in each.waiting)}" if each.waiting else "",
        )
        for each in found
    ]
    headers = ("promotion", "move", "state", "requester", "created", "waiting")
    session.emit({"promotions": found}, session.table(rows, headers))


@promotion.command("withdraw")
@click.argument("number", metavar="PROMOTION")
@with_session
def withdraw(session: Session, number: str) -> None:
    """Withdraw an open promotion."""
    found = session.client.promotions.withdraw(_number(number))
    session.emit(
        found,
        [
            f"Promotion {found.number} is {found.state}.",
            f"Ask again: hallmark promote {output.path_of(found.version)} {found.stage}",
        ],
    )


def promotion_lines(session: Session, found: Promotion) -> list[str]:
    version = output.path_of(found.version)
    previous = f"version {found.previous_version}" if found.previous_version else "nothing"
    asked = f"{output.when(found.create_time)} by {output.path_of(found.requester)}"
    decisions = [said(each) for each in found.decisions]
    return [
        f"Promotion {found.number}: {version} -> {found.stage}   {found.state}",
        *output.details(
            [
                ("digest", session.digest(found.digest)),
                ("asked", asked),
                ("note", found.note),
                ("break-glass", "yes; see hallmark review list" if found.break_glass else ""),
                ("stage held", previous),
                ("decisions", "\n".join(decisions)),
                ("ended", output.when(found.end_time)),
                ("until", output.when(found.expire_time) if not found.end_time else ""),
            ]
        ),
        *_waiting_lines(found, "Waits for:"),
    ]


def _opened_lines(found: Promotion, *, dry_run: bool) -> list[str]:
    move = f"{output.path_of(found.version)} -> {found.stage}"
    if found.state == "completed" or (dry_run and not found.waiting):
        would = "Would move" if dry_run else "Moved"
        undo = [] if dry_run else [_undo(found)]
        if not found.break_glass:
            return [f"{would} {move}; nothing is left to decide.", *undo]
        reviewed = "Two others have to review that within 3 days: hallmark review list"
        return [f"{would} {move}.", reviewed, *undo]
    until = f", until {output.when(found.expire_time)}" if found.expire_time else ""
    if dry_run:
        return [f"Would open a promotion {move}{until}.", *_waiting_lines(found, "It would need:")]
    return [
        f"Promotion {found.number} opened: {move}{until}.",
        *_waiting_lines(found, "Needs:"),
        f"  hallmark promotion show {found.number}",
        f"Undo: hallmark promotion withdraw {found.number}",
    ]


def _decided_lines(found: Promotion, outcome: str) -> list[str]:
    move = f"{output.path_of(found.version)} -> {found.stage}"
    if found.state == "completed":
        held = f" (before: {found.previous_version})" if found.previous_version else ""
        return [f"Recorded. {move} is done{held}.", _undo(found)]
    if found.state == "pending":
        other = "reject" if outcome == "approve" else "approve"
        return [
            f"Recorded: {outcome} {move}.",
            *_waiting_lines(found, "Still needed:"),
            f"Change your mind: hallmark decide {found.number} --{other}",
        ]
    again = f"Ask again: hallmark promote {output.path_of(found.version)} {found.stage}"
    return [f"Recorded. Promotion {found.number} is {found.state}; nothing moved.", again]


def _undo(found: Promotion) -> str:
    model = output.path_of(found.version).partition("@")[0]
    back = "" if found.previous_version else " --to-empty"
    return f"Undo, by role deployer: hallmark rollback {model} {found.stage}{back}"


def _waiting_lines(found: Promotion, title: str) -> Sequence[str]:
    if not found.waiting:
        return []
    return [title, *rule_lines([(each.rule, each.message, each.fix) for each in found.waiting])]


def _number(text: str) -> str:
    return number_in(text, "promotion", "promotions")
