"""What Triton makes of a configuration before it judges it: what nobody wrote down it fills in.

Sources: core/src/model_config_utils.cc, `AutoCompleteBackendFields`; for ONNX models
onnxruntime_backend/src/onnxruntime.cc, `AutoCompleteConfig`, `AutoCompleteMaxBatch` and
`AutoCompleteIO`; core/src/backend_model.cc, `SetBackendConfigDefaults`, for the 4.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tritonclient.grpc import model_config_pb2

from registry.domain.readiness import Signature, TensorInfo
from registry.serving.config_values import ANY, TRITON_TYPES, axes
from registry.serving.repository import AUTOFILL, Place

#: Triton's `--backend-config=default-max-batch-size`, where nobody sets it.
MAX_BATCH_SIZE = 4

ENSEMBLE = "ensemble"
ONNXRUNTIME = "onnxruntime"
TENSORFLOW = "tensorflow"
_NOTHING = ("", "")
_BY_PLATFORM = {
    **{platform: backend for backend, platform in AUTOFILL.values() if platform},
    "libtorch": "pytorch",
}
_FILES_BY_PLATFORM = {platform: name for name, (_, platform) in AUTOFILL.items() if platform}
#: Platform and file of a backend that has one of each.
_DEFAULTS = {
    backend: (platform, name)
    for name, (backend, platform) in reversed(list(AUTOFILL.items()))
    if backend != TENSORFLOW
}


def completed(message: Any, place: Place, signature: Signature | None) -> Any:
    """A copy with all that Triton fills in. Where Triton would refuse to go on, as for a batch
    that the model cannot take, it is left as it is: that is a rule's to say."""
    whole = model_config_pb2.ModelConfig()
    whole.CopyFrom(message)
    whole.name = whole.name or place.name
    _complete_backend(whole, place)
    if whole.backend == ONNXRUNTIME and signature is not None:
        _complete_onnx(whole, signature)
    return whole


def can_batch(signature: Signature) -> bool:
    """Whether the first axis of each input and output is free."""
    return all(_is_batched(each) for each in (*needed(signature.inputs), *signature.outputs))


def needed(inputs: Iterable[TensorInfo]) -> list[TensorInfo]:
    """Inputs that ONNX Runtime counts as such: those with a value in the model are not among
    them."""
    return [each for each in inputs if not each.is_optional]


def _is_batched(tensor: TensorInfo) -> bool:
    dims = axes(tensor)
    return bool(dims) and dims is not None and dims[0] == ANY


def _complete_backend(whole: Any, place: Place) -> None:
    if whole.platform == ENSEMBLE or whole.HasField("ensemble_scheduling"):
        return
    backend, platform, _ = place.autofilled()
    is_bare = not (whole.backend or whole.platform or whole.default_model_filename)
    by_file = AUTOFILL.get(whole.default_model_filename, _NOTHING)
    if is_bare and backend:
        whole.backend, whole.platform = backend, platform
    elif is_bare and "." in place.name:
        # `model.identity` is a model of the backend `identity`, whatever its files; it gets no
        # platform, which some backends then miss.
        whole.backend = place.name.partition(".")[2]
        whole.default_model_filename = f"model.{whole.backend}"
        return
    else:
        whole.backend = whole.backend or _BY_PLATFORM.get(whole.platform, by_file[0])
    own_platform, own_file = _DEFAULTS.get(whole.backend, _NOTHING)
    if whole.backend == TENSORFLOW:
        # Its two platforms differ in what they load, so that decides.
        own_platform = by_file[1] or (platform if backend == TENSORFLOW else "")
    whole.platform = whole.platform or own_platform
    if not whole.default_model_filename:
        whole.default_model_filename = _FILES_BY_PLATFORM.get(whole.platform, own_file)


def _complete_onnx(whole: Any, signature: Signature) -> None:
    if (whole.input or whole.batch_input) and whole.output:
        return
    if can_batch(signature):
        whole.max_batch_size = whole.max_batch_size or MAX_BATCH_SIZE
        if whole.max_batch_size > 1 and not whole.WhichOneof("scheduling_choice"):
            whole.dynamic_batching.SetInParent()
    if not whole.input and not whole.batch_input:
        _complete_tensors(whole.input, needed(signature.inputs), whole.max_batch_size)
    if not whole.output:
        _complete_tensors(whole.output, signature.outputs, whole.max_batch_size)


def _complete_tensors(ios: Any, tensors: Iterable[TensorInfo], max_batch_size: int) -> None:
    for tensor in tensors:
        dims = list(axes(tensor) or ())[1 if max_batch_size > 0 else 0 :]
        data_type = TRITON_TYPES.get(tensor.dtype, "TYPE_INVALID")
        io = ios.add(name=tensor.name, data_type=data_type, dims=dims or [1])
        if not dims and max_batch_size > 0:
            # One value for each of the batch: an axis of one that the model does not have.
            io.reshape.SetInParent()
