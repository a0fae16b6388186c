"""diff: what changes from one version to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from registry.cli import output
from registry.cli.finding import find_reference
from registry.cli.session import Session, with_session

if TYPE_CHECKING:
    from registry.client.values import File, ValueChange, VersionDiff


@click.command("diff")
@click.argument("base", metavar="MODEL@REF")
@click.argument("other", metavar="[MODEL]@REF")
@with_session
def diff(session: Session, base: str, other: str) -> None:
    """Compare two versions: files, card, metrics, parameters, config, tensors, chat templates.

    The second may leave the model out: hallmark diff fraud/scorer@6 @7
    """
    base = find_reference(session, base)
    if other.startswith("@"):
        other = base.partition("@")[0] + other
    found = session.client.versions.diff(base, find_reference(session, other))
    session.emit(found, _lines(session, found))


def _lines(session: Session, found: VersionDiff) -> list[str]:
    counts = [
        (found.added_count, "added"),
        (found.removed_count, "removed"),
        (found.changed_count, "changed"),
        (found.renamed_count, "renamed"),
        (found.equal_count, "equal"),
    ]
    summary = ", ".join(f"{output.number(count)} {word}" for count, word in counts if count)
    return [
        f"files: {summary or 'none'}; {output.size(found.new_bytes)} new",
        *_files("+", found.added, found.added_count),
        *_files("-", found.removed, found.removed_count),
        *output.table(
            (
                f"  ~ {each.other.path}",
                f"{output.size(each.base.size_bytes)} -> {output.size(each.other.size_bytes)}",
                session.digest(f"sha256:{each.other.sha256}"),
            )
            for each in found.changed
        ),
        *(f"  > {each.base.path} -> {each.other.path}" for each in found.renamed),
        *_values("card", found.card),
        *_values("metrics", found.metrics),
        *_values("parameters", found.parameters),
        *_values("config", found.config),
        *_values("tensors", found.tensors),
        *_template(found.template),
    ]


def _template(lines: Sequence[str]) -> list[str]:
    return ["template:", *(f"  {line}" for line in lines)] if lines else []


def _files(sign: str, files: Sequence[File], count: int) -> list[str]:
    lines = output.table((f"  {sign} {each.path}", output.size(each.size_bytes)) for each in files)
    if count > len(files):
        lines.append(f"  {sign} and {output.number(count - len(files))} more")
    return lines


def _values(title: str, changes: Sequence[ValueChange]) -> list[str]:
    if not changes:
        return []
    # The card's text is compared by its digest, which tells nobody anything.
    rows = [
        ("  text", "changed", "", "")
        if title == "card" and each.key == "/"
        else (f"  {each.key}", _value(each.base), "->", _value(each.other))
        for each in changes
    ]
    return [f"{title}:", *output.table(rows)]


def _value(text: str) -> str:
    """Numbers in as few digits as tell them apart; `-` for what is not there."""
    try:
        return output.metric(float(text)) if "." in text else text or "-"
    except ValueError:
        return text
