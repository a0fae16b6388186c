"""version facts: what vetting learned of a version's files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from registry.cli import output
from registry.cli.finding import find_reference
from registry.cli.session import Session, with_session
from registry.domain.traits import parameters_of

if TYPE_CHECKING:
    from registry.client.vetting_values import FileFacts

#: Of a list or table, for people; --json has all of it.
_SHOWN_MAX = 200
#: Of one that is shown in a line.
_BRIEF_MAX = 6
_LINE_CHARS_MAX = 80
_MARKS = {"pass": "✓", "fail": "✗"}


@click.command("facts")
@click.argument("reference", metavar="MODEL@REF")
@click.argument("path", required=False, default="")
@with_session
def facts(session: Session, reference: str, path: str) -> None:
    """Show what vetting learned of a version's files: formats, tensors, operators, licence.

    With PATH all of one file, its tensors included.
    """
    from registry.client.vetting import facts_of

    version = session.client.versions.get(find_reference(session, reference))
    of_files = session.client.vetting.facts(version.name, path=path)
    found = [(each, facts_of(each)) for each in of_files]
    lines: list[str] = []
    for each, learned in found:
        lines.append(_head(each))
        lines += _all_of(learned) if path else _brief(learned)
    session.emit(
        {"files": [_as_json(*each) for each in found]},
        lines,
        empty=f"Nothing is known of its files yet: hallmark vet status {version.ref} --follow",
    )
    if found and not path:
        session.note(f"All of one file: hallmark version facts {version.ref} PATH")


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
    about = ", ".join(filter(None, (found.format, output.size(found.size_bytes))))
    return f"{_MARKS.get(found.verdict, '?')} {found.path}  {about}"


def _brief(learned: Mapping[str, Any]) -> list[str]:
    """A line a fact; of what is long, how much there is."""
    shown = {name: _short(name, value) for name, value in learned.items() if not _is_empty(value)}
    parameters = parameters_of(learned)
    if parameters is not None:
        shown["parameters"] = output.number(parameters)
    return [f"  {line}" for line in output.details(sorted(shown.items()))]


def _is_empty(value: object) -> bool:
    return value in ("", [], {})


def _short(name: str, value: Any) -> str:
    if name == "tensors" and isinstance(value, list):
        dtypes = sorted({str(each["dtype"]) for each in value if "dtype" in each})
        return ", ".join((output.number(len(value)), *dtypes))
    if isinstance(value, str):
        return value if _fits(value) else output.counted(len(value), "character")
    if not isinstance(value, list | dict):
        return _plain(value)
    parts = list(value.values()) if isinstance(value, dict) else value
    if len(parts) > _BRIEF_MAX:
        return output.number(len(parts))
    if all(map(_fits, parts)):
        return _plain(value)
    return ", ".join(map(_key, value)) if isinstance(value, dict) else output.number(len(parts))


def _fits(value: object) -> bool:
    """Whether it can be a part of a line."""
    if isinstance(value, list | dict):
        return False
    return not isinstance(value, str) or (len(value) <= _LINE_CHARS_MAX and "\n" not in value)


def _all_of(learned: Mapping[str, Any]) -> Iterator[str]:
    for name, value in sorted(learned.items()):
        if isinstance(value, list | dict) and value:
            rows = _rows(value)
            yield f"  {name}"
            yield from (f"    {line}" for row in rows[:_SHOWN_MAX] for line in row.split("\n"))
            if len(rows) > _SHOWN_MAX:
                yield f"    ... {output.number(len(rows) - _SHOWN_MAX)} more: --json"
        else:
            yield f"  {name}  {_plain(value)}"


def _rows(value: list[Any] | dict[str, Any]) -> list[str]:
    """A row an entry, in columns where all have the same few parts, as tensors and operators do."""
    if isinstance(value, dict):
        pairs = [(_key(key), _plain(each).rstrip()) for key, each in value.items()]
        if any("\n" in text for _, text in pairs):
            return [_below(*pair) for pair in pairs]
        return output.table(pairs)
    columns = _columns(value)
    if not columns:
        return list(map(_plain, value))
    cells = [[_plain(each[column]) for column in columns] for each in value]
    return output.table(cells)


def _columns(rows: Sequence[Any]) -> list[str]:
    """What all rows have, their names first; nothing where they are no rows of a table."""
    if not all(isinstance(each, dict) and each.keys() == rows[0].keys() for each in rows):
        return []
    if any(isinstance(part, dict) for each in rows for part in each.values()):
        return []
    return sorted(rows[0], key=lambda column: (column not in ("name", "op_type"), column))


def _below(name: str, text: str) -> str:
    """A text of several lines below its name."""
    return "\n".join([name, *(f"  {line}" for line in text.split("\n"))])


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
