"""review: what is said afterwards of a stage that was moved without the decisions asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.session import Session, limit_option, with_session
from registry.cli.shapes import number_in, said
from registry.cli.tree import Group

if TYPE_CHECKING:
    from registry.client.judged import Review


@click.group("review", cls=Group)
def review() -> None:
    """List and decide on reviews of moves with --break-glass."""


@review.command("list")
@click.argument("scope", metavar="[MODEL|NAMESPACE]", default="")
@click.option("--state", type=click.Choice(["pending", "upheld", "rejected"]), help="Only those.")
@limit_option
@with_session
def list_reviews(session: Session, scope: str, state: str | None, limit: int) -> None:
    """List reviews, newest first: of a model, of a namespace, or all that you may read."""
    found = session.rows(session.client.reviews.list(scope, state=state or ""), limit)
    rows = [
        (
            str(each.number),
            _move(each),
            each.state,
            f"by {output.path_of(each.requester)}",
            output.counted(len(each.decisions), "decision"),
            _due(each),
        )
        for each in found
    ]
    headers = ("review", "move", "state", "who", "decisions", "due")
    session.emit({"reviews": found}, session.table(rows, headers))


@review.command("show")
@click.argument("number", metavar="REVIEW")
@with_session
def show(session: Session, number: str) -> None:
    """Show a review: who moved what, which rules it skipped, why, and who says what of it."""
    found = session.client.reviews.get(_number(number))
    moved = f"{output.when(found.create_time)} by {output.path_of(found.requester)}"
    session.emit(
        found,
        [
            f"Review {found.number}: {_move(found)}   {found.state}",
            *output.details(
                [
                    ("digest", session.digest(found.digest)),
                    ("moved", moved),
                    ("promotion", output.path_of(found.promotion)),
                    ("reason", found.reason),
                    ("skipped", ", ".join(found.rules)),
                    ("decisions", "\n".join(said(each) for each in found.decisions)),
                    ("due", _due(found).removeprefix("due ")),
                    ("ended", output.when(found.end_time)),
                ]
            ),
        ],
    )


@review.command("decide")
@click.argument("number", metavar="REVIEW")
@click.option("--approve", "outcome", flag_value="approve", help="The move was right.")
@click.option("--reject", "outcome", flag_value="reject", help="It was not; nothing moves back.")
@click.option("--comment", default="", help="Why.")
@with_session
def decide(session: Session, number: str, outcome: str | None, comment: str) -> None:
    """Say whether a move with --break-glass was right; two others have to."""
    if outcome is None:
        raise click.UsageError("Say --approve or --reject.")
    found = session.client.reviews.decide(_number(number), outcome, comment=comment)
    lines = [f"Recorded. Review {found.number} is {found.state}: {_move(found)}."]
    if found.state == "pending":
        lines.append(f"Still needed: 1 more, {_due(found)}.")
    if found.state == "rejected":
        model = output.path_of(found.version).partition("@")[0]
        lines.append(f"The stage stays; to move it: hallmark rollback {model} {found.stage}")
    session.emit(found, lines)


def _move(found: Review) -> str:
    return f"{output.path_of(found.version)} -> {found.stage}"


def _due(found: Review) -> str:
    if found.end_time or found.due_time is None:
        return ""
    late = "overdue since" if found.due_time <= datetime.now(UTC) else "due"
    return f"{late} {output.when(found.due_time)}"


def _number(text: str) -> str:
    return number_in(text, "review", "reviews")
