"""Triton's gRPC API as a probe needs it. What fails is a FaultError that says whose fault it is."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from registry.serving import probe_rules as rules
from registry.serving.candidates import Case, Tensor
from registry.serving.probe_faults import FaultError, Stage, fault_of, server_fault
from registry.serving.probe_target import ProbeTarget, headers_of
from registry.serving.tensor_types import ONNX_BY_TRITON, Array

if TYPE_CHECKING:
    from collections.abc import Callable

ASK_TIMEOUT_S = 10.0
_READY_S = 10.0
_STEP_S = 0.02
_TRITON_BY_ONNX = {onnx: triton for triton, onnx in ONNX_BY_TRITON.items()}
#: Of one sequence, which begins and ends with each request.
_SEQUENCE_ID = 1


class Client:
    """A context manager. FaultError also where files that the target names cannot be used."""

    def __init__(self, target: ProbeTarget) -> None:
        # Half a second that most commands can do without.
        import tritonclient.grpc as triton

        self._triton = triton
        self._target = target
        try:
            self._headers = dict(headers_of(target.key_files))
        except (OSError, ValueError) as error:
            raise server_fault(rules.ALLOWED, f"no key for it: {error}") from error
        for path in (target.ca_file, target.key_file, target.certificate_file):
            _check_readable(path)
        self._client = triton.InferenceServerClient(
            target.address,
            ssl=target.is_tls,
            root_certificates=_text(target.ca_file),
            private_key=_text(target.key_file),
            certificate_chain=_text(target.certificate_file),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def is_live(self) -> bool:
        return bool(self._call(Stage.ASK, self._client.is_server_live))

    def is_ready(self) -> bool:
        """Whether it calls itself so: by default not after it has failed to load a model."""
        return bool(self._call(Stage.ASK, self._client.is_server_ready))

    def version(self) -> str:
        return str(self._call(Stage.ASK, self._client.get_server_metadata).version)

    def names(self) -> set[str]:
        """Of all models that it has or knows of. Its index alone leaves out those whose files came
        with the request to load them, its statistics those that did not load."""
        index = self._call(Stage.ASK, self._client.get_model_repository_index)
        statistics = self._call(Stage.ASK, self._client.get_inference_statistics)
        return {each.name for each in (*index.models, *statistics.model_stats)}

    def has_ready(self, name: str) -> bool:
        try:
            return bool(self._call(Stage.ASK, self._client.is_model_ready, name))
        except FaultError as fault:
            # Some releases say so of a model that they do not have, instead of no:
            # github.com/triton-inference-server/core/pull/510.
            if fault.status == "NOT_FOUND":
                return False
            raise

    def load(self, name: str, config: Mapping[str, Any], files: Mapping[str, bytes] | None) -> None:
        """Returns when it is ready. Without files they lie in the server's repository."""
        overrides = None
        if files is not None:
            overrides = {f"file:{way}": content for way, content in files.items()}
        self._call(
            Stage.LOAD,
            self._client.load_model,
            name,
            config=json.dumps({**config, "name": name}),
            files=overrides,
            patience_s=self._target.load_timeout_s,
        )
        self._await_ready(name)

    def unload(self, name: str) -> None:
        """Repeats safely. One that is being loaded is unloaded after that, which is waited for."""
        patience_s = self._target.unload_timeout_s
        self._call(Stage.UNLOAD, self._client.unload_model, name, patience_s=patience_s)

    def infer(self, name: str, case: Case, *, in_sequence: bool) -> dict[str, Tensor]:
        """The outputs."""
        sequence: dict[str, Any] = {}
        if in_sequence:
            sequence = {"sequence_id": _SEQUENCE_ID, "sequence_start": True, "sequence_end": True}
        answer = self._call(
            Stage.INFER,
            self._client.infer,
            name,
            [self._input(*each) for each in case.inputs.items()],
            patience_s=self._target.infer_timeout_s,
            **sequence,
        )
        return {
            each.name: _output(each.datatype, answer.as_numpy(each.name))
            for each in answer.get_response().outputs
        }

    def _await_ready(self, name: str) -> None:
        """What was loaded is ready, but maybe not at once."""
        until = time.monotonic() + _READY_S
        while not self.has_ready(name):
            if time.monotonic() > until:
                found = f"the model was loaded, and is not ready after {_READY_S:g} s"
                raise server_fault(rules.ANSWERS, found)
            time.sleep(_STEP_S)

    def _input(self, name: str, tensor: Tensor) -> Any:
        array = tensor.array
        if tensor.dtype == "BFLOAT16":
            from tritonclient.utils import triton_to_np_dtype

            array = array.view(triton_to_np_dtype("BF16"))
        given = self._triton.InferInput(name, array.shape, _TRITON_BY_ONNX[tensor.dtype])
        given.set_data_from_numpy(array)
        return given

    def _call(
        self,
        stage: Stage,
        function: Callable[..., Any],
        *args: Any,
        patience_s: float = ASK_TIMEOUT_S,
        **options: Any,
    ) -> Any:
        from tritonclient.utils import InferenceServerException

        try:
            return function(*args, headers=self._headers, client_timeout=patience_s, **options)
        except InferenceServerException as error:
            status = (error.status() or "").removeprefix("StatusCode.")
            said = error.message() or ""
            raise fault_of(stage, status, said, self._target, patience_s=patience_s) from error


def _output(datatype: str, array: Array) -> Tensor:
    dtype = ONNX_BY_TRITON.get(datatype, datatype)
    if dtype == "BFLOAT16":
        array = array.view(np.uint16)
    elif dtype == "STRING":
        texts = [each.decode(errors="replace") for each in array.ravel().tolist()]
        array = np.array(texts, object).reshape(array.shape)
    return Tensor(dtype=dtype, array=array)


def _check_readable(path: Path | None) -> None:
    """Before the client reads it, which leaves half a client behind where it cannot."""
    try:
        if path is not None:
            path.read_bytes()
    except OSError as error:
        raise server_fault(rules.TRUSTED, f"a file in PEM cannot be read: {error}") from error


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
