"""Laws of the abstract interpreter of pickles, with Python's own as the oracle."""

from __future__ import annotations

import _compat_pickle
import io
import pickle
import pickletools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.formats.inspect import FORESEEN, Inspection, inspect
from registry.formats.joblib_file import _NAMES as JOBLIB
from registry.formats.look import Effect
from registry.formats.pickle_looks import looks_like_pickle
from registry.formats.pickle_numpy import NUMPY
from registry.formats.pickle_opcodes import OPCODES
from registry.formats.pickle_torch import TORCH
from registry.formats.source import BytesSource
from registry.testing.vectors import Vector, pickles, torch_archives, torch_files
from registry.testing.vectors.pickling import (
    array,
    binary,
    dtype,
    framed,
    number,
    several,
    short,
    whole,
)

_ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False)
    | st.text(max_size=300)
    | st.binary(max_size=300)
)
_KEYS = st.text(max_size=9) | st.integers() | st.tuples(st.integers(), st.text(max_size=3))
_VALUES = st.recursive(
    _ATOMS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner, inner)
        | st.dictionaries(_KEYS, inner, max_size=5)
        | st.sets(_KEYS, max_size=5)
        | st.frozensets(_KEYS, max_size=5)
    ),
    max_leaves=30,
)
_PROTOCOLS = st.integers(0, 5)
_ALL: list[Vector] = [*pickles.VECTORS, *torch_files.VECTORS, *torch_archives.VECTORS]
_ROLES = {"model.pkl": "pickle", "model.pt": "torch-pickle"}


class _Listed(pickle.Unpickler):
    """Python's reader, which imports nothing but what is on the list."""

    def find_class(self, module: str, name: str) -> Any:
        assert (module, name) in NUMPY, (module, name)
        return super().find_class(module, name)


def _inspect(data: bytes, role: str = "pickle") -> Inspection:
    return inspect(BytesSource(data), role, {})


def _passes(data: bytes, role: str = "pickle") -> bool:
    return _inspect(data, role).effect is Effect.ADVICE


def test_opcodes_are_those_of_python() -> None:
    """None is missing, and none has another name or protocol."""
    expected = {ord(each.code): (each.name, each.proto) for each in pickletools.opcodes}

    assert {code: (each.name, each.protocol) for code, each in OPCODES.items()} == expected


@pytest.mark.parametrize("names", [NUMPY, TORCH, JOBLIB], ids=["numpy", "torch", "joblib"])
def test_listed_names_stay_what_they_are(names: dict[tuple[str, str], object]) -> None:
    """Python renames what protocols 0 to 2 import: of a listed name it makes a listed one."""
    for module, name in names:
        renamed = _compat_pickle.NAME_MAPPING.get((module, name))
        if renamed is None:
            renamed = (_compat_pickle.IMPORT_MAPPING.get(module, module), name)
        assert renamed in names
        assert "." not in name


@given(_VALUES, _PROTOCOLS)
def test_plain_values_pass(value: object, protocol: int) -> None:
    """Whatever Python writes of them, in every protocol."""
    found = _inspect(pickle.dumps(value, protocol))

    assert found.effect is Effect.ADVICE, found.book.notes


@given(_VALUES, _PROTOCOLS, st.data())
def test_whatever_is_cut_or_longer_does_not_pass(
    value: object, protocol: int, data: st.DataObject
) -> None:
    """A pickle is whole, and nothing follows it."""
    pickled = pickle.dumps(value, protocol)
    cut = data.draw(st.integers(1, len(pickled)))

    assert not _passes(pickled[: len(pickled) - cut])
    assert not _passes(pickled + data.draw(st.binary(min_size=1, max_size=9)))


@given(
    st.sampled_from(["?", "i1", "<u2", ">i4", "<f2", "<f8", "<c8", "<U3", "S4", "<M8[s]", "V3"]),
    st.lists(st.integers(0, 4), max_size=3),
    st.sampled_from("CF"),
    _PROTOCOLS,
)
def test_arrays_pass_with_their_shape(
    kind: str, shape: list[int], order: Any, protocol: int
) -> None:
    """Whatever numpy writes, in every protocol and order."""
    found = _inspect(pickle.dumps({"a": np.zeros(shape, kind, order=order)}, protocol))

    assert found.effect is Effect.ADVICE, found.book.notes
    assert [each["name"] for each in found.book.facts["tensors"]] == ["a"]
    assert found.book.facts["tensors"][0]["shape"] == shape


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_objects_do_not_pass(protocol: int) -> None:
    """Each of their items would be a pickle of its own."""
    for value in (np.array([None, 1], object), np.zeros(2, [("a", "O")]), np.array(None)):
        assert _inspect(pickle.dumps(value, protocol)).effect is Effect.FAIL


