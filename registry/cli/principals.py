"""principal: people, robots and their grants."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.params import GrantParam
from registry.cli.session import Session, limit_option, with_session
from registry.cli.tree import Group

if TYPE_CHECKING:
    from registry.client.values import Grant, Principal


@click.group("principal", cls=Group)
def principal() -> None:
    """Manage people, robots and their grants."""


@principal.command("create")
@click.argument("name", metavar="PRINCIPAL")
@click.option("--kind", type=click.Choice(["person", "robot"]), default="person", show_default=True)
@click.option("--display-name", default="", help="As people call them.")
@click.option("--grant", "grants", type=GrantParam(), multiple=True, help="May be repeated.")
@with_session
def create(
    session: Session, name: str, kind: str, display_name: str, grants: tuple[tuple[str, str], ...]
) -> None:
    """Create a person or a robot, with roles on namespace patterns."""
    made = session.client.principals.create(
        name, kind=kind, display_name=display_name, grants=_grants(grants)
    )
    session.emit(
        made,
        [
            f"Created {made.kind} {made.id}{_with_grants(made)}.",
            f"Give a token: hallmark token create {made.id}",
            f"Undo: hallmark principal disable {made.id}",
        ],
    )


@principal.command("list")
@limit_option
@with_session
def list_principals(session: Session, limit: int) -> None:
    """List people and robots."""
    found = session.rows(session.client.principals.list(), limit)
    rows = [
        (
            each.id,
            each.kind,
            "disabled" if each.disabled else "",
            ", ".join(f"{grant.role}:{grant.namespace_pattern}" for grant in each.grants),
        )
        for each in found
    ]
    session.emit(
        {"principals": found}, session.table(rows, ("principal", "kind", "state", "grants"))
    )


@principal.command("show")
@click.argument("name", metavar="PRINCIPAL")
@with_session
def show(session: Session, name: str) -> None:
    """Show a person or robot."""
    found = session.client.principals.get(name)
    grants = [f"{grant.role} on {grant.namespace_pattern}" for grant in found.grants]
    session.emit(
        found,
        [
            found.id,
            *output.details(
                [
                    ("kind", found.kind),
                    ("name", found.display_name),
                    ("state", "disabled" if found.disabled else "enabled"),
                    ("grants", "\n".join(grants) or "none"),
                    ("created", output.when(found.create_time)),
                ]
            ),
        ],
    )


@principal.command("grant")
@click.argument("name", metavar="PRINCIPAL")
@click.argument("grants", type=GrantParam(), nargs=-1, required=True)
@click.option("--remove", is_flag=True, help="Take these grants away.")
@with_session
def grant(session: Session, name: str, grants: tuple[tuple[str, str], ...], remove: bool) -> None:
    """Give grants, such as reviewer:fraud or reader:*, or take them away."""
    before = session.client.principals.get(name)
    asked = _grants(grants)
    if remove:
        wanted = [each for each in before.grants if each not in asked]
    else:
        wanted = [*before.grants, *(each for each in asked if each not in before.grants)]
    changed = [each for each in asked if (each in before.grants) == remove]
    if not changed:
        session.emit(before, [f"{before.id} has it so already{_with_grants(before)}."])
        return
    after = session.client.principals.update(name, grants=wanted, etag=before.etag)
    # A pattern's star would be the shell's.
    words = shlex.join(f"{each.role}:{each.namespace_pattern}" for each in changed)
    undo = f"hallmark principal grant {after.id} {words}" + ("" if remove else " --remove")
    session.emit(
        after, [f"{after.id} now is a {after.kind}{_with_grants(after)}.", f"Undo: {undo}"]
    )


@principal.command("disable")
@click.argument("name", metavar="PRINCIPAL")
@click.option("--undo", is_flag=True, help="Enable again.")
@with_session
def disable(session: Session, name: str, undo: bool) -> None:
    """Refuse a person or robot everywhere; their history stays."""
    after = session.client.principals.update(name, disabled=not undo)
    back = "" if undo else " --undo"
    done = "enabled again" if undo else "disabled: every token of theirs is refused"
    session.emit(
        after, [f"{after.id} is {done}.", f"Undo: hallmark principal disable {after.id}{back}"]
    )


def _grants(given: tuple[tuple[str, str], ...]) -> list[Grant]:
    from registry.client.values import Grant

    return [Grant(role=role, namespace_pattern=pattern) for role, pattern in given]


def _with_grants(who: Principal) -> str:
    grants = ", ".join(f"{each.role} on {each.namespace_pattern}" for each in who.grants)
    return f" with {grants}" if grants else " without grants"
