"""lineage: what a version was made from, and what was made from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.finding import find_reference
from registry.cli.session import Session, with_session
from registry.cli.tree import Group

if TYPE_CHECKING:
    from registry.client.values import LineageEdge


class LineageGroup(Group):
    """`lineage fraud/scorer@7` is short for `lineage show fraud/scorer@7`."""

    default_command = "show"


@click.group("lineage", cls=LineageGroup)
def lineage() -> None:
    """Show what a version was made from, and what from it.

    `hallmark lineage fraud/scorer@7` is short for `hallmark lineage show fraud/scorer@7`.
    """


@lineage.command("show")
@click.argument("reference", metavar="MODEL@REF")
@click.option(
    "--depth",
    type=click.IntRange(1, 100),
    default=20,
    show_default=True,
    help="How many levels, up and down.",
)
@with_session
def show(session: Session, reference: str, depth: int) -> None:
    """Print the tree above a version (made from) and below it (made into)."""
    name = session.client.versions.name(find_reference(session, reference))
    hidden = {"ancestors": 0, "descendants": 0}

    def count(side: str, number: int) -> None:
        hidden[side] += number

    up = list(
        session.client.lineage.ancestors(
            name, depth_max=depth, hidden=lambda number: count("ancestors", number)
        )
    )
    down = list(
        session.client.lineage.descendants(
            name, depth_max=depth, hidden=lambda number: count("descendants", number)
        )
    )
    value = {"version": name, "ancestors": up, "descendants": down, "hidden": hidden}
    session.emit(value, lineage_lines(name, up, down))
    if any(hidden.values()):
        session.note(f"{sum(hidden.values())} edges lead to models that you may not read.")


@lineage.command("add")
@click.argument("child", metavar="CHILD@REF")
@click.argument("parent", metavar="PARENT@REF")
@click.option(
    "--kind",
    required=True,
    type=click.Choice(["finetune", "adapter", "merge", "quantized", "converted", "mirrored"]),
    help="How.",
)
@with_session
def add(session: Session, child: str, parent: str, kind: str) -> None:
    """Declare that CHILD was made from PARENT."""
    names = session.client.versions
    edge = session.client.lineage.create(
        names.name(find_reference(session, child)),
        names.name(find_reference(session, parent)),
        kind=kind,
    )
    one, other = output.path_of(edge.child), output.path_of(edge.parent)
    session.emit(
        edge,
        [
            f"{one} was made from {other} ({edge.kind}).",
            f"Undo: hallmark lineage delete {one} {other}",
        ],
    )


@lineage.command("delete")
@click.argument("child", metavar="CHILD@REF")
@click.argument("parent", metavar="PARENT@REF")
@with_session
def delete(session: Session, child: str, parent: str) -> None:
    """Take a declaration back; the audit log keeps it."""
    names = session.client.versions
    one = names.name(find_reference(session, child))
    other = names.name(find_reference(session, parent))
    known = session.client.lineage.ancestors(one, depth_max=1)
    kind = next((edge.kind for edge in known if edge.parent == other), "finetune")
    session.client.lineage.delete(one, other)
    child, parent = output.path_of(one), output.path_of(other)
    session.emit(
        {"child": one, "parent": other, "deleted": True},
        [
            f"{child} is no longer said to be made from {parent}.",
            f"Undo: hallmark lineage add {child} {parent} --kind {kind}",
        ],
    )


def lineage_lines(name: str, up: Iterable[LineageEdge], down: Iterable[LineageEdge]) -> list[str]:
    """The version, what it was made from, and what was made from it, as two trees."""
    parents: dict[str, list[tuple[str, str]]] = {}
    for edge in up:
        parents.setdefault(edge.child, []).append((edge.parent, edge.kind))
    children: dict[str, list[tuple[str, str]]] = {}
    for edge in down:
        children.setdefault(edge.parent, []).append((edge.child, edge.kind))
    lines = [output.path_of(name)]
    if parents:
        lines += ["made from", *_branches(name, parents, "  ", {name})]
    if children:
        lines += ["made into", *_branches(name, children, "  ", {name})]
    if not parents and not children:
        lines.append("  nothing is known of what it was made from or into")
    return lines


def _branches(
    name: str, edges: Mapping[str, list[tuple[str, str]]], indent: str, seen: set[str]
) -> list[str]:
    """One line an edge; what was shown already is not unfolded again."""
    lines = []
    ends = edges.get(name, [])
    for number, (other, kind) in enumerate(ends, start=1):
        last = number == len(ends)
        again = other in seen and other in edges
        lines.append(
            f"{indent}{'└─' if last else '├─'} {output.path_of(other)}  {kind}"
            + ("  (see above)" if again else "")
        )
        if not again:
            seen.add(other)
            lines += _branches(other, edges, indent + ("   " if last else "│  "), seen)
    return lines
