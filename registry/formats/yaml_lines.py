"""YAML as files that people are trusted by need it: plain values, each with its line.

No anchors, aliases (a few lines of them can make gigabytes), tags or directives, no key twice, one
document; scalars by YAML 1.2's core schema, in which `no` is a word and a date is text.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml
from yaml.parser import ParserError
from yaml.scanner import ScannerError

from registry.names.text import codepoint, is_visible

BYTES_MAX = 256_000
DEPTH_MAX = 24

Place: TypeAlias = tuple[str | int, ...]

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?=[0-9]*[.eE])(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}


class UnreadableError(Exception):
    """A file that holds no such YAML."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(f"line {line}: {text}" if line else text)
        self.line = line
        self.text = text


@dataclass(frozen=True)
class Document:
    value: Any
    #: Of each value, by its place.
    lines: dict[Place, int] = field(default_factory=dict)

    def line(self, *place: str | int) -> int:
        """The line of a value, or of the nearest one around it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_yaml(data: bytes) -> Document:
    """The document. Raises UnreadableError, with the line."""
    node = read_nodes(data)
    lines: dict[Place, int] = {}
    return Document(None if node is None else _value(node, (), lines), lines)


def read_nodes(data: bytes, *, bytes_max: int = BYTES_MAX) -> yaml.Node | None:
    """The same for who reads node by node, to tell many problems at once; None for no document.

    Each key is a text and there once; `plain` says what a node stands for.
    """
    if len(data) > bytes_max:
        raise UnreadableError(0, f"found {len(data)} bytes, expected at most {bytes_max}")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        line = data.count(b"\n", 0, cause.start) + 1
        raise UnreadableError(line, "found a byte that is no UTF-8, expected UTF-8") from cause
    try:
        _refuse_clever(text)
        node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as cause:
        mark = getattr(cause, "problem_mark", None)
        # Others quote what they found: it may be another file, that holds a secret.
        problem = cause.problem if isinstance(cause, ScannerError | ParserError) else None
        found = f"found {(problem or 'no YAML').removeprefix('found ')}"
        raise UnreadableError(mark.line + 1 if mark else 0, found) from cause
    except RecursionError as cause:
        raise UnreadableError(0, f"found more than {DEPTH_MAX} levels") from cause
    if node is not None:
        _check_keys(node)
    return node


def plain(node: yaml.Node) -> Any:
    """What a node that was read here stands for."""
    return _value(node, (), {})


def _check_keys(node: yaml.Node) -> None:
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            _check_keys(each)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, each in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise UnreadableError(line, "found a list or map as key, expected text")
            if key.value in seen:
                raise UnreadableError(line, f"found the key {key.value!r} twice, expected it once")
            seen.add(key.value)
            _check_keys(each)


def _refuse_clever(text: str) -> None:
    """Events come one by one, so that whatever is refused ends the reading on the spot."""
    depth = documents = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = 0 if event.start_mark is None else event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise UnreadableError(line, "found an anchor or alias, expected each value written out")
        if getattr(event, "tag", None) is not None:
            raise UnreadableError(line, "found a tag, expected values without `!`")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if event.version or event.tags:
                raise UnreadableError(line, "found a directive, expected none")
            if documents > 1:
                raise UnreadableError(line, "found a second document, expected one")
        # Escapes can spell what no UTF-8 can hold, and NUL, which PostgreSQL does not keep.
        value = getattr(event, "value", None) or ""
        if "\0" in value or any("\ud800" <= each <= "\udfff" for each in value):
            raise UnreadableError(line, "found a NUL or half of a surrogate, expected text")
        # One on a terminal can hide the rest of what somebody is to agree to.
        unseen = next((each for each in value if each not in "\n\t" and not is_visible(each)), "")
        if unseen:
            raise UnreadableError(line, f"found {codepoint(unseen)}, expected visible characters")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH_MAX:
            raise UnreadableError(line, f"found deeper nesting, expected at most {DEPTH_MAX}")


def _value(node: yaml.Node, place: Place, lines: dict[Place, int]) -> Any:
    lines[place] = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return _scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(each, (*place, n), lines) for n, each in enumerate(node.value)]
    found: dict[str, Any] = {}
    for key, each in node.value:
        found[key.value] = _value(each, (*place, key.value), lines)
        lines[(*place, key.value)] = key.start_mark.line + 1
    return found


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    if node.style is not None:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text
