"""Models with inputs and the outputs that belong to them: test cases that the onnx package carries.

Fifty with tensors alone, which the ONNX Runtime of release 24.10 reads: many ranks, types, several
inputs and outputs, none of it made by us.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.backend.test
from numpy.typing import NDArray
from onnx import TensorProto, ValueInfoProto, numpy_helper

from registry.testing.triton import TritonServer

_DATA = Path(onnx.backend.test.__file__).parent / "data"
#: What the package itself compares with.
RELATIVE, ABSOLUTE = 1e-3, 1e-7

BACKEND_MODELS: tuple[str, ...] = (
    "pytorch-converted/test_ConstantPad2d",
    "pytorch-converted/test_Conv1d_dilated",
    "pytorch-converted/test_Conv2d_depthwise",
    "pytorch-converted/test_Conv2d_padding",
    "pytorch-converted/test_Conv3d_groups",
    "pytorch-converted/test_Conv3d_no_bias",
    "pytorch-converted/test_ConvTranspose2d",
    "pytorch-converted/test_ELU",
    "pytorch-converted/test_Embedding",
    "pytorch-converted/test_Embedding_sparse",
    "pytorch-converted/test_LeakyReLU",
    "pytorch-converted/test_LogSoftmax",
    "pytorch-converted/test_MaxPool1d_stride_padding_dilation",
    "pytorch-converted/test_MaxPool2d",
    "pytorch-converted/test_MaxPool3d",
    "pytorch-converted/test_PixelShuffle",
    "pytorch-converted/test_ReflectionPad2d",
    "pytorch-converted/test_ReplicationPad2d",
    "pytorch-converted/test_SELU",
    "pytorch-converted/test_Sigmoid",
    "pytorch-converted/test_Softmax",
    "pytorch-converted/test_Softplus",
    "pytorch-converted/test_Tanh",
    "pytorch-converted/test_ZeroPad2d",
    "pytorch-converted/test_softmax_lastdim",
    "pytorch-operator/test_operator_chunk",
    "pytorch-operator/test_operator_clip",
    "pytorch-operator/test_operator_concat2",
    "pytorch-operator/test_operator_convtranspose",
    "pytorch-operator/test_operator_flatten",
    "pytorch-operator/test_operator_max",
    "pytorch-operator/test_operator_permute2",
    "pytorch-operator/test_operator_reduced_mean_keepdim",
    "pytorch-operator/test_operator_reduced_sum",
    "pytorch-operator/test_operator_repeat",
    "pytorch-operator/test_operator_symbolic_override",
    "simple/test_expand_shape_model1",
    "simple/test_expand_shape_model2",
    "simple/test_expand_shape_model4",
    "simple/test_sequence_model1",
    "simple/test_sequence_model2",
    "simple/test_sequence_model4",
    "simple/test_sequence_model5",
    "simple/test_sequence_model6",
    "simple/test_sequence_model7",
    "simple/test_sequence_model8",
    "simple/test_shrink",
    "simple/test_sign_model",
    "simple/test_single_relu_model",
    "simple/test_strnorm_model_nostopwords_nochangecase",
)


@dataclass(frozen=True, kw_only=True)
class Case:
    model: bytes
    inputs: dict[str, NDArray[Any]]
    outputs: dict[str, NDArray[Any]]


def read_case(path: str) -> Case:
    """One of the list. Strings are objects of bytes."""
    folder = _DATA / path
    content = (folder / "model.onnx").read_bytes()
    graph = onnx.load_model_from_string(content).graph
    weights = {each.name for each in graph.initializer}
    fed = [each for each in graph.input if each.name not in weights]
    return Case(
        model=content,
        inputs=_tensors(folder / "test_data_set_0", "input", fed),
        outputs=_tensors(folder / "test_data_set_0", "output", graph.output),
    )


def _tensors(folder: Path, way: str, said: Sequence[ValueInfoProto]) -> dict[str, NDArray[Any]]:
    found = {}
    for number, each in enumerate(said):
        tensor = TensorProto.FromString((folder / f"{way}_{number}.pb").read_bytes())
        value = np.asarray(numpy_helper.to_array(tensor))
        if tensor.data_type == TensorProto.STRING:
            texts = [text.encode() if isinstance(text, str) else text for text in value.flat]
            value = np.array(texts, object).reshape(value.shape)
        found[each.name] = value
    return found


def name_of(path: str) -> str:
    """Of one of the list, as a model in Triton."""
    return path.replace("/", "_")


def check_answer(server: TritonServer, name: str, case: Case) -> None:
    """A server answers the case's inputs with its outputs; AssertionError where it does not."""
    found = server.infer(name, case.inputs)
    assert found.keys() == case.outputs.keys()
    for output, expected in case.outputs.items():
        assert found[output].dtype == expected.dtype
        if expected.dtype == np.object_:
            assert found[output].tolist() == expected.tolist()
            continue
        np.testing.assert_allclose(
            found[output].reshape(expected.shape), expected, RELATIVE, ABSOLUTE, err_msg=name
        )
