"""ONNX: models of the onnx library pass; its reader and ours agree on what a file holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.formats.inspect import FORESEEN, Inspection, inspect
from registry.formats.look import Effect
from registry.formats.onnx_schema import DATA_TYPES
from registry.formats.source import BytesSource
from registry.testing.vectors.onnx import (
    FLOAT,
    VECTORS,
    external,
    field,
    graph,
    model,
    node,
    tensor,
    with_tensor,
)


def _inspect(data: bytes, **files: int) -> Inspection:
    return inspect(BytesSource(data), "onnx", files)


def _rules(found: Inspection) -> set[str]:
    return {note.rule.id for note in found.book.notes}


def test_facts_tell_what_the_model_is() -> None:
    """Inputs without initializers, operators of all graphs, and how much there is to learn."""
    weights = tensor(FLOAT, [2, 3], field(9, bytes(24)))
    data = model(
        graph(field(1, node("Relu")), field(1, node("Relu")), field(5, weights)),
        field(2, "maker"),
        field(3, "1.2"),
    )

    facts = _inspect(data).book.facts

    value = {"dtype": "FLOAT", "dims": ["batch", 4]}
    assert facts["signature"] == {
        "inputs": [{"name": "x", **value}],
        "outputs": [{"name": "y", **value}],
    }
    assert facts["operators"] == [{"domain": "", "op_type": "Relu", "count": 2}]
    assert facts["tensors"] == [{"name": "w", "dtype": "FLOAT", "shape": [2, 3]}]
    assert (facts["parameters"], facts["opsets"], facts["ir_version"]) == (6, {"": 20}, 9)
    assert facts["producer"] == "maker 1.2"


def test_ranges_of_external_data_are_merged_by_file() -> None:
    """Padding between tensors is no gap; what no tensor uses is left out."""
    offsets = (0, 4096, 1_000_000)
    tensors = [
        tensor(FLOAT, [4], external(location="w.bin", offset=str(offset))) for offset in offsets
    ]

    found = inspect(BytesSource(with_tensor(*tensors)), "onnx", {"a/w.bin": 1_000_016})

    assert found.effect is Effect.ADVICE
    assert found.book.facts["external_data"] == [
        {"location": "w.bin", "offset": 0, "length": 4112},
        {"location": "w.bin", "offset": 1_000_000, "length": 16},
    ]


@given(
    dtype=st.sampled_from(sorted(number for number in DATA_TYPES if DATA_TYPES[number].bits)),
    dims=st.lists(st.integers(0, 5), max_size=4),
    extra=st.integers(-2, 2),
)
def test_raw_data_has_exactly_the_bytes_of_its_elements(
    dtype: int, dims: list[int], extra: int
) -> None:
    """One byte more or fewer is refused, whatever the type."""
    elements = 1
    for axis in dims:
        elements *= axis
    expected = (elements * DATA_TYPES[dtype].bits + 7) // 8
    length = max(0, expected + extra)

    found = _inspect(with_tensor(tensor(dtype, dims, field(9, bytes(length)))))

    assert (found.effect is Effect.ADVICE) == (length == expected)


@given(
    location=st.text(max_size=12), parent=st.sampled_from(["", "../", "/", "a/../", "..\\", "C:"])
)
def test_no_location_leaves_the_folder(location: str, parent: str) -> None:
    """A location that passes is one that plain path rules keep inside."""
    path = parent + location
    data = with_tensor(tensor(FLOAT, [1], external(location=path)))

    found = inspect(BytesSource(data), "onnx", {path: 4, path.removeprefix("./"): 4})

    inside = not path.startswith("/") and ".." not in path.split("/") and "\\" not in path
    assert found.effect is Effect.FAIL or (inside and ":" not in path)


@given(st.data())
def test_changed_bytes_never_surprise_the_parser(data: st.DataObject) -> None:
    """Whatever is done to a file, there is a verdict."""
    original = data.draw(st.sampled_from(VECTORS)).data
    changed = bytearray(original)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))

    assert FORESEEN.id not in _rules(_inspect(bytes(changed)))


@pytest.mark.slow
def test_many_packed_numbers_are_counted_without_being_kept() -> None:
    """Numbers that cross the pieces in which a file is read are counted once."""
    numbers = b"\xff\xff\x03" * 2_000_000
    assert not _rules(_inspect(with_tensor(tensor(7, [2_000_000], field(7, numbers)))))
    assert _rules(_inspect(with_tensor(tensor(7, [2_000_001], field(7, numbers))))) == {"ONNX-7"}
    endless = numbers + b"\xff"
    assert _rules(_inspect(with_tensor(tensor(7, [2_000_000], field(7, endless))))) == {"ONNX-1"}


def test_models_of_the_library_pass() -> None:
    """Each data type, as the onnx library writes it, in typed fields and in raw bytes."""
    helper = pytest.importorskip("onnx.helper")
    numpy_helper = pytest.importorskip("onnx.numpy_helper")
    numpy = pytest.importorskip("numpy")
    for dtype, known in DATA_TYPES.items():
        dims = [3, 5]
        ones = numpy.ones(dims, dtype=helper.tensor_dtype_to_np_dtype(dtype))
        made = []
        # The library can't write this one into typed fields.
        if known.name != "FLOAT8E8M0":
            made.append(
                helper.make_tensor("w", dtype, dims, ["a"] * 15 if not known.bits else ones)
            )
        if known.bits:
            made.append(numpy_helper.from_array(ones, "w"))
        for each in made:
            node_proto = helper.make_node("Identity", ["w"], ["y"])
            output = helper.make_tensor_value_info("y", dtype, dims)
            whole = helper.make_model(helper.make_graph([node_proto], "g", [], [output], [each]))
            found = _inspect(whole.SerializeToString())
            assert found.effect is Effect.ADVICE, (known, found.book.notes)
            assert found.book.facts["tensors"] == [
                {"name": "w", "dtype": known.name, "shape": dims}
            ]
