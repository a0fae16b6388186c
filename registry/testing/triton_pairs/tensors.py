"""Inputs and outputs: names, types, shapes, against the model's own."""

from __future__ import annotations

from onnx import TensorProto, helper

from registry.testing.triton_pairs import Pair, single
from registry.testing.triton_pairs.making import X, Y, config, copies, graph, node, relu, tensor

_INPUTS = "src/onnxruntime.cc ModelInstanceState::ValidateInputs"
_OUTPUTS = "src/onnxruntime.cc ModelInstanceState::ValidateOutputs"
_DIMS = "src/onnxruntime_utils.cc CompareDimsSupported"
_INFOS = "src/onnxruntime_utils.cc InputOutputInitializerInfos"
_BATCH = "src/onnxruntime.cc ModelState::AutoCompleteMaxBatch"
_Z = 'input [{ name: "z" data_type: TYPE_FP32 dims: [ 4 ] }]'
_ADD = graph(
    [node("Add", "x z", "y")],
    [tensor("x", ("n", 4)), tensor("z", ("n", 4))],
    [tensor("y", ("n", 4))],
)
_TWO_OUTPUTS = graph(
    [node("Relu", "x", "y"), node("Abs", "x", "z")],
    [tensor("x", ("n", 4))],
    [tensor("y", ("n", 4)), tensor("z", ("n", 4))],
)
_WEIGHT = helper.make_tensor("z", TensorProto.FLOAT, (1, 4), [1.0, 2.0, 3.0, 4.0])
#: z has a value in the model that a request may replace.
_OVERRIDABLE = graph(
    [node("Add", "x z", "y")],
    [tensor("x", ("n", 4)), tensor("z", (1, 4))],
    [tensor("y", ("n", 4))],
    weights=[_WEIGHT],
)
_SCALAR = graph([node("Relu", "x", "y")], [tensor("x", ())], [tensor("y", ())])
#: How many axes y has is said by a request.
_ANY_RANK = graph(
    [node("Reshape", "x shape", "y")],
    [tensor("x", (1,)), tensor("shape", ("k",), TensorProto.INT64)],
    [tensor("y", None)],
)
_ANY = 'input [{ name: "shape" data_type: TYPE_INT64 dims: [ -1 ] }]'
_SEQUENCE = graph(
    [node("SequenceConstruct", "x", "y")],
    [tensor("x", ("n", 4))],
    [helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)],
)


def _x(dims: str, more: str = "", dtype: str = "TYPE_FP32") -> str:
    return f'input [{{ name: "x" data_type: {dtype} dims: [ {dims} ] {more} }}]'


def _y(dims: str, more: str = "", dtype: str = "TYPE_FP32") -> str:
    return f'output [{{ name: "y" data_type: {dtype} dims: [ {dims} ] {more} }}]'


def _batch_input(
    kind: str = "BATCH_ELEMENT_COUNT", dtype: str = "TYPE_FP32", source: str = "x"
) -> str:
    what = f'kind: {kind} target_name: "z" data_type: {dtype} source_input: "{source}"'
    return f"batch_input [{{ {what} }}]"


def _typed(name: str, config_type: str, dtype: int, backend: str = "") -> Pair:
    """A model that copies x of a type, told by this name of it."""
    x = _x("4", dtype=config_type)
    y = _y("4", dtype=config_type).replace('"y"', '"x_out"')
    model = copies(x=(dtype, ("n", 4)))
    source = _INPUTS if backend else ""
    return single(name, config(x=x, y=y), model, backend=backend, source=source)


