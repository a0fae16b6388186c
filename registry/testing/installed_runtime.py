"""What the ONNX Runtime that is installed here knows, in its own words, for tests."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from registry.serving.onnx_rules import CUDA, Types

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime
from onnxruntime.capi import _pybind_state as state

_OPEN_END = 2**31 - 1


class InstalledRuntime:
    """As `registry.serving.onnx_rules.Runtime`. CUDA has whatever is asked for: it is not built
    in."""

    version: str = onnxruntime.__version__
    #: Measured.
    ir_version_max = 13
    opset_max: Mapping[str, int] = {
        "": 26,
        "ai.onnx.ml": 5,
        "ai.onnx.preview.training": 1,
        "ai.onnx.training": 1,
        "com.microsoft": 1,
    }

    def knows(self, domain: str, op_type: str, opset: int) -> bool:
        since = self._since(domain, op_type, opset)
        return since is not None and not _schemas()[domain, op_type][since]

    def kernel(
        self, provider: str, domain: str, op_type: str, opset: int
    ) -> Sequence[Types] | None:
        if provider == CUDA:
            return ({},)
        since = self._since(domain, op_type, opset)
        found = [
            types
            for (start, end), types in _kernels(provider).get((domain, op_type), ())
            if since is not None
            and (start == since or (end != _OPEN_END and start <= since <= end))
        ]
        return found or None

    def inlines(self, domain: str, op_type: str, opset: int) -> bool | None:
        """It does not say."""
        return None

    def _since(self, domain: str, op_type: str, opset: int) -> int | None:
        begun = [each for each in _schemas().get((domain, op_type), {}) if each <= opset]
        return max(begun) if begun else None


@cache
def _schemas() -> Mapping[tuple[str, str], Mapping[int, bool]]:
    """Whether it is deprecated, by the opset at which a schema begins."""
    found: dict[tuple[str, str], dict[int, bool]] = {}
    for schema in state.get_all_operator_schema():
        found.setdefault((schema.domain, schema.name), {})[schema.since_version] = bool(
            schema.deprecated
        )
    return found


@cache
def _kernels(provider: str) -> Mapping[tuple[str, str], list[tuple[tuple[int, int], Any]]]:
    found: dict[tuple[str, str], list[tuple[tuple[int, int], Any]]] = {}
    for kernel in state.get_registered_ep_kernel_defs(provider):
        found.setdefault((kernel.domain, kernel.op_name), []).append(
            (tuple(kernel.version_range), dict(kernel.type_constraints))
        )
    return found
