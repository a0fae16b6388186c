"""version facts: what vetting learned of a version's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from registry.cli import output
from registry.cli.finding import find_reference
from registry.cli.session import Session, with_session

if TYPE_CHECKING:
    from registry.client.vetting_values import FileFacts

#: Of a list or table, for people; --json has all of it.
_SHOWN_MAX = 200
#: Of one that is shown in a line.
_BRIEF_MAX = 6
_LINE_CHARS_MAX = 80


@click.command("facts")
@click.argument("reference", metavar="MODEL@REF")
@click.argument("path", required=False, default="")
@with_session
def facts(session: Session, reference: str, path: str) -> None:
    """Show what vetting learned of a version's files: formats, tensors, operators, licence.

    With PATH all of one file, its tensors included.
    """
    from registry.client.vetting import facts_of

    name = session.client.versions.get(find_reference(session, reference)).name
    found = [(each, facts_of(each)) for each in session.client.vetting.facts(name, path=path)]
    lines: list[str] = []
    for each, learned in found:
        lines.append(_head(each))
        lines += _all_of(learned) if path else _brief(learned)
    session.emit({"files": [_as_json(*each) for each in found]}, lines)


def _as_json(found: FileFacts, learned: Mapping[str, Any]) -> dict[str, object]:
    return {
        "path": found.path,
        "sha256": found.sha256,
        "size_bytes": found.size_bytes,
        "verdict": found.verdict,
        "format": found.format,
        "facts": learned,
    }


def _head(found: FileFacts) -> str:
    return f"{found.path}  {found.format or 'unknown'}, {output.size(found.size_bytes)}"


def _brief(learned: Mapping[str, Any]) -> Iterator[str]:
    """A line a fact; of what is long, how much there is."""
    for name, value in sorted(learned.items()):
        if value in ("", [], {}):
            continue
        if _is_long(value):
            yield f"    {name}  {output.number(len(value))}"
        elif isinstance(value, str) and len(value) > _LINE_CHARS_MAX:
            yield f"    {name}  {output.counted(len(value), 'character')}"
        else:
            yield f"    {name}  {_plain(value)}"


def _is_long(value: object) -> bool:
    """Whether it is a list or table that does not fit a line."""
    if not isinstance(value, list | dict):
        return False
    parts = list(value.values()) if isinstance(value, dict) else value
    return len(parts) > _BRIEF_MAX or any(map(_is_nested, parts))


def _all_of(learned: Mapping[str, Any]) -> Iterator[str]:
    for name, value in sorted(learned.items()):
        if not isinstance(value, list | dict) or not value:
            yield f"  {name}  {_plain(value)}"
            continue
        yield f"  {name}"
        rows = (
            [f"{_key(key)}  {_plain(each)}" for key, each in value.items()]
            if isinstance(value, dict)
            else [_plain(each) for each in value]
        )
        yield from (f"    {row}" for row in rows[:_SHOWN_MAX])
        if len(rows) > _SHOWN_MAX:
            yield f"    ... {output.number(len(rows) - _SHOWN_MAX)} more: --json"


def _is_nested(value: object) -> bool:
    return isinstance(value, list | dict)


def _key(name: str) -> str:
    """The one domain without a name is that of ONNX itself (ONNX's IR specification)."""
    return name or "ai.onnx"


def _plain(value: Any) -> str:
    """Without brackets and quotes, as far as that is clear."""
    if isinstance(value, dict):
        return "  ".join(f"{_key(key)} {_plain(each)}" for key, each in value.items())
    if isinstance(value, list):
        if all(isinstance(each, int) for each in value):
            return f"[{', '.join(map(str, value))}]"
        return ", ".join(map(_plain, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
