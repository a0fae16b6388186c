"""Messages and remedies: text with placeholders, each an expression in braces."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from registry.domain.canonical import canonical_json
from registry.policies.engine import Engine, ExpressionError, Program

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
VALUE_LENGTH_MAX = 300


class Template:
    """`{version.ref}` stands for the value of that expression; `{{` and `}}` are braces."""

    def __init__(self, text: str, engine: Engine, names: Collection[str]) -> None:
        self._pieces: list[str | tuple[str, Program]] = []
        end = 0
        for found in _PIECE.finditer(text):
            self._pieces.append(text[end : found.start()])
            end = found.end()
            if found[0] in ("{{", "}}"):
                self._pieces.append(found[0][0])
            elif found[1] is None or not found[1].strip():
                raise ExpressionError(f"a brace without its other half at {found.start() + 1}")
            else:
                expression = found[1].strip()
                self._pieces.append((expression, engine.compile(expression, names)))
        self._pieces.append(text[end:])

    def render(self, document: object) -> tuple[str, dict[str, str]]:
        """The text on a document that the engine has bound, and what each placeholder stood for.
        Raises ExpressionError."""
        bound: dict[str, str] = {}
        parts = []
        for piece in self._pieces:
            if isinstance(piece, str):
                parts.append(piece)
                continue
            expression, program = piece
            if expression not in bound:
                bound[expression] = shown(program.evaluate(document))
            parts.append(bound[expression])
        return "".join(parts), bound


def shown(value: object) -> str:
    """A value as people read it; cut where it is long."""
    text = _text(value)
    return text if len(text) <= VALUE_LENGTH_MAX else text[: VALUE_LENGTH_MAX - 3] + "..."


def _text(value: object) -> str:
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case float() if value == int(value) and abs(value) < 1e15:
            return str(int(value))
        case int() | float():
            return str(value)
        case datetime():
            return f"{value:%Y-%m-%dT%H:%M:%SZ}"
        case timedelta():
            return f"{value.total_seconds() / 3600:g} h"
        case Sequence():
            return ", ".join(map(_text, value)) or "none"
        case _:
            return canonical_json(value).decode()
