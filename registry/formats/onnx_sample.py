"""ONNX test data: one value that goes into a model or comes out of it, beside it in a file.

Sources: onnx.proto (TensorProto), onnx-data.proto (SequenceProto, OptionalProto, MapProto) in
https://github.com/onnx/onnx, and its backend/test/cmd_tools.py, which writes `input_0.pb`. Nothing
in the file says which of these messages it is: readers go by the type of the model's input. So
it is what it reads best as, and none of it may lie elsewhere, whichever message a reader takes
it for. Whether values fit the model or each other is for those to say who run it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from registry.formats import onnx_tensors
from registry.formats.look import Look, Notebook, Rule, quoted
from registry.formats.onnx import FIELDS
from registry.formats.onnx_schema import DATA_TYPES, EXTERNAL, SCHEMA
from registry.formats.protobuf_wire import Message, Walked, WireError, walk
from registry.formats.source import pieces

_SAVE = "Write the value again with the onnx library (onnx.numpy_helper), and push a new version."
WIRE = Rule(
    "ONNX-14",
    "Test data is one protobuf message of type TensorProto, SequenceProto, OptionalProto or "
    "MapProto from the first byte to the last, strictly encoded, with a printable name.",
    _SAVE,
)
INSIDE = Rule(
    "ONNX-15",
    "Test data lies in its own file: no message that it can be read as has external data.",
    "Save the tensor with its data inside (raw_data), and push a new version.",
)
KIND = Rule(
    "ONNX-16",
    "A sequence or optional value has values of the one kind that it names.",
    _SAVE,
)
KEYS = Rule(
    "ONNX-17",
    "A map has one key for each value, all of the type that it names: whole numbers or texts.",
    _SAVE,
)
RULES = (WIRE, INSIDE, KIND, KEYS)

#: An OptionalProto is read as the SequenceProto that has the same bytes: fields and kinds of both
#: have the same numbers. The last is the one that others, if they are broken, most look like.
_ROOTS = ("SequenceProto", "MapProto", "TensorProto")
#: By their number, from 1 on; 0 is what an OptionalProto of nothing says.
_KINDS = ("tensor", "sparse_tensor", "sequence", "map", "optional")
_KEY_TYPES = {
    *("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "STRING"),
}
#: An entry with the key by which readers find external data, its tag and its length as short as
#: they can be or filled up, which lenient readers take.
_ELSEWHERE = re.compile(rb"(?:\x0a|\x8a\x80{0,8}\x00)(?:\x08|\x88\x80{0,8}\x00)location")
_ELSEWHERE_BYTES_MAX = 28


class _Value(NamedTuple):
    name: str
    #: Such as `FLOAT` or `seq(FLOAT)`; empty where it is wrong or none.
    dtype: str
    #: Of tensors alone.
    shape: tuple[int, ...] | None = None
    #: Of a sequence: how many it has, and of which type.
    length: int = 0
    inner: str = ""


def read(look: Look) -> None:
    """Facts: `value`, {name, dtype, shape}; the shape of what is no tensor is none."""
    root = min(_ROOTS, key=lambda root: _distance(look, root))
    try:
        walked = _walk(look, root)
    except WireError as error:
        look.stop(WIRE, f"{error}, read as {root}", offset=error.offset)
    for (message, number), count in sorted(walked.unknown.items()):
        look.doubt(FIELDS, f"found field {number} in {message}, {count} times")
    value: _Value = walked.value
    if not value.name.isprintable():
        # TensorFlow would read it as a graph's node.
        look.refuse(WIRE, f"found {quoted(value.name)} as the name, expected printable text")
    _check_elsewhere(look)
    shape = None if value.shape is None else list(value.shape)
    look.facts["value"] = {"name": value.name, "dtype": value.dtype, "shape": shape}


def _distance(look: Look, root: str) -> tuple[bool, int]:
    """How far the file is from being such a message: nothing if it is sound as one, and more the
    earlier it is none."""
    scratch = replace(look, book=Notebook())
    try:
        walked = _walk(scratch, root)
    except WireError as error:
        return True, -error.offset
    return False, sum(walked.unknown.values()) + len(scratch.book.notes)


def _walk(look: Look, root: str) -> Walked:
    return walk(look.source, SCHEMA, root, _Values(look).leave, look.budget)


def _check_elsewhere(look: Look) -> None:
    """One message's numbers and texts are another's tensors, to readers who expect that one."""
    at, tail = 0, b""
    for piece in pieces(look.source):
        look.budget.step()
        seen = tail + piece
        found = _ELSEWHERE.search(seen)
        if found:
            look.doubt(
                INSIDE,
                f"found {quoted(found[0].decode('latin-1'))}, which some message has for "
                f"external data, expected none",
                offset=at - len(tail) + found.start(),
            )
            return
        at += len(piece)
        tail = seen[-_ELSEWHERE_BYTES_MAX:]


class _Values:
    """What the messages of a file are, inner ones first."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._tensors = onnx_tensors.Tensors(look)
        self._leave: dict[str, Callable[[Message], Any]] = {
            "TensorProto": self._tensor,
            "SparseTensorProto": self._sparse,
            "SequenceProto": self._sequence,
            "OptionalProto": self._optional,
            "MapProto": self._map,
        }

    def leave(self, message: Message) -> Any:
        take = self._leave.get(message.type)
        return take(message) if take else None

    def _tensor(self, tensor: Message) -> _Value:
        if tensor.count("external_data") or tensor.one("data_location", 0) == EXTERNAL:
            name = tensor.one("name", "")
            self._look.refuse(
                INSIDE, f"tensor {quoted(name)}: found external data, expected all of it here"
            )
            return _Value(name, "")
        return _Value(*self._tensors.check(tensor))

    def _sparse(self, sparse: Message) -> _Value:
        self._tensors.check_sparse(sparse)
        values = sparse.one("values", _Value("", ""))
        return _Value(values.name, f"sparse({values.dtype})", tuple(sparse.all("dims")))

    def _sequence(self, sequence: Message) -> _Value:
        """Also an OptionalProto's, if it is the whole file."""
        is_optional = sequence.parent is None and sequence.one("elem_type") == 0
        inner, count = self._inner(sequence, "values", may_be_nothing=is_optional)
        dtype = f"seq({inner})"
        if sequence.parent is None and count <= 1:
            dtype = f"optional({inner})" if is_optional else f"{dtype} or optional({inner})"
        return _Value(sequence.one("name", ""), dtype, length=count, inner=inner)

    def _optional(self, optional: Message) -> _Value:
        inner, _ = self._inner(optional, "value", may_be_nothing=True)
        return _Value(optional.one("name", ""), f"optional({inner})")

    def _inner(self, holder: Message, suffix: str, *, may_be_nothing: bool) -> tuple[str, int]:
        """The type of what a sequence or optional value holds, and how many there are."""
        what = f"{holder.type} {quoted(holder.one('name', ''))}"
        number = holder.one("elem_type", -1)
        named = _KINDS[number - 1] if 1 <= number <= len(_KINDS) else ""
        if not named and not (number == 0 and may_be_nothing):
            found = "no kind of values" if number == -1 else f"values of kind {number}"
            self._look.refuse(KIND, f"{what}: found {found}, expected 1 to {len(_KINDS)}")
            return "", 0
        filled = [each for each in _KINDS if holder.count(f"{each}_{suffix}") and each != named]
        if filled:
            expected = f"{named} values alone" if named else "none"
            self._look.refuse(KIND, f"{what}: found {filled[0]} values, expected {expected}")
            return "", 0
        types = {each.dtype for each in holder.all(f"{named}_{suffix}")}
        inner = types.pop() if len(types) == 1 else "mixed" * bool(types)
        return inner, holder.count(f"{named}_{suffix}")

    def _map(self, map_: Message) -> _Value:
        name = map_.one("name", "")
        what = f"map {quoted(name)}"
        number = map_.one("key_type", 0)
        key_type = DATA_TYPES[number].name if number in DATA_TYPES else ""
        sequence = map_.one("values")
        if key_type not in _KEY_TYPES or sequence is None:
            found = "no values" if sequence is None else f"keys of type {number}"
            expected = "values, and keys that are whole numbers or texts"
            self._look.refuse(KEYS, f"{what}: found {found}, expected {expected}")
            return _Value(name, "")
        found_counts = (map_.count("keys"), map_.count("string_keys"))
        expected_counts = (0, sequence.length) if key_type == "STRING" else (sequence.length, 0)
        if found_counts != expected_counts:
            found = "{} whole numbers and {} texts".format(*found_counts)
            expected = f"{sequence.length} of {key_type}"
            self._look.refuse(KEYS, f"{what}: found {found} as keys, expected {expected}")
        return _Value(name, f"map({key_type}, {sequence.inner})")
