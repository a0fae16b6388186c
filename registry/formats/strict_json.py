"""JSON as a strict reader takes it: UTF-8, no key twice, no NaN, bounded depth.

Two readers that disagree on a document, for instance on which of two equal keys counts, can be
shown different models. So what readers may disagree on is refused.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NoReturn

#: Deeper nesting would be for whoever reads it to worry about; configurations have a handful.
DEPTH_MAX = 64


class JsonError(ValueError):
    """What is wrong, and at which character, where that is known."""

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


def loads(data: bytes) -> Any:
    """The value. JsonError for anything that strict readers would not all read alike."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError(f"it is not UTF-8: {error.reason}", error.start) from None
    _check_depth(text)
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise JsonError(f"it is no JSON: {error.msg}", error.pos) from None


def _check_depth(text: str) -> None:
    """Before anything recurses. Brackets within strings count as well, which only makes it
    stricter where a string holds dozens of opening ones that are not closed."""
    depth = 0
    if text.count("[") + text.count("{") <= DEPTH_MAX:
        return
    in_string = escaped = False
    for position, char in enumerate(text):
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            if depth > DEPTH_MAX:
                raise JsonError(f"it is nested more than {DEPTH_MAX} deep", position)
        elif char in "]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise JsonError(f"the key {twice[:80]!a} stands in it twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is no JSON")