_NAMES = (
    single(
        "input_other_name",
        config(x=_Z),
        relu(),
        backend="unexpected inference input 'z', allowed inputs are: x",
        source=_INPUTS,
    ),
    single(
        "output_other_name",
        config(y=Y.replace('"y"', '"out"')),
        relu(),
        backend="unexpected inference output 'out', allowed outputs are: y",
        source=_OUTPUTS,
    ),
    single(
        "input_missing",
        config(),
        _ADD,
        backend="configuration expects 1 inputs, model provides 2",
        source=_INPUTS,
    ),
    single(
        "input_too_many",
        config(_Z),
        relu(),
        backend="configuration expects 2 inputs, model provides 1",
        source=_INPUTS,
    ),
    single("input_two", config(_Z), _ADD),
    single("input_twice", config(X), _ADD, fails_in_use=True),
    single(
        "input_without_name",
        config(x=X.replace('name: "x"', "")),
        relu(),
        core="model input must specify 'name'",
    ),
    single("output_twice", config(Y), relu()),
    single("output_left_out", config(), _TWO_OUTPUTS),
    single("input_completed", config(x=""), relu()),
    single("output_completed", config(y=""), relu()),
    single(
        "output_completed_input_wrong",
        config(y="", x=_Z),
        relu(),
        backend="unexpected inference input 'z'",
        source=_INPUTS,
    ),
)
_TYPES = (
    _typed("type_bool", "TYPE_BOOL", TensorProto.BOOL),
    _typed("type_fp16", "TYPE_FP16", TensorProto.FLOAT16),
    _typed("type_fp64", "TYPE_FP64", TensorProto.DOUBLE),
    _typed("type_uint8", "TYPE_UINT8", TensorProto.UINT8),
    _typed("type_int64", "TYPE_INT64", TensorProto.INT64),
    _typed("type_string", "TYPE_STRING", TensorProto.STRING),
    _typed(
        "type_bf16",
        "TYPE_BF16",
        TensorProto.BFLOAT16,
        backend="unsupported datatype TYPE_BF16 for input 'x'",
    ),
    _typed(
        "type_other",
        "TYPE_FP32",
        TensorProto.INT64,
        backend="configuration expects datatype TYPE_FP32 for input 'x', model provides TYPE_INT64",
    ),
    _typed(
        "type_string_for_number",
        "TYPE_STRING",
        TensorProto.FLOAT,
        backend="expects datatype TYPE_STRING for input 'x', model provides TYPE_FP32",
    ),
    single(
        "type_output_other",
        config(y=_y("4", dtype="TYPE_FP16")),
        relu(),
        backend="configuration expects datatype TYPE_FP16 for output 'y', model provides TYPE_FP32",
        source=_OUTPUTS,
    ),
    single(
        "type_left_out",
        config(x='input [{ name: "x" dims: [ 4 ] }]'),
        relu(),
        core="model input 'x' must specify 'data_type'",
    ),
    single(
        "type_sequence",
        config(),
        _SEQUENCE,
        backend="Unsupported ONNX Type 'ONNX_TYPE_SEQUENCE' for I/O 'y'",
        source=_INFOS,
    ),
    single(
        "type_sequence_without_config",
        None,
        _SEQUENCE,
        backend="Unsupported ONNX Type 'ONNX_TYPE_SEQUENCE' for I/O 'y'",
        source=_INFOS,
    ),
    single(
        "type_bf16_without_config",
        None,
        copies(x=(TensorProto.BFLOAT16, ("n", 4))),
        core="model input 'x' must specify 'data_type'",
    ),
)


def _differ(name: str, text: str, model: bytes, batch: str = "") -> Pair:
    pattern = batch or "the model expects .* dimensions .* but the model configuration specifies"
    return single(name, text, model, backend=pattern, source=_DIMS)


