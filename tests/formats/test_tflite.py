"""TFLite: what the parser tells of a model, and that no bytes surprise it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry.formats.inspect import FORESEEN, Inspection, inspect
from registry.formats.look import Effect
from registry.formats.source import BytesSource
from registry.testing.vectors.tflite import VECTORS, model, subgraph, tensor


def _inspect(data: bytes) -> Inspection:
    return inspect(BytesSource(data), "tflite", {})


def test_facts_tell_what_the_model_is() -> None:
    """Inputs and outputs of the first subgraph, operators, and constant tensors."""
    facts = _inspect(model()).book.facts

    assert facts["signature"] == {
        "inputs": [{"name": "x", "dtype": "FLOAT32", "dims": [1, 4]}],
        "outputs": [{"name": "y", "dtype": "FLOAT32", "dims": [1, 4]}],
    }
    assert facts["operators"] == [{"op_type": "ADD", "count": 1}]
    assert facts["tensors"] == [{"name": "w", "dtype": "FLOAT32", "shape": [4]}]
    assert facts["parameters"] == 4


@given(shape=st.lists(st.integers(0, 5), max_size=4), extra=st.integers(-2, 2))
def test_constants_have_exactly_the_bytes_of_their_shape(shape: list[int], extra: int) -> None:
    """One byte more or fewer is refused; no bytes at all are no constant."""
    expected = 4
    for axis in shape:
        expected *= axis
    length = max(0, expected + extra)
    graph = subgraph((tensor("x", [1]), tensor("w", shape, 1), tensor("y", [1])))

    found = _inspect(model(graphs=[graph], data=bytes(length)))

    assert (found.effect is Effect.ADVICE) == (length in (0, expected))


@given(st.data())
def test_changed_bytes_never_surprise_the_parser(data: st.DataObject) -> None:
    """Whatever is done to a file, there is a verdict."""
    changed = bytearray(data.draw(st.sampled_from(VECTORS)).data)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))

    assert all(note.rule is not FORESEEN for note in _inspect(bytes(changed)).book.notes)