class _Finding(pickle.Unpickler):
    """Python's reader, which tells what it would import."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.found: list[str] = []

    def find_class(self, module: str, name: str) -> Any:
        self.found.append(f"{module}.{name}")
        return dict


#: A slot by its number, or the one whose turn it is.
_WRITES = st.lists(st.none() | st.integers(0, 3), min_size=1, max_size=8)


@given(_WRITES, st.integers(0, 7), st.integers(0, 7))
def test_names_out_of_the_memo_are_those_that_are_imported(
    writes: list[int | None], module: int, name: int
) -> None:
    """However slots are numbered that are written once."""
    body, slots = b"", list[int]()
    for place, said in enumerate(writes):
        slot = len(slots) if said is None else said
        body += short(f"text{place}")
        if slot not in slots:
            body += b"\x94" if said is None else b"q" + bytes([slot])
            slots.append(slot)
    names = b"".join(b"h" + bytes([slots[each % len(slots)]]) for each in (module, name))
    data = whole(b"(" + body + names + b"\x93t", 4)
    found = _inspect(data)
    reader = _Finding(data)
    reader.load()

    assert {note.rule.id for note in found.book.notes} == {"PICKLE-8"}
    assert found.book.facts["globals"] == reader.found


@settings(max_examples=300)
@given(
    st.sampled_from(_ALL),
    st.lists(st.tuples(st.integers(0, 9999), st.integers(0, 255)), max_size=4),
)
@pytest.mark.slow
def test_no_change_of_a_file_makes_a_parser_trip(
    vector: Vector, changes: list[tuple[int, int]]
) -> None:
    """Bytes that change lead to a verdict."""
    data = bytearray(vector.data)
    for at, value in changes:
        data[at % len(data)] = value

    found = _inspect(bytes(data), _ROLES.get(vector.path, "bin"))

    assert not [note for note in found.book.notes if note.rule is FORESEEN]


@settings(max_examples=300)
@given(
    st.sampled_from([each for each in pickles.VECTORS if not each.rule]),
    st.lists(st.tuples(st.integers(0, 99_999), st.integers(0, 255)), min_size=1, max_size=2),
)
@pytest.mark.slow
def test_what_passes_imports_nothing_else(vector: Vector, changes: list[tuple[int, int]]) -> None:
    """Python's reader, given a changed file that passes, finds only listed names in it."""
    data = bytearray(vector.data)
    for at, value in changes:
        data[at % len(data)] = value
    if not _passes(bytes(data)):
        return

    _Listed(io.BytesIO(bytes(data))).load()


def test_all_foreign_names_come_in_one_go() -> None:
    """Who mends a file wants to know all of them."""
    data = b"(cos\nsystem\n(S'x'\ntRcposix\nsystem\n(S'x'\ntR}csite\nmain\nbt."

    found = _inspect(data)

    assert {"os.system", "posix.system", "site.main"} <= set(found.book.facts["globals"])
    assert [note.rule.id for note in found.book.notes] == ["PICKLE-8"] * 3


def test_what_a_call_hides_is_found_too() -> None:
    """Names behind opcodes that are refused are told as well."""
    found = _inspect(b"(S'x'\nios\nsystem\n0(cposix\nsystem\no0N.")

    assert {"os.system", "posix.system"} <= set(found.book.facts["globals"])


def test_a_bomb_costs_little() -> None:
    """Lists that hold each other are weighed, not walked; so are keys that are hashed."""
    body = b"]q\x00" + b"".join(b"(h%ch%clq%c" % (slot, slot, slot + 1) for slot in range(250))
    found = _inspect(whole(b"(" + body + b"t"))

    assert [note.rule.id for note in found.book.notes] == ["PICKLE-13"]


@pytest.mark.parametrize("depth", [10, 100_000])
@pytest.mark.slow
def test_depth_is_no_matter(depth: int) -> None:
    """Neither is it recursed into, nor is it a reason against a file."""
    assert _passes(whole(b"]" * depth + b"a" * (depth - 1)))
    assert _passes(whole(b"]" + b"\x85" * depth))


def test_names_of_tensors_are_their_ways() -> None:
    """Keys and numbers, from the outside in."""
    one = array(several(number(2)), dtype("f2"), binary(bytes(4)))
    found = _inspect(framed(b"}(\x8c\x01a](" + one + b"Ne\x8c\x01b}\x8c\x01c" + one + b"su"))

    assert found.book.facts["tensors"] == [
        {"name": "a.0", "dtype": "F16", "shape": [2]},
        {"name": "b.c", "dtype": "F16", "shape": [2]},
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cat\ndog\nbird\n",
        "import os\nos.system('x')\n",
        "(see README)\n.",
        "I am.\n",
        "{}",
        '{"a": [1, 2]}',
        "---\nlicense: mit\n---\n# A model\n",
        "N.",
        "c\n",
        "]",
        "Iron\ncat\ndog\nRobin\n",
        "cat\ndog\nIron\nRobin\n",
        "Iris\nFinch\ncobalt\niron\nNb\n",
        "cat\ndog\nVolvo\nbird\n",
    ],
)
def test_texts_do_not_look_like_pickles(text: str) -> None:
    """Neither prose nor data nor code."""
    assert not looks_like_pickle(BytesSource(text.encode()))


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'x'\ntR.",
        b"(S'x'\nios\nsystem\n.",
        b"(cos\nsystem\nS'x'\no.",
        b"cos\nsystem\n(S'x'\ntR and then a text",
        b"(lp0\nI1\nacposix\nsystem\np1\n(S'x'\ntR.",
        whole(b"cos\nsystem\n)R"),
        # Numbers and texts as one reader or another takes them.
        *(
            first + b"0cos\nsystem\n(S'x'\ntR."
            for first in (
                *(b"I1_0\n", b"I 1\n", b"I+1\n", b"I0x1f\n", b"I01\n", b"L 1L\n", b"L1_0\n"),
                *(b"FNaN\n", b"F+1.5E5\n", b"F1_0.5\n", b"F inf\n", b"Np01\n", b"Np 1\n"),
                *(b"S'x'  \n", b'S "x"\n', b"N0" * 20_000 + b"N", b"V" + b"x" * 2**21 + b"\n"),
                *(b"S'" + b"x" * 2**21 + b"'\n", b"(0N", b"\x8b\x00\x10\x00\x00" + bytes(4096)),
            )
        ),
        b"N0" * 600_000 + b"N.",
    ],
)
def test_pickles_that_look_like_texts_are_found(data: bytes) -> None:
    """Of each protocol, and with whatever behind what they call."""
    assert looks_like_pickle(BytesSource(data))
