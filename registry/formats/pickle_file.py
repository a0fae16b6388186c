"""Pickle files of plain values and numpy arrays, and what is told of a pickle's value.

Estimators, and whatever else needs a library's classes, are refused: an exact list of them would be
as wide as the library.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from registry.formats import pickle_rules
from registry.formats.look import Look
from registry.formats.pickle_machine import Family, PickleMachine
from registry.formats.pickle_numpy import NUMPY
from registry.formats.pickle_opcodes import OpcodeReader
from registry.formats.pickle_values import Array, Items, Value

RULES = pickle_rules.RULES
_TENSORS_MAX = 1_000_000
_NAME_CHARS_MAX = 1000
NUMPY_PLAIN = Family(name="numpy_plain", names=NUMPY)


def read(look: Look) -> None:
    """Facts: `tensors`, a list of {name, dtype, shape}, names being ways of keys such as `a.b.0`;
    `globals`, what it imports, allowed or not."""
    reader = OpcodeReader(look.source)
    value = PickleMachine(look, reader, NUMPY_PLAIN).run()
    check_end(look, reader)
    learn_tensors(look, value)


def check_end(look: Look, reader: OpcodeReader) -> None:
    if reader.left:
        look.refuse(
            pickle_rules.END,
            f"found {reader.left} bytes after STOP, expected none",
            offset=reader.at,
        )


def learn_tensors(look: Look, value: Value) -> None:
    """Notes the tensors and arrays in a pickle's value, under each name that they have."""
    found: list[dict[str, Any]] = []
    pending: list[tuple[str, Value]] = [("", value)]
    seen: set[int] = set()
    while pending and len(found) < _TENSORS_MAX:
        name, each = pending.pop()
        if isinstance(each, Array):
            found.append({"name": name, "dtype": each.dtype, "shape": list(each.shape)})
        elif isinstance(each, Items) and id(each) not in seen:
            seen.add(id(each))
            for key, part in _inner(each):
                look.budget.step()
                if isinstance(part, Array | Items):
                    pending.append(((f"{name}.{key}" if name else key)[:_NAME_CHARS_MAX], part))
    look.facts.setdefault("tensors", []).extend(found)


def _inner(items: Items) -> Iterator[tuple[str, Value]]:
    """Backwards, for a stack."""
    for index in range(len(items.parts) - 1, -1, -1):
        yield str(index), items.parts[index]
    yield from reversed(items.entries.items())
