"""policy: rules as files, which set of them is active, and why a decision was what it was."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from registry.cli import exits, output, policy_files
from registry.cli.finding import find_reference
from registry.cli.session import Session, dry_run_option, limit_option, with_session
from registry.cli.shapes import number_in
from registry.cli.tree import Group

if TYPE_CHECKING:
    from registry.client.policy_values import DecisionExplanation, PolicyChange, RuleResult


#: A field of the document, or a let.
_FIELD = re.compile(r"[a-z_]+(\.[a-z_]+)*")


@click.group("policy", cls=Group)
def policy() -> None:
    """Test, compare, propose and explain the gates' rules."""


policy.add_command(policy_files.test)
policy.add_command(policy_files.check)
policy.add_command(policy_files.diff)


@policy.command("explain")
@click.argument("promotion")
@click.option("--decider", default="", help="Whose decision; - for the request itself.")
@click.option("--document", is_flag=True, help="Print what the gate was shown, as JSON.")
@with_session
def explain(session: Session, promotion: str, decider: str, document: bool) -> None:
    """Replay the last decision on a promotion from what its gate was shown."""
    found = session.client.policies.explain(
        number_in(promotion, "promotion", "promotions"), decider=decider
    )
    shown: Any = json.loads(found.document) if found.document else {}
    if document:
        session.emit(shown, output.as_json(shown).splitlines())
        return
    value = output.plain(found) | {"document": shown}
    session.emit(value, _explained_lines(session, found))


@policy.command("try")
@click.argument("reference", metavar="MODEL@REF")
@click.argument("gate", type=click.Choice(["register", "release", "promote", "fetch"]))
@click.option("--stage", default="", help="At promote: which one.")
@with_session
def try_gate(session: Session, reference: str, gate: str, stage: str) -> None:
    """Say what a gate would say to a version now; exit code 1 where it refuses."""
    name = session.client.versions.name(find_reference(session, reference))
    found = session.client.policies.evaluate(name, gate, stage=stage)
    lines = [f"gate {found.gate}   {session.digest(found.policy_digest)}"]
    session.emit(found, [*lines, *result_lines(found.results)])
    if any(not each.passed and not each.waits for each in found.results):
        raise click.exceptions.Exit(exits.REFUSED)


@policy.command("propose")
@click.argument("folder", metavar="DIR")
@click.option("--note", required=True, help="Why; shown to whoever decides.")
@dry_run_option
@with_session
def propose(session: Session, folder: str, note: str, dry_run: bool) -> None:
    """Ask for the set in DIR to become the active one; a second person has to agree."""
    files = policy_files.read_files(folder)
    found = session.client.policies.propose(files, note=note, validate_only=dry_run)
    move = f"{session.digest(found.base_digest)} -> {session.digest(found.digest)}"
    if dry_run:
        lines = [f"Would propose {move}; somebody else with role security or admin would decide."]
    else:
        lines = [
            f"Policy change {found.number} proposed: {move}",
            f"Needs another with role security or admin, by {output.when(found.expire_time)}:",
            f"  hallmark policy show {found.number}",
            f"  hallmark policy approve {found.number}",
            f"Undo: hallmark policy withdraw {found.number}",
        ]
    session.emit(found, lines)


@policy.command("approve")
@click.argument("change")
@click.option("--comment", default="", help="Why.")
@click.option("--digest", default="", help="Of the set, if you looked at it before.")
@with_session
def approve(session: Session, change: str, comment: str, digest: str) -> None:
    """Make a proposed set the active one, as a second person."""
    found = _decided(session, change, "approve", comment=comment, digest=digest)
    session.emit(
        found,
        [
            (
                f"Active now: {session.digest(found.digest)} (before: "
                f"{session.digest(found.base_digest)})."
            ),
            (
                "Approvals and waivers given under another set no longer count; open promotions "
                "need deciding again: hallmark promotion list --state pending"
            ),
            "Undo: propose the files of the set before: hallmark policy propose DIR --note WHY",
        ],
    )


@policy.command("reject")
@click.argument("change")
@click.option("--comment", default="", help="Why.")
@click.option("--digest", default="", help="Of the set, if you looked at it before.")
@with_session
def reject(session: Session, change: str, comment: str, digest: str) -> None:
    """Reject a proposed set, as a second person."""
    found = _decided(session, change, "reject", comment=comment, digest=digest)
    session.emit(found, [f"Policy change {found.number} is {found.state}; nothing changed."])


@policy.command("withdraw")
@click.argument("change")
@with_session
def withdraw(session: Session, change: str) -> None:
    """Withdraw a proposal."""
    found = session.client.policies.withdraw(_number(change))
    session.emit(found, [f"Policy change {found.number} is {found.state}; nothing changed."])


