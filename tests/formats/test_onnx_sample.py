"""ONNX test data: what the onnx library writes passes, as whichever message it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.file_formats import format_of, role_of
from registry.formats.inspect import FORESEEN, Inspection, inspect
from registry.formats.look import Effect
from registry.formats.source import PIECE_BYTES, BytesSource
from registry.testing.vectors import Vector, tensorflow
from registry.testing.vectors.onnx import FLOAT, INT64, STRING, external, field, tensor
from registry.testing.vectors.onnx_samples import (
    OPTIONAL,
    SEQUENCE,
    TENSOR,
    VECTORS,
    holder,
    map_of,
)

_AWAY = tensor(FLOAT, [1], external(location="w.bin"))


def _inspect(data: bytes) -> Inspection:
    return inspect(BytesSource(data), "onnx-sample", {"w.bin": 4})


def _rules(found: Inspection) -> set[str]:
    return {note.rule.id for note in found.book.notes}


def _tensors(size: int = 4) -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda dims, name: tensor(
            FLOAT, dims, field(9, bytes(size * _product(dims))), name=name or "w"
        ),
        st.lists(st.integers(1, 5), max_size=3),
        st.text(st.characters(categories=["L", "N"]), max_size=5),
    )


def _product(dims: list[int]) -> int:
    found = 1
    for axis in dims:
        found *= axis
    return found


def _holders(leaf: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Sequences that hold tensors, and what holds such sequences."""
    names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=5)
    ones = st.builds(lambda name, each: holder(TENSOR, *each, name=name), names, _some(leaf))

    def around(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
        return st.one_of(
            st.builds(lambda name, each: holder(SEQUENCE, *each, name=name), names, _some(inner)),
            st.builds(
                lambda name, each: holder(OPTIONAL, holder(SEQUENCE, each), name=name), names, inner
            ),
        )

    return st.recursive(ones, around, max_leaves=4)


def _some(each: st.SearchStrategy[bytes]) -> st.SearchStrategy[list[bytes]]:
    return st.lists(each, min_size=1, max_size=3)


@given(st.one_of(_tensors(), _holders(_tensors())))
def test_values_pass_however_they_are_nested(data: bytes) -> None:
    found = _inspect(data)

    assert found.effect is Effect.ADVICE, found.book.notes


@given(st.one_of(_tensors(5), _holders(_tensors(5)), st.just(_AWAY), _holders(st.just(_AWAY))))
def test_a_tensor_is_checked_wherever_it_is(data: bytes) -> None:
    """Of another size than it says, or with data elsewhere."""
    assert _inspect(data).effect is Effect.FAIL


@given(st.data())
def test_changed_bytes_never_surprise_the_parser(data: st.DataObject) -> None:
    """Whatever is done to a file, there is a verdict."""
    changed = bytearray(data.draw(st.sampled_from(VECTORS)).data)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))

    assert FORESEEN.id not in _rules(_inspect(bytes(changed)))


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (
            tensor(FLOAT, [2, 0], name="a"),
            {"name": "a", "dtype": "FLOAT", "shape": [2, 0]},
        ),
        (
            holder(TENSOR, *2 * [tensor(STRING, [0])], name="s"),
            {"name": "s", "dtype": "seq(STRING)", "shape": None},
        ),
        (
            holder(TENSOR, tensor(STRING, [0]), tensor(FLOAT, [0]), name="s"),
            {"name": "s", "dtype": "seq(mixed)", "shape": None},
        ),
        (
            holder(SEQUENCE, holder(TENSOR, tensor(STRING, [0])), name="s"),
            {"name": "s", "dtype": "seq(seq(STRING)) or optional(seq(STRING))", "shape": None},
        ),
        (field(2, 0), {"name": "", "dtype": "optional()", "shape": None}),
        (
            map_of(INT64, field(3, 7), tensor(FLOAT, [0])),
            {"name": "m", "dtype": "map(INT64, FLOAT)", "shape": None},
        ),
    ],
)
def test_facts_tell_what_the_value_is(data: bytes, value: object) -> None:
    """One of many tensors is no tensor of the model's."""
    facts = _inspect(data).book.facts

    assert facts == {"value": value}


@pytest.mark.slow
def test_what_another_message_has_elsewhere_is_found_across_pieces() -> None:
    """Texts of one message are values of another. Wherever a piece ends in the entry or beside."""
    for moved in range(40):
        first = field(6, bytes(PIECE_BYTES - moved))
        data = tensor(STRING, [2], first, field(6, external(location="w.bin")))
        at = data.index(b"\x0a\x08location")
        (note,) = _inspect(data).book.notes
        assert (note.rule.id, note.offset) == ("ONNX-15", at), moved
    assert at + 10 < PIECE_BYTES


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("test_data_set_0/input_0.pb", "onnx-sample"),
        ("a/Output_12.PB", "onnx-sample"),
        ("output_1.onnx", "onnx"),
        ("output_.pb", "tensorflow-graph"),
        ("my_output_0.pb", "tensorflow-graph"),
        ("input_0.pb.pb", "tensorflow-graph"),
        ("input_0/frozen.pb", "tensorflow-graph"),
        ("input_\u0661.pb", "tensorflow-graph"),
    ],
)
def test_the_whole_name_says_that_it_is_test_data(path: str, role: str) -> None:
    assert (role_of(path), format_of(path)) == (role, role)


@pytest.mark.parametrize(
    "vector",
    [each for each in tensorflow.VECTORS if each.path.endswith(".pb")],
    ids=lambda each: f"{each.path}-{each.name}",
)
def test_no_message_of_tensorflow_passes(vector: Vector) -> None:
    """Sound or not: a graph is no value, and who reads graphs does not mind the name."""
    assert _inspect(vector.data).effect is Effect.FAIL


@pytest.mark.slow
def test_values_of_the_library_pass() -> None:
    """As numpy_helper writes them."""
    numpy = pytest.importorskip("numpy")
    helper = pytest.importorskip("onnx.numpy_helper")
    ones = numpy.ones((3, 29), "f4")
    texts = numpy.array(["a", "b"], object)
    for value in (
        *(helper.from_array(each, "x") for each in (ones, ones.T, texts, numpy.float16(1))),
        *(helper.from_list(each, "x") for each in ([], [ones], [ones, texts], [[ones], []])),
        *(helper.from_optional(each, "x") for each in (None, ones, [ones], {1: ones})),
        helper.from_dict({1: ones, 2: ones}, "x"),
    ):
        found = _inspect(value.SerializeToString())
        assert found.effect is Effect.ADVICE, (value, found.book.notes)


@pytest.mark.slow
def test_data_of_the_library_s_own_tests_passes() -> None:
    """All that it brings under these names."""
    onnx = pytest.importorskip("onnx")
    folder = Path(onnx.__file__).parent / "backend" / "test" / "data"
    paths = [path for path in folder.rglob("*.pb") if role_of(path.name) == "onnx-sample"]

    assert len(paths) > 300
    for path in paths:
        found = _inspect(path.read_bytes())
        assert found.effect is Effect.ADVICE, (path, found.book.notes)
