"""Ensembles: models of one repository that feed each other."""

from __future__ import annotations

from collections.abc import Mapping

from onnx import TensorProto

from registry.testing.triton_pairs import Pair
from registry.testing.triton_pairs.making import config, graph, node, relu, tensor

_IN = 'input [{ name: "in" data_type: TYPE_FP32 dims: [ 4 ] }]'
_OUT = 'output [{ name: "out" data_type: TYPE_FP32 dims: [ 4 ] }]'
_SPARE = 'input [{ name: "spare" data_type: TYPE_FP32 dims: [ 4 ] }]'
_Z = 'input [{ name: "z" data_type: TYPE_FP32 dims: [ 4 ] }]'
_ADD = graph(
    [node("Add", "x z", "y")],
    [tensor("x", ("n", 4)), tensor("z", ("n", 4))],
    [tensor("y", ("n", 4))],
)
_INT64 = graph(
    [node("Identity", "x", "y")],
    [tensor("x", ("n", 4), TensorProto.INT64)],
    [tensor("y", ("n", 4), TensorProto.INT64)],
)
#: Config and model of a step.
_Part = tuple[str, bytes]
_RELU: _Part = (config(), relu())
_SUM: _Part = (config(_Z), _ADD)
_OTHER_TYPE: _Part = (config().replace("FP32", "INT64"), _INT64)
_OTHER_SHAPE: _Part = (config().replace("[ 4 ]", "[ 5 ]"), relu(("n", 5)))
_TWO = {"first": _RELU, "second": _RELU}
_NO_MODELS = "contains models that are not available or ambiguous: "


class _Step:
    """Tensors of the ensemble by those of a model that is named after the ensemble."""

    def __init__(
        self, model: str, inputs: Mapping[str, str], outputs: Mapping[str, str], version: int = -1
    ) -> None:
        self._model, self._version = model, version
        self._maps = [f'input_map {{ key: "{a}" value: "{b}" }}' for a, b in inputs.items()]
        self._maps += [f'output_map {{ key: "{a}" value: "{b}" }}' for a, b in outputs.items()]

    def text(self, ensemble: str) -> str:
        name = f'model_name: "{ensemble}_{self._model}" model_version: {self._version}'
        return f"{{ {name} {' '.join(self._maps)} }}"


_FIRST = _Step("first", {"x": "in"}, {"y": "mid"})
_SECOND = _Step("second", {"x": "mid"}, {"y": "out"})


def _config(
    name: str, *steps: _Step, batch: int = 8, ins: str = _IN, outs: str = _OUT, said: str = ""
) -> str:
    texts = ", ".join(step.text(name) for step in steps)
    head = f'platform: "ensemble" max_batch_size: {batch}'
    return "\n".join([head, ins, outs, said, f"ensemble_scheduling {{ step [{texts}] }}"])


def _ensemble(
    name: str,
    text: str,
    core: str = "",
    *,
    parts: Mapping[str, _Part] = _TWO,
    version: bool = True,
) -> Pair:
    files = {f"{name}/config.pbtxt": text.encode()}
    if version:
        files[f"{name}/1/"] = b""
    for part, (said, model) in parts.items():
        files[f"{name}_{part}/config.pbtxt"] = said.encode()
        files[f"{name}_{part}/1/model.onnx"] = model
    return Pair(name=name, files=files, core=core)


def _of(name: str, *steps: _Step, core: str = "", parts: Mapping[str, _Part] = _TWO) -> Pair:
    return _ensemble(name, _config(name, *steps), core, parts=parts)


def _with(
    name: str,
    core: str = "",
    *,
    parts: Mapping[str, _Part] = _TWO,
    batch: int = 8,
    ins: str = _IN,
    outs: str = _OUT,
    said: str = "",
) -> Pair:
    """The sound chain of two, but for what is said here."""
    text = _config(name, _FIRST, _SECOND, batch=batch, ins=ins, outs=outs, said=said)
    return _ensemble(name, text, core, parts=parts)