_SHAPES = (
    single("dims_unbatched", config(batch=0, x=_x("-1, 4"), y=_y("-1, 4")), relu()),
    single("dims_input_narrower", config(batch=0, x=_x("2, 4"), y=_y("-1, 4")), relu()),
    _differ("dims_output_narrower", config(batch=0, x=_x("2, 4"), y=_y("2, 4")), relu()),
    _differ("dims_input_wider", config(x=_x("-1")), relu()),
    _differ("dims_output_wider", config(y=_y("-1")), relu()),
    _differ("dims_other", config(x=_x("5")), relu()),
    _differ("dims_output_other", config(y=_y("5")), relu()),
    _differ("dims_with_the_batch", config(x=_x("-1, 4"), y=_y("-1, 4")), relu()),
    _differ("dims_without_the_batch", config(batch=0), relu()),
    _differ("dims_rank", config(x=_x("4, 1")), relu()),
    _differ(
        "dims_batch_is_fixed",
        config(),
        relu((1, 4)),
        "first dimension must be -1; but shape expected by the model is \\[1,4\\]",
    ),
    single("dims_fixed_unbatched", config(batch=0, x=_x("1, 4"), y=_y("1, 4")), relu((1, 4))),
    single(
        "dims_batch_is_fixed_completed",
        "max_batch_size: 8",
        relu((1, 4)),
        backend="model does not support batching while non-zero max_batch_size is specified",
        source=_BATCH,
    ),
    single("dims_fixed_without_config", None, relu((1, 4))),
    single(
        "dims_left_out",
        config(x='input [{ name: "x" data_type: TYPE_FP32 }]'),
        relu(),
        core="model input 'x' must specify 'dims'",
    ),
    single(
        "dims_zero",
        config(x=_x("0")),
        relu(),
        core="dimension must be integer >= 1, or -1",
    ),
    single(
        "dims_minus_two",
        config(x=_x("-2")),
        relu(),
        core="dimension must be integer >= 1, or -1",
    ),
    single("scalar_unbatched", config(batch=0, x=_x("1"), y=_y("1")), _SCALAR),
    single("scalar_without_config", None, _SCALAR),
    single(
        "scalar_with_two",
        config(batch=0, x=_x("2"), y=_y("1")),
        _SCALAR,
        backend="scalar tensor 'x', should only provide 1 in the model configuration",
        source=_INPUTS,
    ),
    single(
        "scalar_batched",
        config(x=_x("1"), y=_y("1")),
        _SCALAR,
        source="src/onnxruntime.cc ModelInstanceState::ReadOutputTensors",
        fails_in_use=True,
    ),
    single(
        "vector_batched",
        config(x=_x("1", "reshape { shape: [ ] }"), y=_y("1", "reshape { shape: [ ] }")),
        relu(("n",)),
    ),
    single("vector_batched_without_config", None, relu(("n",))),
    # Looks like a scalar; answers have the axes that they have.
    single("rank_not_said", config(_ANY, batch=0, x=_x("1"), y=_y("1")), _ANY_RANK),
    single("rank_not_said_without_config", None, _ANY_RANK),
    single(
        "rank_not_said_free",
        config(_ANY, batch=0, x=_x("1"), y=_y("-1, -1")),
        _ANY_RANK,
        backend="scalar tensor 'y', should only provide 1 in the model configuration",
        source=_OUTPUTS,
    ),
    single(
        "reshape_fits",
        config(x=_x("2, 2", "reshape { shape: [ 4 ] }"), y=_y("2, 2", "reshape { shape: [ 4 ] }")),
        relu(),
    ),
    single(
        "reshape_of_another_size",
        config(x=_x("5", "reshape { shape: [ 4 ] }")),
        relu(),
        core="has different size for dims and reshape",
    ),
    _differ("reshape_does_not_fit", config(x=_x("4", "reshape { shape: [ 2, 2 ] }")), relu()),
    single(
        "reshape_to_nothing_unbatched",
        config(batch=0, x=_x("1", "reshape { shape: [ ] }"), y=_y("1")),
        _SCALAR,
        core="cannot have empty reshape for non-batching model as scalar tensors are not supported",
    ),
    single(
        "reshape_two_free",
        config(batch=0, x=_x("-1, -1", "reshape { shape: [ -1, 4 ] }"), y=_y("-1, 4")),
        relu(),
        core="different number of variable-size dimensions for dims and reshape",
    ),
)
_OPTIONS = (
    single(
        "optional_unbatched",
        config(
            'input [{ name: "z" data_type: TYPE_FP32 dims: [ 1, 4 ] optional: true }]',
            batch=0,
            x=_x("-1, 4"),
            y=_y("-1, 4"),
        ),
        _OVERRIDABLE,
    ),
    single("optional_not_named", config(), _OVERRIDABLE),
    single(
        "optional_batched",
        config('input [{ name: "z" data_type: TYPE_FP32 dims: [ 4 ] optional: true }]'),
        _OVERRIDABLE,
        backend="optional input 'z' is not supported for models that support batching",
        source=_INPUTS,
    ),
    single(
        "optional_is_required",
        config(batch=0, x=_x("-1, 4", "optional: true"), y=_y("-1, 4")),
        relu(),
        backend="configuration expects 0 inputs, model provides 1",
        source=_INPUTS,
    ),
    single(
        "optional_named_as_required",
        config(
            'input [{ name: "z" data_type: TYPE_FP32 dims: [ 1, 4 ] }]',
            batch=0,
            x=_x("-1, 4"),
            y=_y("-1, 4"),
        ),
        _OVERRIDABLE,
        backend="configuration expects 2 inputs, model provides 1",
        source=_INPUTS,
    ),
    single(
        "format_without_three_axes",
        config(x=_x("4", "format: FORMAT_NCHW")),
        relu(),
        core="model input NHWC/NCHW require 3 dims",
    ),
    single(
        "format_with_three_axes",
        config(x=_x("3, 2, 2", "format: FORMAT_NCHW"), y=_y("3, 2, 2")),
        relu(("n", 3, 2, 2)),
    ),
    single(
        "shape_tensor",
        config(x=_x("4", "is_shape_tensor: true")),
        relu(),
        core="shape tensors are only supported for TensorRT",
    ),
    single(
        "non_linear_format",
        config(x=_x("4", "is_non_linear_format_io: true")),
        relu(),
        core="Non-linear IO format is only supported for the TensorRT platform",
    ),
    single(
        "labels",
        config(y=_y("4", 'label_filename: "labels.txt"')),
        relu(),
        more={"labels.txt": b"a\nb\nc\nd\n"},
    ),
    single(
        "labels_missing",
        config(y=_y("4", 'label_filename: "labels.txt"')),
        relu(),
        core="failed to open text file for read .*/labels.txt",
    ),
    single(
        "labels_too_few",
        config(y=_y("4", 'label_filename: "labels.txt"')),
        relu(),
        more={"labels.txt": b"a\n"},
    ),
    single(
        "ragged",
        config(
            "dynamic_batching { }",
            _batch_input("BATCH_ACCUMULATED_ELEMENT_COUNT"),
            x=_x("-1", "allow_ragged_batch: true"),
            y=_y("1"),
        ),
        graph(
            [node("ReduceSum", "x", "s"), node("Mul", "z s", "m"), node("Unsqueeze", "m one", "y")],
            [tensor("x", ("k",)), tensor("z", ("n",))],
            [tensor("y", ("n", None))],
            weights=[helper.make_tensor("one", TensorProto.INT64, (1,), [1])],
        ),
    ),
    single(
        "ragged_with_two_axes",
        config(x=_x("4", "allow_ragged_batch: true")),
        relu(),
        backend=r"input with shape \[-1\]  for ragged input 'x', model provides \[-1,4\]",
        source=_INPUTS,
    ),
    single(
        "batch_input_of_nothing",
        config(_batch_input(source="q")),
        _ADD,
        core="unknown source input name 'q'",
    ),
    single(
        "batch_input_type",
        config(_batch_input(dtype="TYPE_INT64")),
        _ADD,
        core="batch input data type must be TYPE_INT32 or TYPE_FP32",
    ),
    single(
        "batch_input_counted",
        config(_batch_input()),
        _ADD,
    ),
    single(
        "batch_output_of_nothing",
        config(
            'batch_output [{ kind: BATCH_SCATTER_WITH_INPUT_SHAPE target_name: "q" '
            'source_input: "x" }]'
        ),
        relu(),
        core="unknown target output name 'q'",
    ),
)

TENSORS: tuple[Pair, ...] = (*_NAMES, *_TYPES, *_SHAPES, *_OPTIONS)
