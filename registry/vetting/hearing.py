"""What is taken of the jail's word on a file: its form is checked, and its texts are made fit to be
shown (`registry/jail/hearing.py` says why).

Taken over, the jail may call that file sound, and others of the same version; more it must not get.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from registry.domain.versions import Finding
from registry.formats.look import FINDINGS_MAX, Effect
from registry.jail.hearing import line_of, matching

#: The parsers' own, and some of scanners.
NOTES_MAX = FINDINGS_MAX + 50
#: A `config.json` may be 64 deep, and lies within the facts.
FACTS_DEPTH_MAX = 80
_ID = re.compile(r"[A-Z][A-Z0-9]*-[0-9]{1,4}")
_FORMAT = re.compile(r"[a-z0-9-]{0,40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OFFSET_MAX = 2**63
#: Facts that are read outside again, and what they are.
_SHAPES: Mapping[str, type] = {"tensors": list, "external_data": list, "globals": list}
#: What neither protobuf nor a terminal takes: NUL, and halves of surrogate pairs.
_UNFIT = re.compile("[\0\ud800-\udfff]")


def findings_of(path: str, notes: object) -> tuple[Finding, ...]:
    """KeyError, TypeError or ValueError where they are none."""
    if not isinstance(notes, list) or len(notes) > NOTES_MAX:
        raise ValueError(f"found other than a list of at most {NOTES_MAX} findings")
    return tuple(_finding(path, note) for note in notes)


def _finding(path: str, note: Mapping[str, Any]) -> Finding:
    effect, offset = Effect(note["effect"]), note["offset"]
    if offset is not None and (type(offset) is not int or not 0 <= offset < _OFFSET_MAX):
        raise ValueError("found an offset that is none")
    return Finding(
        rule=matching(_ID, note["rule"]),
        message=line_of(note["message"]),
        path=path,
        fix=line_of(note["fix"]),
        fails=effect is Effect.FAIL,
        doubts=effect is Effect.UNKNOWN,
        member=line_of(note["member"]),
        offset=offset,
    )


def format_of(said: object) -> str:
    return matching(_FORMAT, said)


def sha256_of(said: object) -> str:
    return matching(_SHA256, said)


def facts_of(said: object) -> dict[str, Any]:
    """Facts whose texts can be stored and sent, changed in place where they were not. ValueError
    for what is too deep, no number, or in another form than those have who read them."""
    if not isinstance(said, dict):
        raise TypeError(f"found {type(said).__name__}, expected facts by name")
    for name, shape in _SHAPES.items():
        if not isinstance(said.get(name, shape()), shape):
            raise ValueError(f"found {name} of another form")
    for data in said.get("external_data", ()):
        if not isinstance(data, dict) or not isinstance(data.get("location"), str):
            raise ValueError("found external data without its place")
    _make_fit(said)
    return said


def _make_fit(facts: dict[str, Any]) -> None:
    """Walks without recursion, which nesting could exhaust."""
    pending: list[tuple[dict[str, Any] | list[Any], int]] = [(facts, 1)]
    while pending:
        holder, depth = pending.pop()
        if depth > FACTS_DEPTH_MAX:
            raise ValueError(f"found facts more than {FACTS_DEPTH_MAX} deep")
        if isinstance(holder, dict) and any(map(_UNFIT.search, holder)):
            renamed = {_fit(key): value for key, value in holder.items()}
            holder.clear()
            holder.update(renamed)
        places = holder if isinstance(holder, dict) else range(len(holder))
        for place in places:
            value = holder[place]  # type: ignore[index]  # a key of a dict, or an index of a list
            if isinstance(value, dict | list):
                pending.append((value, depth + 1))
            elif isinstance(value, str):
                if _UNFIT.search(value):
                    holder[place] = _fit(value)  # type: ignore[index]
            elif isinstance(value, float) and not math.isfinite(value):
                raise ValueError("found a number that JSON does not have")


def _fit(text: str) -> str:
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)
