"""auth explain: which row of the table decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from registry.cli import exits, output
from registry.cli.session import Session, with_session

if TYPE_CHECKING:
    from registry.client.values import Explanation


@click.command("explain")
@click.argument("who", metavar="PRINCIPAL")
@click.argument("action")
@click.argument("resource", metavar="MODEL|NAMESPACE|*")
@click.option("--stage", default="", help="For an action that has one, such as version.fetch.")
@with_session
def explain(session: Session, who: str, action: str, resource: str, stage: str) -> None:
    """Say whether PRINCIPAL may do ACTION there, and which grants decide; exit code 1 if not."""
    found = session.client.access.explain(who, action, resource, stage=stage)
    answer = "may" if found.allowed else "may not"
    where = f"{resource} in {stage}" if stage else resource
    session.emit(
        found,
        [
            f"{output.path_of(who)} {answer} {action} on {where}.",
            *output.details(
                [
                    ("state", "disabled: nothing is allowed" if found.disabled else ""),
                    ("right", "everybody may, with their own tokens" if found.own_right else ""),
                    ("grants", "\n".join(_rows(found)) or _none(found)),
                    ("tokens", "\n".join(_tokens(found))),
                ]
            ),
        ],
    )
    if not found.allowed:
        raise click.exceptions.Exit(exits.REFUSED)


def _rows(found: Explanation) -> list[str]:
    return [
        f"{'denies' if row.grant.deny else 'allows'}: {row.grant.role} on "
        f"{row.grant.namespace_pattern}{', by group' if row.from_group else ''}"
        for row in found.rows
    ]


def _none(found: Explanation) -> str:
    if found.own_right:
        return ""
    return f"none; roles that may: {', '.join(found.roles)}"


def _tokens(found: Explanation) -> list[str]:
    lines = []
    for row in found.tokens:
        if row.scope is not None:
            why = f"good for it, by {output.scope(row.scope)}"
        else:
            why = "good for everything" if row.covers else "not good for it"
        lines.append(f"{row.label or row.token}: {why}")
    return lines
