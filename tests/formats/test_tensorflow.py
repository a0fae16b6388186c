"""TensorFlow: what the parser tells of a model, and laws of what a saver may do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from registry.formats.inspect import FORESEEN, Inspection, inspect
from registry.formats.look import Effect
from registry.formats.source import BytesSource
from registry.formats.tensorflow_computing import COMPUTING
from registry.formats.tensorflow_operators import HOST, SAVER, verdict
from registry.testing.vectors.tensorflow import (
    VECTORS,
    graph,
    meta_graph,
    node,
    saved_model,
    saver,
    signature,
)


def _inspect(data: bytes, role: str = "tensorflow") -> Inspection:
    return inspect(BytesSource(data), role, {})


def test_facts_tell_what_the_model_is() -> None:
    """Signatures, operators and who made it."""
    nodes = [node("x", "Placeholder"), node("y", "Relu", ["x"])]
    facts = _inspect(saved_model(meta_graph(graph(nodes), signature("y:0")))).book.facts

    assert facts["operators"] == [
        {"op_type": "Placeholder", "count": 1},
        {"op_type": "Relu", "count": 1},
    ]
    assert facts["signatures"] == {
        "serving_default": {"inputs": [], "outputs": [{"name": "y", "dims": None}]}
    }
    assert (facts["producer"], facts["tags"]) == ("tensorflow 2.21.0", ["serve"])


def test_no_operator_is_on_two_lists() -> None:
    """What computes does not reach files, and savers' operators do."""
    assert not COMPUTING & HOST
    assert SAVER <= HOST
    for operator in ("ReadFile", "WriteFile", "PyFunc", "SaveV2", "no such operator", ""):
        found = verdict(operator)
        assert found is not None
        assert found.effect is Effect.FAIL


@given(
    st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=8, max_size=8),
    st.integers(0, 8),
)
def test_no_output_depends_on_a_saver(edges: list[tuple[int, bool]], output: int) -> None:
    """Whatever the way through the graph: what a signature computes is not what a saver did."""
    nodes = [node("filename", "Placeholder"), node("n0", "RestoreV2", ["filename"])]
    behind = {0}
    for number, (source, is_control) in enumerate(edges, start=1):
        earlier = source % number
        nodes.append(node(f"n{number}", "Identity", [f"{'^' * is_control}n{earlier}"]))
        if earlier in behind:
            behind.add(number)
    # Beside the saver.
    nodes.append(node("free", "Identity", ["filename"]))
    parts = (saver("n0"), signature(f"n{output}:0" if output else "free"))

    found = _inspect(saved_model(meta_graph(graph(nodes), *parts)))

    assert (found.effect is Effect.FAIL) == (output in behind and output > 0)


@given(st.data())
def test_changed_bytes_never_surprise_the_parser(data: st.DataObject) -> None:
    """Whatever is done to a file, there is a verdict."""
    changed = bytearray(data.draw(st.sampled_from(VECTORS)).data)
    for _ in range(data.draw(st.integers(1, 3))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))

    for role in ("tensorflow", "tensorflow-graph"):
        assert all(note.rule is not FORESEEN for note in _inspect(bytes(changed), role).book.notes)