_MODELS = (
    _with("ensemble"),
    _of("ensemble_in_any_order", _SECOND, _FIRST),
    _ensemble(
        "ensemble_without_version",
        _config("ensemble_without_version", _FIRST, _SECOND),
        "at least one version must be available",
        version=False,
    ),
    _of("ensemble_of_nothing", core="must specify 'step'"),
    _of(
        "ensemble_model_missing",
        _FIRST,
        _Step("third", {"x": "mid"}, {"y": "out"}),
        core=f"{_NO_MODELS}ensemble_model_missing_third",
    ),
    _with(
        "ensemble_model_broken",
        "depends on 'ensemble_model_broken_second' which has no loaded version",
        parts={"first": _RELU, "second": (config(), b"broken")},
    ),
    _with(
        "ensemble_model_config_broken",
        f"{_NO_MODELS}ensemble_model_config_broken_second",
        parts={"first": _RELU, "second": (config("nonsense"), relu())},
    ),
    _of(
        "ensemble_model_version",
        _FIRST,
        _Step("second", {"x": "mid"}, {"y": "out"}, version=2),
        core="whose required version 2 is not loaded",
    ),
    _of("ensemble_model_twice", _FIRST, _Step("first", {"x": "mid"}, {"y": "out"})),
)
_MAPS = (
    _of(
        "ensemble_input_unknown",
        _Step("first", {"q": "in"}, {"y": "mid"}),
        _SECOND,
        core="ensemble tensor in is mapping to non-existing input q",
    ),
    _of(
        "ensemble_output_unknown",
        _Step("first", {"x": "in"}, {"q": "mid"}),
        _SECOND,
        core="ensemble tensor mid is mapped from non-existing output q",
    ),
    _with(
        "ensemble_input_not_mapped",
        "input z in model .* is not mapped to any ensemble tensors",
        parts={"first": _SUM, "second": _RELU},
    ),
    _with(
        "ensemble_input_unused",
        "ensemble input 'spare' .* is not used",
        ins=f"{_IN} {_SPARE}",
    ),
    _of(
        "ensemble_output_not_made",
        _FIRST,
        _Step("second", {"x": "mid"}, {"y": "end"}),
        core="ensemble output 'out' .* is not used",
    ),
    _of(
        "ensemble_step_unfed",
        _FIRST,
        _Step("second", {"x": "elsewhere"}, {"y": "out"}),
        core="at least one of its depending tensors, 'elsewhere', is not connected",
    ),
    _of(
        "ensemble_output_unused",
        _FIRST,
        _SECOND,
        _Step("first", {"x": "mid"}, {"y": "spare"}),
        core="ensemble tensor 'spare' is unused in ensemble",
    ),
    _of(
        "ensemble_made_twice",
        _Step("first", {"x": "in"}, {"y": "out"}),
        _Step("second", {"x": "in"}, {"y": "out"}),
        core="ensemble tensor 'out' can appear in an output map only once",
    ),
    _of(
        "ensemble_ring",
        _Step("first", {"x": "in", "z": "back"}, {"y": "mid"}),
        _Step("second", {"x": "mid"}, {"y": "back"}),
        _Step("third", {"x": "back"}, {"y": "out"}),
        core="is not connected",
        parts={"first": _SUM, "second": _RELU, "third": _RELU},
    ),
    _with("ensemble_without_outputs", "ensemble tensor 'out' is unused in ensemble", outs=""),
    _with(
        "ensemble_without_inputs",
        "at least one of its depending tensors, 'in', is not connected",
        ins="",
    ),
)
_TENSORS = (
    _with(
        "ensemble_type",
        "ensemble tensor mid: inconsistent data type: TYPE_",
        parts={"first": _RELU, "second": _OTHER_TYPE},
    ),
    _with(
        "ensemble_input_type",
        "ensemble tensor in: inconsistent data type: TYPE_",
        ins=_IN.replace("FP32", "INT64"),
    ),
    _with(
        "ensemble_output_type",
        "ensemble tensor out: inconsistent data type: TYPE_",
        outs=_OUT.replace("FP32", "INT64"),
    ),
    _with(
        "ensemble_shape",
        "ensemble tensor mid: inconsistent shape",
        parts={"first": _RELU, "second": _OTHER_SHAPE},
    ),
    # Checked at each request.
    _with("ensemble_free_axis", ins=_IN.replace("4", "-1")),
    _with(
        "ensemble_batch_larger",
        "maximum batch size 16, but it contains model .* only allows maximum batch size to be 8",
        batch=16,
    ),
    _with("ensemble_batch_smaller", batch=2),
    # Each step gets a batch of one.
    _with("ensemble_unbatched", batch=0),
    _with(
        "ensemble_unbatched_whole",
        batch=0,
        ins=_IN.replace("4", "-1, 4"),
        outs=_OUT.replace("4", "-1, 4"),
    ),
)
_CIRCLE = "circular dependency between ensembles: ensemble_circle"
_AROUND = _Step("back", {"in": "in"}, {"out": "out"})
_BACK = _config("", _AROUND).replace('"_back"', '"ensemble_circle"')
_SETTINGS = (
    _with(
        "ensemble_with_backend",
        "must have platform type 'ensemble' and empty backend type",
        said='backend: "onnxruntime"',
    ),
    _with(
        "ensemble_with_instances",
        "instance group should not be specified for ensemble",
        said="instance_group [{ count: 1 kind: KIND_CPU }]",
    ),
    _with("ensemble_with_batching", "is specified along with field", said="dynamic_batching { }"),
    _ensemble(
        "ensemble_without_schedule",
        f'platform: "ensemble" {_IN} {_OUT}',
        "ensemble scheduling must be set for ensemble",
        parts={},
    ),
    _ensemble(
        "ensemble_without_platform",
        _config("ensemble_without_platform", _FIRST, _SECOND).replace('platform: "ensemble"', ""),
        "Could not determine backend for model 'ensemble_without_platform'",
    ),
    Pair(
        name="ensemble_circle",
        files={
            "ensemble_circle/1/": b"",
            "ensemble_circle/config.pbtxt": _config("ensemble_circle", _AROUND).encode(),
            "ensemble_circle_back/1/": b"",
            "ensemble_circle_back/config.pbtxt": _BACK.encode(),
        },
        core=_CIRCLE,
    ),
)

ENSEMBLES: tuple[Pair, ...] = (*_MODELS, *_MAPS, *_TENSORS, *_SETTINGS)
