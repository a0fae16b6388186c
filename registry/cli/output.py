"""How values look: sizes, times, digests, tables and JSON. Pure."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from registry.client.values import Grant, Scope

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_DIGEST_SHOWN = 12
#: Words with the blanks before them; a command is one.
_WORDS = re.compile(r"(\s*)(hallmark [a-z](?:(?!; |\. [A-Z]).)*[;.]?|\S+)")
#: What stands between gaps of two or more blanks, with the gap before it.
_CELLS = re.compile(r"(\s*)(\S+(?:\s\S+)*)")
_FIRST_COLUMN = re.compile(r"\s*(\S+ )*\S*\s{2,}")
#: What begins a line of a comparison.
_MARK = re.compile(r"\s*[-+] ")
_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")


def size(count: float) -> str:
    """Bytes in powers of ten, with two or more figures: 512 B, 1.2 kB, 35 MB."""
    step = 0
    value = float(count)
    while round(value, 1) >= 1000 and step < len(_UNITS) - 1:
        value /= 1000
        step += 1
    shown = f"{value:.1f}" if step and round(value, 1) < 10 else f"{value:.0f}"
    return f"{shown} {_UNITS[step]}"


def number(count: int) -> str:
    """Thousands parted: 4,812."""
    return f"{count:,}"


def counted(count: int, noun: str) -> str:
    """`1 file`, `4,812 files`."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """h:mm:ss, rounded up: what is left is never 0 before it is over."""
    whole = int(-(-seconds // 1))
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def took(seconds: float) -> str:
    """How long something was: 0.3 s, 12 s, 0:03:20."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    return f"{seconds:.0f} s" if seconds < 99.5 else duration(seconds)


def grant(given: Grant) -> str:
    """`reviewer on fraud`, or for one that denies `no reviewer on fraud`."""
    return f"{'no ' if given.deny else ''}{given.role} on {given.namespace_pattern}"


def scope(given: Scope) -> str:
    """As on the command line: version.fetch:fraud/*@production."""
    stage = "" if given.stage == "*" else f"@{given.stage}"
    return f"{given.action}:{given.model}{stage}"


def when(time: datetime | None) -> str:
    """To the minute, in UTC: 2026-11-20T22:06Z. Empty for None."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%MZ}" if time else ""


def moment(time: datetime | None) -> str:
    """To the second, where several things may happen in a minute. Empty for None."""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if time else ""


def digest(text: str, *, full: bool) -> str:
    """Cut to 12 hex digits unless it is wanted whole."""
    algorithm, colon, value = text.rpartition(":")
    if full or len(value) <= _DIGEST_SHOWN:
        return text
    return f"{algorithm}{colon}{value[:_DIGEST_SHOWN]}…"


def metric(value: float) -> str:
    """As few digits as tell it from its neighbours to six places."""
    return f"{value:.6g}"


def path_of(name: str) -> str:
    """A resource as people write it: fraud/scorer, fraud/scorer@7, trainer1, 42."""
    if name.startswith("models/"):
        model, found, rest = name.removeprefix("models/").rpartition("/versions/")
        if found:
            return f"{model}@{rest}"
        model, found, rest = name.removeprefix("models/").rpartition("/commits/")
        return f"{model}@{rest[:12]}" if found else rest
    for prefix in ("principals/", "namespaces/", "promotions/", "waivers/"):
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def table(rows: Iterable[Sequence[str]], headers: Sequence[str] = ()) -> list[str]:
    """Lines with aligned columns, two blanks apart; nothing for no rows."""
    listed = [list(row) for row in rows]
    if not listed:
        return []
    if headers:
        listed.insert(0, [header.upper() for header in headers])
    widths = [max(len(cell) for cell in column) for column in zip(*listed, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in listed
    ]


def details(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Indented label and value; pairs without a value are left out, further lines line up."""
    kept = [(label, value) for label, value in pairs if value]
    width = max((len(label) for label, _ in kept), default=0)
    lines = []
    for label, value in kept:
        first, *rest = value.splitlines()
        lines.append(f"  {label.ljust(width)}  {first}")
        lines += [f"  {' ' * width}  {line}" for line in rest]
    return lines


def pairs(values: Mapping[str, float] | Mapping[str, str]) -> str:
    """`auc 0.912, loss 0.1`."""
    return ", ".join(
        f"{key} {metric(value) if isinstance(value, float) else value}"
        for key, value in values.items()
    )


def printable(text: str) -> str:
    """Text of others, fit for a terminal: controls become visible, colours and line ends stay.

    A description could otherwise move the cursor and rewrite what stands above it.
    """
    return "".join(
        piece if _COLOUR.fullmatch(piece) else _visible(piece) for piece in _COLOUR.split(text)
    )


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() or c in "\n\t" else f"<U+{ord(c):04X}>" for c in text)


def folded(line: str, width: int) -> list[str]:
    """The line in pieces that fit, the further ones below its second column, if it has columns.

    What stands in a column stays together if it can. A command stays whole, however long, so that
    it can be copied.
    """
    if _shown_length(line) <= width or not line.strip():
        return [line]
    start = _MARK.match(line) or _FIRST_COLUMN.match(line)
    indent = " " * (start.end() if start and start.end() < width // 3 else 4)
    pieces = [""]
    for gap, cell in _CELLS.findall(line):
        fits = _shown_length(cell) <= width - len(indent)
        parts = [(gap, cell)] if fits else _WORDS.findall(gap + cell)
        for blanks, part in parts:
            grown = f"{pieces[-1]}{blanks}{part}"
            if _shown_length(grown) > width and pieces[-1].strip():
                # A column is as wide as its widest cell, which may leave a gap to save on.
                grown = f"{pieces[-1]}{blanks[:2]}{part}"
            helps = _shown_length(part) <= width - len(indent) or part.startswith("hallmark ")
            if pieces[-1].strip() and helps and _shown_length(grown) > width:
                pieces.append(f"{indent}{part}")
            else:
                pieces[-1] = grown
    return pieces


def _shown_length(text: str) -> int:
    return len(_COLOUR.sub("", text))


def plain(value: Any) -> Any:
    """A value as JSON has it: dataclasses as objects, times as RFC 3339 in UTC."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def as_json(value: Any, *, narrow: bool = False) -> str:
    """Indented, members in their own order, text as it is, or escaped for a `narrow` stream."""
    return json.dumps(plain(value), indent=2, ensure_ascii=narrow)


def is_narrow(stream: TextIO) -> bool:
    """Whether there are characters that it cannot encode."""
    return (stream.encoding or "ascii").lower().replace("_", "-") not in ("utf-8", "utf8")
