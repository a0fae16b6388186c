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
@click.option(
    "--kind",
    type=click.Choice(["person", "robot"]),
    default="person",
    show_default=True,
    help="Robots decide on nothing.",
)
@click.option("--display-name", default="", help="As people call them.")
@click.option("--grant", "grants", type=GrantParam(), multiple=True, help="May be repeated.")
@click.option("--sponsor", default="", help="Who answers for a robot; you, if nobody is named.")
@with_session
def create(
    session: Session,
    name: str,
    kind: str,
    display_name: str,
    grants: tuple[tuple[str, str, bool], ...],
    sponsor: str,
) -> None:
    """Create a person or a robot, with roles on namespace patterns."""
    made = session.client.principals.create(
        name, kind=kind, display_name=display_name, grants=_grants(grants), sponsor=sponsor
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
            ", ".join(map(grant_word, each.grants)),
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
    grants = list(map(output.grant, found.grants))
    session.emit(
        found,
        [
            found.id,
            *output.details(
                [
                    ("kind", found.kind),
                    ("name", found.display_name),
                    ("state", "disabled" if found.disabled else "enabled"),
                    ("sponsor", output.path_of(found.sponsor)),
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
def grant(
    session: Session, name: str, grants: tuple[tuple[str, str, bool], ...], remove: bool
) -> None:
    """Give grants, such as reviewer:fraud or !reader:secret-* (denies), or take them away."""
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
    words = shlex.join(map(grant_word, changed))
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


@principal.command("sponsor")
@click.argument("name", metavar="ROBOT")
@click.argument("person")
@with_session
def sponsor(session: Session, name: str, person: str) -> None:
    """Have PERSON answer for ROBOT from now on."""
    before = session.client.principals.get(name)
    after = session.client.principals.update(name, sponsor=person, etag=before.etag)
    undo = (
        f"Undo: hallmark principal sponsor {after.id} {output.path_of(before.sponsor)}"
        if before.sponsor
        else "Nobody answered for it before."
    )
    session.emit(after, [f"{output.path_of(after.sponsor)} answers for {after.id}.", undo])


def grant_word(grant: Grant) -> str:
    """A grant as it is written on the command line."""
    return f"{'!' if grant.deny else ''}{grant.role}:{grant.namespace_pattern}"


def _grants(given: tuple[tuple[str, str, bool], ...]) -> list[Grant]:
    from registry.client.values import Grant

    return [Grant(role=role, namespace_pattern=pattern, deny=deny) for role, pattern, deny in given]


def _with_grants(who: Principal) -> str:
    grants = ", ".join(map(output.grant, who.grants))
    return f" with {grants}" if grants else " without grants"
