"""JSON as a strict reader takes it: UTF-8, no key twice, no NaN, bounded depth.

Two readers that disagree on a document, for instance on which of two equal keys counts, can be
shown different models. So what readers may disagree on is refused.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, NoReturn

#: Deeper nesting would be for whoever reads it to worry about; configurations have a handful.
DEPTH_MAX = 64
#: An open one reaches to the end: to look for its end from each quote in it would take time by
#: the square.
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_BRACKETS = re.compile(r"[][{}]")


class JsonError(ValueError):
    """What is wrong, and at which character, where that is known."""

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


def loads(data: bytes, *, infinite: bool = False) -> Any:
    """The value. JsonError for anything that strict readers would not all read alike; `infinite`
    lets in NaN and Infinity, which Python's own writer makes of such numbers."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError(f"it is not UTF-8: {error.reason}", error.start) from None
    _check_depth(text)
    try:
        constants = float if infinite else _refuse_constant
        return json.loads(text, object_pairs_hook=_object, parse_constant=constants)
    except json.JSONDecodeError as error:
        raise JsonError(f"it is no JSON: {error.msg}", error.pos) from None
    except JsonError:
        raise
    except ValueError:
        # Python reads no numbers of thousands of digits.
        raise JsonError("it has a number of too many digits") from None


def _check_depth(text: str) -> None:
    """Before anything recurses: on the brackets that are left when strings are taken out, as a
    tokenizer has a megabyte of them."""
    if text.count("[") + text.count("{") <= DEPTH_MAX:
        return
    depth = 0
    for match in _BRACKETS.finditer(_STRING.sub("", text)):
        if match[0] in "[{":
            depth += 1
            if depth > DEPTH_MAX:
                raise JsonError(f"it is nested more than {DEPTH_MAX} deep")
        else:
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise JsonError(f"the key {twice[:80]!a} stands in it twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"{name} is no JSON")
