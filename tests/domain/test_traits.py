"""Traits: short words of long facts."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from registry.domain.traits import (
    KINDS,
    PARAMETERS_MAX,
    TRAITS_MAX,
    VALUE_CHARS_MAX,
    parameters_of,
    traits_of,
)

ONNX = {
    "ir_version": 10,
    "producer": "pytorch 2.9",
    "opsets": {"": 17, "com.microsoft": 1},
    "operators": [
        {"domain": "", "op_type": "Conv", "count": 3},
        {"domain": "com.microsoft", "op_type": "MatMulNBits", "count": 1},
    ],
    "signature": {
        "inputs": [{"name": "Ids", "dtype": "INT64", "dims": ["n"]}],
        "outputs": [{"name": "logits", "dtype": "FLOAT", "dims": []}],
    },
    "tensors": [{"name": "w", "dtype": "FLOAT", "shape": [2, 3]}],
    "parameters": 6,
}
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "quantization_config": {"quant_method": "awq"},
    "auto_map": {"AutoModel": "modeling.Model"},
    "base_model": "acme/base",
    "chat_templates": {"default": "{{ messages }}"},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each),
    max_leaves=8,
)
NAMES = (*ONNX, *CONFIG, "license", "classes", "globals", "code_present", "tokenizer")


def test_of_a_model() -> None:
    """Each kind, in lower case."""
    assert traits_of("onnx", ONNX) == (
        ("dtype", "float"),
        ("format", "onnx"),
        ("input", "ids"),
        ("ir", "10"),
        ("operator", "com.microsoft:matmulnbits"),
        ("operator", "conv"),
        ("opset", "17"),
        ("opset", "com.microsoft:1"),
        ("output", "logits"),
        ("producer", "pytorch 2.9"),
    )


def test_of_a_configuration() -> None:
    assert traits_of("json", CONFIG) == (
        ("architecture", "llama"),
        ("architecture", "llamaforcausallm"),
        ("base-model", "acme/base"),
        ("code", "yes"),
        ("format", "json"),
        ("quantization", "awq"),
        ("template", "yes"),
    )


def test_what_is_too_long_is_left_out() -> None:
    facts = {"classes": ["x" * (VALUE_CHARS_MAX + 1), "a\nb", *map(str, range(TRAITS_MAX + 9))]}
    found = traits_of("", facts)
    assert len(found) == TRAITS_MAX
    assert all(value.isdigit() for _, value in found)


def test_parameters_are_counted() -> None:
    """As a parser says, else by shapes; a number that no database adds up is cut."""
    tensors = [{"shape": [2, 3]}, {"shape": []}, {"shape": [0, 9]}, {"dtype": "F32"}]
    assert parameters_of({"tensors": tensors}) == 7
    assert parameters_of({"tensors": tensors, "parameters": 5}) == 5
    assert parameters_of({"tensors": [{"shape": [2**40, 2**40]}]}) == PARAMETERS_MAX
    assert parameters_of({"config": {}}) is None


@given(st.text(max_size=9), st.dictionaries(st.sampled_from(NAMES), JSON))
def test_no_facts_break_it(format: str, facts: dict[str, Any]) -> None:
    """They are what a process says that has read hostile bytes."""
    for kind, value in traits_of(format, facts):
        assert kind in KINDS
        assert len(value) > 0
    found = parameters_of(facts)
    assert found is None or 0 <= found <= PARAMETERS_MAX
