"""What a configuration is given with, and the pieces that the others are put together from."""

from __future__ import annotations

from dataclasses import dataclass, field

from registry.domain.readiness import Signature, TensorInfo, Weight

X = TensorInfo(name="X", dtype="FLOAT", dims=("n", 4))
Y = TensorInfo(name="Y", dtype="FLOAT", dims=("n", 4))
Z = TensorInfo(name="Z", dtype="FLOAT", dims=("n", 1))
W = TensorInfo(name="W", dtype="FLOAT", dims=("n", 1))
ONE = Signature(inputs=(X,), outputs=(Y,))
TWO = Signature(inputs=(X, Z), outputs=(Y, W))


def model(*tensors: TensorInfo) -> Signature:
    """All but the last are inputs."""
    return Signature(inputs=tensors[:-1], outputs=tensors[-1:])


def axes(name: str, *dims: int | str | None, dtype: str = "FLOAT") -> TensorInfo:
    return TensorInfo(name=name, dtype=dtype, dims=dims)


IN = 'input { name: "X" data_type: TYPE_FP32 dims: [4] }\n'
OUT = 'output { name: "Y" data_type: TYPE_FP32 dims: [4] }\n'
IO = IN + OUT
FULL = IO.replace("[4]", "[-1, 4]")
HEAD = 'backend: "onnxruntime"\nmax_batch_size: 8\n'
BASE = HEAD + IO
UNBATCHED = 'backend: "onnxruntime"\n' + FULL

BLOCKS, DOUBTS, REMARK = Weight.BLOCKS, Weight.DOUBTS, Weight.REMARK


@dataclass(frozen=True)
class Given:
    text: str
    signature: Signature | None = ONE
    files: dict[str, int] = field(default_factory=lambda: {"1/model.onnx": 75})
    #: Folders of models are called so.
    name: str = "m"
    #: Fields that the release does not know.
    unknown: frozenset[tuple[str, str]] = frozenset()


def batching(text: str) -> str:
    return f"{BASE}dynamic_batching {{ {text} }}"


def sequence(text: str, base: str = BASE) -> str:
    return f"{base}sequence_batching {{ {text} }}"


def warm_up(text: str, batch_size: int = 1, base: str = BASE) -> str:
    return f'{base}model_warmup {{ name: "w" batch_size: {batch_size} {text} }}'


def data(name: str = "X", data_type: str = "FP32", dims: str = "4", source: str = "") -> str:
    source = source or "zero_data: true"
    value = f"data_type: TYPE_{data_type} dims: [{dims}] {source}"
    return f'inputs {{ key: "{name}" value {{ {value} }} }}'


def control(
    name: str = "Z", text: str = "kind: CONTROL_SEQUENCE_START fp32_false_true: [0, 1]"
) -> str:
    return f'control_input {{ name: "{name}" control {{ {text} }} }}'


def state(text: str = "", dims: str = "1", input_name: str = "Z") -> str:
    return (
        f'state {{ input_name: "{input_name}" output_name: "W" data_type: TYPE_FP32 '
        f"dims: [{dims}] {text} }}"
    )


def initial(text: str, dims: str = "1", data_type: str = "FP32") -> str:
    return f"initial_state {{ data_type: TYPE_{data_type} dims: [{dims}] {text} }}"


def accelerator(text: str, kind: str = "gpu") -> str:
    return (
        f"{BASE}optimization {{ execution_accelerators {{ {kind}_execution_accelerator "
        f"{{ {text} }} }} }}"
    )


def parameter(name: str, value: str) -> str:
    return f'{BASE}parameters {{ key: "{name}" value {{ string_value: "{value}" }} }}'


PYTHON = Given('backend: "python"\n' + FULL, None, {"1/model.py": 9})
PLAN = Given('platform: "tensorrt_plan" max_batch_size: 8\n' + IO, None, {"1/model.plan": 9})
ENSEMBLE = Given(
    'platform: "ensemble" max_batch_size: 8\n'
    + IO
    + 'ensemble_scheduling { step { model_name: "e" model_version: -1 '
    'input_map { key: "a" value: "X" } output_map { key: "b" value: "Y" } } }',
    None,
    {},
)
OPTIONAL = TensorInfo(name="S", dtype="FLOAT", dims=(1,), is_optional=True)
S = 'input { name: "S" data_type: TYPE_FP32 dims: [1] %s }\n'
RAGGED = IN.replace("dims: [4]", "dims: [-1] allow_ragged_batch: true")
LABELS = HEAD + IN + OUT.replace("[4]", '[4] label_filename: "l.txt"')
BATCH_INPUT = "batch_input { kind: BATCH_ELEMENT_COUNT target_name: 'Z' %s }"
PRIORITY = "priority_levels: 2 default_priority_level: 1 "
