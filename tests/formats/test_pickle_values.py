"""What the interpreter of pickles sees is what Python loads, however opcodes are put together."""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.formats.look import Budget, Look, Notebook, SpentError, StopLooking
from registry.formats.pickle_file import NUMPY_PLAIN
from registry.formats.pickle_machine import PickleMachine
from registry.formats.pickle_opcodes import Data, OpcodeReader
from registry.formats.pickle_values import Items, Value
from registry.formats.source import BytesSource
from registry.testing.vectors.pickling import short

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 300)
    | st.sampled_from(["a", "b", "set"])
    | st.just(b"x"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        | st.builds(lambda each: [each, each, each], inner)
    ),
    max_leaves=6,
)
#: Slots are written and read; the rest are values, and what takes them.
_MEMO = [code + bytes([slot]) for code in (b"q", b"h") for slot in range(4)]
_OTHERS = [short("a"), b"N", b"]", b")", b"(", b"t", b"a", b"\x86"]
_OPCODES = st.sampled_from(_MEMO) | st.just(b"\x94") | st.sampled_from(_OTHERS)
_CHANGES = st.lists(st.tuples(st.integers(0, 30), _OPCODES), min_size=1, max_size=4)


class _Nothing(pickle.Unpickler):
    """Python's reader, which imports nothing: no value here needs it."""

    def find_class(self, module: str, name: str) -> Any:
        raise AssertionError(f"{module}.{name}")


def _changed(value: object, changes: list[tuple[int, bytes]]) -> bytes:
    """A pickle of a value without frames, with opcodes put in between."""
    pickled = pickle.dumps(value, 4)
    starts = [at or 0 for _, _, at in pickletools.genops(pickled)]
    ends = [*starts[1:], len(pickled)]
    opcodes = [pickled[begin:end] for begin, end in zip(starts, ends, strict=True)]
    # Without their frame, of which the length would be another.
    opcodes = [each for each in opcodes if each[:1] != b"\x95"]
    for place, opcode in changes:
        opcodes.insert(1 + place % (len(opcodes) - 1), opcode)
    return b"".join(opcodes)


def _seen(data: bytes) -> list[Value]:
    """The value that a pickle has if it passes, alone in a list."""
    book, source = Notebook(), BytesSource(data)
    look = Look(
        source=source, role="pickle", files={}, budget=Budget(), book=book, inspect=lambda _: None
    )
    reader = OpcodeReader(source)
    try:
        value = PickleMachine(look, reader, NUMPY_PLAIN).run()
    except (StopLooking, SpentError):
        return []
    return [value] if book.is_sound and not reader.left else []


def _is_same(seen: Value, loaded: object) -> bool:
    if isinstance(seen, Data):
        return isinstance(loaded, bytes) and len(loaded) == seen.length
    if not isinstance(seen, Items):
        return type(seen) is type(loaded) and seen == loaded
    if seen.kind != type(loaded).__name__:
        return False
    if isinstance(loaded, dict):
        texts = {key: value for key, value in loaded.items() if isinstance(key, str)}
        return texts.keys() == seen.entries.keys() and all(
            _is_same(seen.entries[key], value) for key, value in texts.items()
        )
    assert isinstance(loaded, list | tuple)
    return len(loaded) == len(seen.parts) and all(map(_is_same, seen.parts, loaded))


@settings(max_examples=400)
@given(_VALUES, _CHANGES)
@pytest.mark.slow
def test_what_passes_is_loaded_as_it_was_seen(
    value: object, changes: list[tuple[int, bytes]]
) -> None:
    """Law: each part of the value is the one that the interpreter told, by C's reader."""
    data = _changed(value, changes)

    for seen in _seen(data):
        assert _is_same(seen, _Nothing(io.BytesIO(data)).load())


@given(_VALUES)
def test_what_python_writes_is_seen(value: object) -> None:
    """Without a change everything passes, hence is compared."""
    (seen,) = _seen(pickle.dumps(value, 4))

    assert _is_same(seen, value)