@policy.command("list")
@click.option(
    "--state",
    type=click.Choice(["pending", "activated", "rejected", "withdrawn", "expired"]),
    help="Only those.",
)
@limit_option
@with_session
def list_changes(session: Session, state: str | None, limit: int) -> None:
    """List proposals, newest first."""
    found = session.rows(session.client.policies.changes(state=state or ""), limit)
    rows = [
        (
            each.number,
            session.digest(each.digest),
            each.state,
            f"by {output.path_of(each.proposer)}",
            output.when(each.create_time),
            each.note,
        )
        for each in found
    ]
    headers = ("change", "set", "state", "proposer", "created", "note")
    session.emit({"changes": found}, session.table(rows, headers))


@policy.command("show")
@click.argument("what", metavar="[CHANGE|DIGEST]", default="")
@with_session
def show(session: Session, what: str) -> None:
    """Show the active set, a set by its digest, or what a proposal changes."""
    from registry.domain.policy_sets import differences, set_of

    policies = session.client.policies
    if what.rpartition("/")[2].isdecimal():
        number = _number(what)
        change = next((c for c in policies.changes() if c.number == number), None)
        if change is None:
            raise click.UsageError(f"There is no policy change {number}: hallmark policy list")
        before, after = policies.get(change.base_digest), policies.get(change.digest)
        found = differences(set_of(before.content), set_of(after.content))
        value = output.plain(change) | {"differences": output.plain(found)}
        session.emit(
            value, [*_change_lines(session, change), *policy_files.difference_lines(found)]
        )
        return
    stored = policies.get(what) if what else policies.active()
    content = json.loads(stored.content)
    active = "active" if stored.active else "not active"
    session.emit(
        {"digest": stored.digest, "active": stored.active, "content": content},
        [f"{session.digest(stored.digest)}   {active}", *_rule_lines(content["gates"])],
    )


def _decided(
    session: Session, change: str, outcome: str, *, comment: str, digest: str
) -> PolicyChange:
    policies = session.client.policies
    number = _number(change)
    if not digest:
        digest = next((c.digest for c in policies.changes() if c.number == number), "")
    return policies.decide(number, outcome, digest=digest, comment=comment)


def _number(text: str) -> str:
    return number_in(text, "policy change", "policy", "policyChanges")


def _rule_lines(gates: dict[str, Any]) -> list[str]:
    """Each gate with its rules: when they apply, what they require, and what else they are."""
    lines = []
    for gate, each in gates.items():
        rows = []
        for rule in each["rules"]:
            traits = [trait for trait in ("waits", "waivable") if rule[trait]]
            when = f"when {rule['when']}: " if rule["when"] else ""
            said = f"   ({', '.join(traits)})" if traits else ""
            rows.append((f"    {rule['id']}", f"{when}{rule['require']}{said}"))
        lines += [f"  {gate}", *output.table(rows)]
    return lines


def _change_lines(session: Session, change: PolicyChange) -> list[str]:
    proposed = f"{output.when(change.create_time)} by {output.path_of(change.proposer)}"
    ended = output.when(change.end_time)
    if change.decider:
        ended += f" by {output.path_of(change.decider)}"
    move = f"{session.digest(change.base_digest)} -> {session.digest(change.digest)}"
    return [
        f"Policy change {change.number}   {change.state}   {move}",
        *output.details(
            [
                ("proposed", proposed),
                ("note", change.note),
                ("until", output.when(change.expire_time) if change.state == "pending" else ""),
                ("ended", ended),
                ("comment", change.comment),
            ]
        ),
    ]


def _explained_lines(session: Session, found: DecisionExplanation) -> list[str]:
    number = output.path_of(found.promotion)
    words = {"": "the request", "approve": "the approval by ", "reject": "the rejection by "}
    whose = f"{words[found.outcome]}{output.path_of(found.decider)}"
    again = (
        "The same rules say the same to it now."
        if found.equal
        else "The same rules say something else to it now: this record was changed, or the engine."
    )
    shown = f"sha256:{found.input_sha256 if session.full else found.input_sha256[:12]}"
    if not found.input_sha256:
        shown = "more than you may read: what is left"
    return [
        (
            f"Promotion {number}: {whose}, {output.when(found.create_time)}, under policy "
            f"{session.digest(found.policy_digest)}"
        ),
        f"  shown   {shown}   hallmark policy explain {number} --document",
        *result_lines(found.results),
        again,
    ]


def result_lines(results: Sequence[RuleResult]) -> list[str]:
    """One rule a line; of a failed one what was found, with what, and the mend."""
    lines = []
    width = max((len(each.rule) for each in results), default=0)
    indent = " " * (width + 6)
    for each in results:
        mark = "✓" if each.passed else ("…" if each.waits else "✗")
        waived = f"   by {each.waived_by}" if each.waived_by else ""
        lines.append(f"  {mark} {each.rule.ljust(width)}  {each.message}{waived}".rstrip())
        # What else was put together from these stands in the message; what is empty says nothing.
        lines += [
            f"{indent}{name} = {value}"
            for name, value in each.bound.items()
            if value.strip() and _FIELD.fullmatch(name)
        ]
        if each.fix:
            lines.append(f"{indent}{each.fix}")
    return lines
