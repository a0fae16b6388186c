"""auth: how people are known here, and why somebody may do something, or may not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.cli import exits
from registry.cli.explain import explain
from registry.cli.session import Session, with_session
from registry.cli.tree import Group

if TYPE_CHECKING:
    from registry.domain.directory import Step


@click.group("auth", cls=Group)
def auth() -> None:
    """See how people are known here, and what they may do."""


auth.add_command(explain)


@auth.command("test")
@click.option("--user", default="", help="Look this person up as a login would.")
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="The registry's folder; HALLMARK_HOME.",
)
@with_session
def test(session: Session, user: str, home: Path | None) -> None:
    """Try the configured directory step by step, with the query that each setting makes.

    Works on the server's machine, from the server's settings, and asks for no password. Exit code 0
    when all is well, 1 when a step failed.
    """
    from registry.app.offline import run_auth_test

    steps = run_auth_test(user, home)
    session.emit({"steps": steps}, _lines(steps))
    well = all(step.ok for step in steps)
    raise click.exceptions.Exit(exits.DONE if well else exits.REFUSED)


@auth.command("roles")
@click.argument("role", default="")
@with_session
def roles(session: Session, role: str) -> None:
    """List the roles, or one ROLE, with the actions that each may do."""
    found = [row for row in session.client.principals.roles() if role in ("", row.role)]
    if not found:
        raise click.UsageError(f"There is no role {role!r}: hallmark auth roles")
    rows = [(row.role, ", ".join(row.actions)) for row in found]
    session.emit({"roles": found}, session.table(rows, ("role", "actions")))


def _lines(steps: Sequence[Step]) -> list[str]:
    width = max((len(step.name) for step in steps), default=0)
    indent = " " * (width + 6)
    lines = []
    for step in steps:
        lines.append(f"  {'✓' if step.ok else '✗'} {step.name.ljust(width)}  {step.query}")
        lines.append(f"{indent}-> {step.found}")
        lines += [f"{indent}{step.fix}"] if step.fix else []
    failed = sum(not step.ok for step in steps)
    lines.append(f"{failed} of {len(steps)} steps failed." if failed else "All steps are well.")
    return lines
