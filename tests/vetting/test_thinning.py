"""Pickles as a scanner is shown them say the same as before."""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.formats.inspect import inspect
from registry.formats.look import Effect
from registry.formats.source import BytesSource
from registry.ports.scanners import Outcome
from registry.testing.vectors import Vector, pickles, torch_files
from registry.testing.vectors.pickling import short, whole
from registry.vetting.scanners.files import as_file
from registry.vetting.scanners.modelaudit import ModelAudit
from registry.vetting.scanners.thinning import NAME_BYTES_MAX, thinned

_ATOMS = st.none() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
_TEXTS = st.text("abcé", max_size=9)
_VALUES = st.recursive(
    _ATOMS | _TEXTS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.tuples(inner, inner)
        | st.dictionaries(_TEXTS, inner, max_size=5)
        | st.builds(lambda each: [each, each], inner)
    ),
    max_leaves=30,
)
_ABOUT_SLOTS = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "FRAME"}


def _opcodes(pickled: bytes) -> Iterator[tuple[str, object]]:
    """But for data, and what writes slots."""
    for opcode, argument, _ in pickletools.genops(pickled):
        is_long = isinstance(argument, str) and len(argument.encode()) > NAME_BYTES_MAX
        if opcode.name not in _ABOUT_SLOTS:
            yield (
                opcode.name,
                "" if isinstance(argument, bytes | bytearray) or is_long else argument,
            )


@given(_VALUES, st.integers(0, 5))
def test_it_loads_as_the_same_value(value: object, protocol: int) -> None:
    """Law: with all slots that nobody reads cut, a pickle has the value that it had."""
    found = thinned(pickle.dumps(value, protocol), slots_max=-1)

    assert pickle.loads(found) == value


@pytest.mark.parametrize(
    "vector",
    [each for each in (*pickles.VECTORS, *torch_files.VECTORS) if not each.rule],
    ids=lambda each: each.name,
)
def test_opcodes_stay(vector: Vector) -> None:
    """Of whatever our own parser passes, all is left but data and slots, names above all."""
    found = thinned(vector.data, slots_max=-1)

    assert [*_opcodes(found)] == [*_opcodes(vector.data)]


def test_few_slots_stay_as_they_are() -> None:
    """A pickle that a scanner can cope with is shown byte by byte, frames included."""
    pickled = pickle.dumps([{"a": 1}, "text"])

    assert thinned(pickled) == pickled


def test_slots_that_are_read_keep_their_numbers() -> None:
    """Numbered in its turn, a slot would be another once those before it are gone."""
    body = b"(" + b"".join(short(text) + b"\x94" for text in "abc") + b"h\x02t"

    assert pickle.loads(thinned(whole(body, 4), slots_max=-1)) == ("a", "b", "c", "c")


def test_what_is_no_pickle_stays() -> None:
    """A scanner is to see what our own parser may have overlooked."""
    broken = whole(b"](" + short("a") + b"\x94\xff", 4)

    assert thinned(broken, slots_max=-1) == broken


def test_data_are_zeros() -> None:
    """Bytes, and texts too long for a name; their length stays."""
    found = pickle.loads(thinned(pickle.dumps([b"random", "n" * 64, "t" * 65])))

    assert found == [bytes(6), "n" * 64, "\0" * 65]


@pytest.mark.slow
def test_a_pickle_of_many_objects_gets_an_answer() -> None:
    """Of a hundred thousand slots the scanner tells that it came to no end, after a minute."""
    source = BytesSource(pickle.dumps([{"id": n, "word": f"word-{n}"} for n in range(40_000)]))
    assert inspect(source, "pickle", {}).effect is Effect.ADVICE

    assert ModelAudit().scan(as_file(source), "pickle").outcome is Outcome.CLEAN
