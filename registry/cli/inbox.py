"""inbox: what waits for whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.session import Session, limit_option, with_session

if TYPE_CHECKING:
    from registry.client.judged import InboxItem

#: How each kind is looked at, and decided on.
COMMANDS = {
    "promotion": ("promotion show {}", "decide {} --approve"),
    "waiver": ("waiver show {}", "waiver decide {} --approve"),
    "access": ("access show {}", "access decide {} --approve"),
    "review": ("review show {}", "review decide {} --approve"),
    "policy": ("policy show {}", "policy approve {}"),
}


@click.command("inbox")
@click.option("--mine", "scope", flag_value="mine", help="What you asked for instead.")
@click.option("--all", "scope", flag_value="all", help="All that you may read.")
@limit_option
@with_session
def inbox(session: Session, scope: str | None, limit: int) -> None:
    """Show what waits for your decision, since when, and what is known; the earliest due first."""
    found = session.rows(session.client.inbox.list(scope or "waiting_for_me"), limit)
    now = datetime.now(UTC)
    rows = [
        (
            str(each.number),
            each.kind,
            _subject(session, each),
            _evidence(each),
            f"waiting {_span(now - (each.since_time or now))}",
            _due(each, now),
            _waits_for(each),
        )
        for each in found
    ]
    headers = ("number", "kind", "what", "evidence", "since", "due", "needs")
    items = [output.plain(each) | _commands(each) for each in found]
    session.emit({"items": items}, session.table(rows, headers), empty="Nothing waits.")
    if found and scope is None:
        for first in _first_of_each_kind(found).values():
            commands = _commands(first)
            session.note(f"Look: {commands['look']}\nDecide: {commands['decide']}")


def _first_of_each_kind(found: Sequence[InboxItem]) -> dict[str, InboxItem]:
    firsts: dict[str, InboxItem] = {}
    for each in found:
        firsts.setdefault(each.kind, each)
    return firsts


def _commands(item: InboxItem) -> dict[str, str]:
    look, decide = COMMANDS[item.kind]
    return {
        "look": f"hallmark {look.format(item.number)}",
        "decide": f"hallmark {decide.format(item.number)}",
    }


def _subject(session: Session, item: InboxItem) -> str:
    if item.kind == "policy":
        return f"policy set {session.digest(item.subject.removeprefix('policySets/'))}"
    rule = f"{item.rule} for " if item.rule else ""
    stage = f" -> {item.stage}" if item.stage else ""
    return f"{rule}{output.path_of(item.subject)}{stage}"


def _evidence(item: InboxItem) -> str:
    if item.kind == "policy":
        # What it changes is not said in a cell.
        return _commands(item)["look"]
    if not item.version_state:
        return f"for {output.path_of(item.principal)}" if item.principal else ""
    parts = [item.version_state, item.verdict or "not vetted yet"]
    if item.finding_count:
        parts.append(output.counted(item.finding_count, "finding"))
    if item.triton_ready:
        parts.append(f"ready for Triton {', '.join(item.triton_ready)}")
    return ", ".join(parts)


def _waits_for(item: InboxItem) -> str:
    rules = f"waits for {', '.join(rule.rule for rule in item.waiting)}" if item.waiting else ""
    said = output.counted(item.approval_count, "approval") if item.approval_count else ""
    return ", ".join(filter(None, [said, rules]))


def _due(item: InboxItem, now: datetime) -> str:
    if item.due_time is None:
        return ""
    left = item.due_time - now
    return f"due in {_span(left)}" if left > timedelta() else f"overdue {_span(-left)}"


def _span(delta: timedelta) -> str:
    """Minutes, hours or days, whichever says it in one small number."""
    minutes = max(0, int(delta.total_seconds() // 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"
