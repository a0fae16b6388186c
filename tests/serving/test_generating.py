"""A config.pbtxt where there is none, and what differs from it where there is one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.domain.readiness import Signature, TensorInfo, Weight
from registry.serving.config_completing import completed
from registry.serving.config_rules import check
from registry.serving.config_values import TRITON_TYPES
from registry.serving.generating import difference, generate
from registry.serving.pbtxt import empty, parse
from registry.serving.repository import Place, places


@dataclass(frozen=True)
class Release:
    name: str = "25.10"
    server: str = "2.62.0"
    tensorrt: str = "10.13.3.9"


RELEASE = Release()
TOKENS = TensorInfo(name="tokens", dtype="INT64", dims=("batch", "length"))
SCORES = TensorInfo(name="scores", dtype="FLOAT", dims=(None, 2))
SIGNATURE = Signature(inputs=(TOKENS,), outputs=(SCORES,))


def flat(file: str = "model.onnx", *others: str) -> Place:
    (place,), _ = places(dict.fromkeys((file, *others), 1), "scorer")
    return place


def test_the_text_says_why() -> None:
    assert generate("scorer", SIGNATURE, RELEASE) == (
        """\
# For Triton 25.10, from the model's own inputs and outputs.
name: "scorer"
backend: "onnxruntime"
# The first axis of every input and output is free: requests may share a run.
# 4 is what Triton takes by itself; measure before raising it.
max_batch_size: 4
input {
  name: "tokens"
  data_type: TYPE_INT64
  # Of any length: 'length'.
  dims: [ -1 ]
}
output {
  name: "scores"
  data_type: TYPE_FP32
  dims: [ 2 ]
}
# Requests that wait at the same time run as one batch. None waits for more to come:
# where latency may grow for throughput, set max_queue_delay_microseconds.
dynamic_batching { }
"""
    )


def test_without_a_free_first_axis_there_are_no_batches() -> None:
    fixed = TensorInfo(name="image", dtype="FLOAT", dims=(1, 3))
    text = generate("scorer", Signature(inputs=(TOKENS, fixed), outputs=(SCORES,)), RELEASE)
    message = parse(text.encode()).message
    assert "# No batches, as 'image' takes none: its first axis is 1." in text
    assert message.max_batch_size == 0
    assert not message.HasField("dynamic_batching")
    assert list(message.input[0].dims) == [-1, -1]


def test_a_value_for_each_of_the_batch_is_reshaped() -> None:
    signature = Signature(
        inputs=(TOKENS,), outputs=(TensorInfo(name="label", dtype="INT64", dims=("n",)),)
    )
    message = parse(generate("scorer", signature, RELEASE).encode()).message
    assert list(message.output[0].dims) == [1]
    assert message.output[0].HasField("reshape")


def test_another_file_name_is_said() -> None:
    text = generate("scorer", SIGNATURE, RELEASE, filename="net.onnx")
    assert parse(text.encode()).message.default_model_filename == "net.onnx"
    assert list(check(parse(text.encode()), SIGNATURE, flat("net.onnx"), RELEASE, known)) == []


def test_names_do_not_break_out_of_their_quotes() -> None:
    hostile = 'a" }\noutput { name: "b'
    signature = Signature(
        inputs=(TensorInfo(name=hostile, dtype="FLOAT", dims=(None, hostile), is_optional=True),),
        outputs=(TensorInfo(name=hostile, dtype="FLOAT", dims=(None, hostile)),),
    )
    message = parse(generate(hostile, signature, RELEASE).encode()).message
    assert (message.name, message.output[0].name, len(message.output)) == (hostile, hostile, 1)
    assert len(message.input) == 0


def known(_message: str, _field: str, _server: str) -> bool:
    return True


_DIMS = st.lists(st.sampled_from(["n", None, 1, 3]), max_size=4).map(tuple)
_TENSORS = st.lists(
    st.tuples(st.sampled_from(sorted(TRITON_TYPES)), _DIMS, st.booleans()), min_size=1, max_size=3
)


@st.composite
def signatures(draw: st.DrawFn) -> Signature:
    inputs = [
        TensorInfo(name=f"i{index}", dtype=dtype, dims=dims, is_optional=is_optional)
        for index, (dtype, dims, is_optional) in enumerate(draw(_TENSORS))
    ]
    outputs = [
        TensorInfo(name=f"o{index}", dtype=dtype, dims=dims)
        for index, (dtype, dims, _) in enumerate(draw(_TENSORS))
    ]
    return Signature(inputs=tuple(inputs), outputs=tuple(outputs))


@given(signatures())
def test_what_is_generated_is_what_triton_fills_in(signature: Signature) -> None:
    """And the rules find nothing that keeps it from being served."""
    place = flat()
    config = parse(generate("scorer", signature, RELEASE).encode())
    filled = completed(empty("scorer").message, place, signature)
    assert completed(config.message, place, signature) == filled
    points = list(check(config, signature, place, RELEASE, known))
    assert [each for each in points if each.weight is not Weight.REMARK] == []


@given(signatures())
def test_the_same_meaning_is_no_difference(signature: Signature) -> None:
    generated = generate("scorer", signature, RELEASE)
    for own in (parse(generated.encode()), empty("scorer"), empty("")):
        assert difference(own, generated, flat(), signature) == ""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("max_batch_size: 16", "+max_batch_size: 16"),
        ("max_batch_size: 16", "-max_batch_size: 4"),
        ("instance_group { count: 2 }", "+  count: 2"),
        ('output { name: "scores" data_type: TYPE_FP16 dims: 2 }', "+  data_type: TYPE_FP16"),
    ],
)
def test_a_difference_is_told_by_line(text: str, line: str) -> None:
    generated = generate("scorer", SIGNATURE, RELEASE)
    told = difference(parse(text.encode()), generated, flat(), SIGNATURE)
    assert told.startswith("--- generated\n+++ config.pbtxt\n@@")
    assert line in told.splitlines()


def test_order_and_style_are_no_difference() -> None:
    own = """output [ { dims: 2 data_type: 11, name: "sco" 'res' } ] max_batch_size: 0x4
    platform: "onnxruntime_onnx" dynamic_batching <> input { name: "tokens" dims: -1
    data_type: TYPE_INT64 }"""
    generated = generate("scorer", SIGNATURE, RELEASE)
    assert difference(parse(own.encode()), generated, flat(), SIGNATURE) == ""
